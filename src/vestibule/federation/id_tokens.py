"""What makes an ID token good (OpenID Connect Core 1.0, 3.1.3.7; RFC 8725)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import Any  # Any: claims are JSON

from joserfc import jwt
from joserfc.errors import JoseError

from vestibule.federation import discovery
from vestibule.federation.discovery import PublicKey
from vestibule.kernel.errors import ProviderFailed
from vestibule.kernel.means import Means
from vestibule.tokens.checks import quietly

LEEWAY = timedelta(seconds=60)
OLDEST = timedelta(minutes=10)  # since it was issued: each is for the sign-in that asked for it

_NEVER = 1e11  # seconds since 1970: thousands of years from now
_LONGEST, _DOTS, _SUBJECT = 16_384, 2, 255  # characters
_ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
# They say that something else is to be understood, or where another key is.
_REFUSED = frozenset({"crit", "b64", "zip", "jwk", "jku", "x5u"})


async def verify(
    means: Means,
    token: object,
    *,
    issuer: str,
    audiences: Collection[str],
    nonce: str,
    access_token: str | None = None,
) -> Mapping[str, Any]:
    """Return what an ID token says, if the issuer signed it for us and for this sign-in.

    Args:
        audiences: client ids of ours, of which it must name one and nobody else.
        access_token: what came with it, for `at_hash`.

    Raises:
        ProviderFailed: anything is not so. Which, the log is told and nobody else.
    """
    if not isinstance(token, str) or len(token) > _LONGEST or token.count(".") != _DOTS:
        raise ProviderFailed("the ID token is none")
    header = _header(token)
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
        raise ProviderFailed("the ID token is signed in a way that we do not take")
    if _REFUSED & header.keys() or not isinstance(kid, str | None):
        raise ProviderFailed("the ID token's header asks for more than a signature")
    found = await discovery.keys(means, issuer, kid=kid, algorithm=algorithm)
    said = _signed(token, algorithm, found)
    if said is None:  # another key may have taken the place of the one that we know
        found = await discovery.keys(means, issuer, kid=kid, algorithm=algorithm, instead_of=found)
        said = _signed(token, algorithm, found)
    if said is None:
        raise ProviderFailed("no single key of the issuer signed the ID token")
    _check(said, issuer, audiences, nonce, means.clock.now())
    if "at_hash" in said and access_token is not None and said["at_hash"] != _half(access_token):
        raise ProviderFailed("the ID token came with another access token")
    return said


def _signed(token: str, algorithm: str, found: Sequence[PublicKey]) -> Mapping[str, Any] | None:
    """Return what a token says, if there is one key that can have signed it, and it has."""
    if len(found) != 1:
        return None
    try:
        with quietly(algorithm):
            said: object = jwt.decode(token, found[0].key, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def subject(said: Mapping[str, Any]) -> str:
    """Return whom claims are about.

    Raises:
        ProviderFailed: nobody.
    """
    found = said.get("sub")
    if not isinstance(found, str) or not 0 < len(found) <= _SUBJECT:
        raise ProviderFailed("the subject is none")
    if not found.isascii() or not found.isprintable():  # OpenID Connect Core 1.0, 2
        raise ProviderFailed("the subject is none")
    return found


def _check(
    said: Mapping[str, Any], issuer: str, audiences: Collection[str], nonce: str, now: datetime
) -> None:
    if said.get("iss") != issuer:
        raise ProviderFailed("the ID token is another issuer's")
    named = said.get("aud")
    listed = named if isinstance(named, list) else [named]
    if len(listed) != 1 or listed[0] not in audiences:
        raise ProviderFailed("the ID token is not for us alone")
    # An app on a phone is given tokens for our server: `azp` is the app, and one of ours, too.
    if said.get("azp", listed[0]) not in audiences:
        raise ProviderFailed("the ID token was given to another client")
    subject(said)
    issued, expires = _seconds(said, "iat"), _seconds(said, "exp")
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    if expires + leeway <= moment or issued - leeway > moment:
        raise ProviderFailed("the ID token is out of its time")
    if issued + leeway + OLDEST.total_seconds() <= moment:
        raise ProviderFailed("the ID token is old")
    if "nbf" in said and _seconds(said, "nbf") - leeway > moment:
        raise ProviderFailed("the ID token is out of its time")
    told = said.get("nonce")
    if not isinstance(told, str) or not compare_digest(_bytes(told), _bytes(nonce)):
        raise ProviderFailed("the ID token is of another sign-in")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # JSON can write half of a pair


def _seconds(said: Mapping[str, Any], name: str) -> float:
    value = said.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _NEVER:
        return float(value)
    raise ProviderFailed(f"the ID token's {name} is no time")


def _header(token: str) -> Mapping[str, Any]:
    first = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise ProviderFailed("the ID token has no header")
    return header


def _half(access_token: str) -> str:
    """Return half of a digest, as `at_hash` has it; all algorithms that we take are of SHA-256."""
    digest = sha256(access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
