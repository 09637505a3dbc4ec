"""What OpenID providers publish of themselves: read seldom, and once for all who wait for it."""

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any  # Any: JSON
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from vestibule.federation.fetching import fetch_object
from vestibule.kernel.errors import ProviderFailed
from vestibule.kernel.means import Means

WITHIN = 3.0  # seconds for each answer: less than a sign-in has, which does without it then
AT_FIRST = 8.0  # the same while there is nothing to do without
_FRESH = timedelta(hours=1)
_KEPT = timedelta(days=1)  # while the issuer cannot be asked
_REST = timedelta(minutes=1)  # between two looks for a key that is not there
_AFTER_FAILURE = timedelta(seconds=5)  # until somebody tries again
_MOST_KEYS = 50
_WEAKEST_RSA = 2048  # bits
_PLAIN = re.compile(r"[!-~]{1,2000}")
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True)
class PublicKey:
    kid: str | None
    algorithm: str
    key: Key


Reader = Callable[[Means, str, "Published"], Coroutine[Any, Any, None]]  # Any: of no account


@dataclass
class Published:
    """What one issuer published, as far as this process knows."""

    metadata: dict[str, Any] = field(default_factory=dict)
    metadata_at: datetime | None = None
    keys: tuple[PublicKey, ...] = ()
    keys_at: datetime | None = None
    missed_at: datetime | None = None
    failed_at: datetime | None = None
    reading: dict[Reader, asyncio.Task[None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Discoveries:
    """By issuer; the settings say which there are."""

    known: dict[str, Published] = field(default_factory=dict)

    def of(self, issuer: str) -> Published:
        return self.known.setdefault(issuer, Published())

    async def close(self) -> None:
        """End what is under way."""
        reading = [task for each in self.known.values() for task in each.reading.values()]
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def metadata(means: Means, issuer: str) -> dict[str, Any]:
    """Return what an issuer says of itself (OpenID Connect Discovery 1.0, 4).

    Raises:
        ProviderFailed: it says nothing that can be used.
    """
    published = means.part(Discoveries).of(issuer)
    if not _is_fresh(means, published.metadata_at):
        await _read(_metadata, means, issuer, published)
    return published.metadata


async def keys(
    means: Means,
    issuer: str,
    *,
    kid: str | None,
    algorithm: str,
    instead_of: Sequence[PublicKey] = (),
) -> tuple[PublicKey, ...]:
    """Return the keys that may have signed something: those of that id, or all where it has none.

    An id that is unknown is looked for at the issuer, at most once a minute.

    Args:
        instead_of: keys that did not sign it. If they are what is known still, the issuer is asked.

    Raises:
        ProviderFailed: nobody can know.
    """
    published = means.part(Discoveries).of(issuer)
    await metadata(means, issuer)
    found = _matching(published, kid, algorithm)
    if not _is_fresh(means, published.keys_at):
        await _read(_keys, means, issuer, published)
    elif not found or (instead_of and found == tuple(instead_of)):  # signed with a new one, perhaps
        missed = _age(means, published.missed_at)
        if missed is None or missed >= _REST:
            published.missed_at = means.clock.now()
            await _read(_keys, means, issuer, published)
        elif _keys in published.reading:
            await _read(_keys, means, issuer, published)
    return _matching(published, kid, algorithm)


async def _read(reader: Reader, means: Means, issuer: str, published: Published) -> None:
    """Have one read for all who wait, to its end even if they leave."""
    task = published.reading.get(reader)
    if task is None:
        task = asyncio.create_task(reader(means, issuer, published))
        published.reading[reader] = task

        def over(done: asyncio.Task[None]) -> None:
            del published.reading[reader]
            if not done.cancelled():
                done.exception()  # whoever waits is told

        task.add_done_callback(over)
    await asyncio.shield(task)


async def _metadata(means: Means, issuer: str, published: Published) -> None:
    kept = _is_kept(means, published.metadata_at)
    where = f"{issuer.removesuffix('/')}/.well-known/openid-configuration"
    try:
        found = await _asked(means, published, where, kept=kept)
    except ProviderFailed:
        if kept:
            return
        raise
    if found.get("issuer") != issuer:  # to the byte: Discovery 1.0, 4.3
        raise ProviderFailed("it calls itself otherwise than the settings do")
    for name in _ENDPOINTS:
        if not _is_url(found.get(name)):
            raise ProviderFailed(f"its {name} is no URL")
    if "userinfo_endpoint" in found and not _is_url(found["userinfo_endpoint"]):
        raise ProviderFailed("its userinfo_endpoint is no URL")
    if published.metadata.get("jwks_uri") != found["jwks_uri"]:
        published.keys, published.keys_at = (), None
    published.metadata, published.metadata_at = found, means.clock.now()


async def _keys(means: Means, _issuer: str, published: Published) -> None:
    where = str(published.metadata["jwks_uri"])
    kept = _is_kept(means, published.keys_at)
    try:
        answer = await _asked(means, published, where, kept=kept)
    except ProviderFailed:
        if kept:
            return
        raise
    found = tuple(_listed(answer))
    if published.metadata["jwks_uri"] == where:  # still
        published.keys, published.keys_at = found, means.clock.now()


async def _asked(means: Means, published: Published, url: str, *, kept: bool) -> dict[str, Any]:
    failed = _age(means, published.failed_at)
    if failed is not None and failed < _AFTER_FAILURE:
        raise ProviderFailed("it failed a moment ago")
    try:
        found = await fetch_object(means, "GET", url, within=WITHIN if kept else AT_FIRST)
    except ProviderFailed:
        published.failed_at = means.clock.now()
        raise
    published.failed_at = None
    return found


def _is_fresh(means: Means, then: datetime | None) -> bool:
    age = _age(means, then)
    return age is not None and age < _FRESH


def _is_kept(means: Means, then: datetime | None) -> bool:
    age = _age(means, then)
    return age is not None and age < _KEPT


def _age(means: Means, then: datetime | None) -> timedelta | None:
    return None if then is None else means.clock.now() - then


def _is_url(value: object) -> bool:
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        return False
    try:
        parts = urlsplit(value)
        port = parts.port  # refuses one that is none
    except ValueError:
        return False
    whole = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return whole and "@" not in parts.netloc


def _matching(published: Published, kid: str | None, algorithm: str) -> tuple[PublicKey, ...]:
    return tuple(
        each
        for each in published.keys
        if each.algorithm == algorithm and (kid is None or each.kid == kid)
    )


def _listed(answer: dict[str, Any]) -> list[PublicKey]:
    """Return the keys of a JWK Set (RFC 7517, 5) with which ID tokens may be signed."""
    published = answer.get("keys")
    if not isinstance(published, list):
        raise ProviderFailed("its jwks_uri leads to no set of keys")
    return [key for each in published[:_MOST_KEYS] if (key := _read_key(each)) is not None]


def _read_key(jwk: object) -> PublicKey | None:
    """Read a key for the one algorithm that it is for; None for others, and for weak ones."""
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig":
        return None
    kid = jwk.get("kid")
    if kid is not None and not isinstance(kid, str):
        return None
    try:
        key = import_key(jwk)
        algorithm = _algorithm(key)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        return None
    if algorithm is None or jwk.get("alg", algorithm) != algorithm:
        return None
    return PublicKey(kid, algorithm, key)


def _algorithm(key: Key) -> str | None:
    match key:
        case RSAKey() if key.public_key.key_size >= _WEAKEST_RSA:
            return "RS256"
        case ECKey() if key.curve_name == "P-256":
            return "ES256"
        case OKPKey() if key.as_dict(private=False).get("crv") == "Ed25519":
            return "EdDSA"
    return None
