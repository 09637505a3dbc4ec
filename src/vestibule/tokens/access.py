"""Access tokens: short-lived JWTs (RFC 7519, 9068) of a session, verified without a database.

What is checked, and in which order, follows RFC 8725. A token selects one of our keys, and nothing
else about how it is verified: neither the algorithm nor a key comes from it.
"""

import json
import random
import re
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning

from vestibule.kernel.errors import NotSignedIn
from vestibule.kernel.ids import uuid7
from vestibule.kernel.settings import Settings
from vestibule.tokens.keyring import LEEWAY, Pair, Verifier

_TYPE = "at+jwt"
_LONGEST, _DOTS = 8192, 2  # characters, of which ours have some hundreds
_JITTER = 0.05
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7638, of SHA-256
_HEADER = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who a token speaks of: an account, by one of its sessions."""

    account_id: UUID
    session_id: UUID
    roles: Sequence[str]
    amr: str
    auth_time: datetime
    email_verified: bool
    expires_at: datetime


@dataclass(frozen=True)
class Claims:
    """What a verified token says: a guess until the session's row agrees."""

    account_id: UUID
    session_id: UUID
    expires_at: datetime
    kid: str


@dataclass(frozen=True)
class Issued:
    token: str
    expires_in: int  # seconds


def issue(pair: Pair, settings: Settings, holder: Holder, *, now: datetime) -> Issued:
    """Sign a token that ends with its session at the latest."""
    spread = 1 + random.uniform(-_JITTER, _JITTER)  # noqa: S311 - no secret
    ends = min(now + settings.access_lifetime * spread, holder.expires_at)
    issued_at = int(now.timestamp())
    claims = {
        "iss": settings.base_url,
        "aud": settings.base_url,
        "sub": str(holder.account_id),
        "sid": str(holder.session_id),
        "jti": str(uuid7()),
        "iat": issued_at,
        "exp": int(ends.timestamp()),
        "roles": list(holder.roles),
        "amr": holder.amr.split(),
        "auth_time": int(holder.auth_time.timestamp()),
        "email_verified": holder.email_verified,
    }
    header = {"alg": pair.algorithm, "kid": pair.kid, "typ": _TYPE}
    with _quietly(pair.algorithm):
        token = jwt.encode(header, claims, pair.private, algorithms=[pair.algorithm])
    return Issued(token, int(ends.timestamp()) - issued_at)


def kid_of(token: str) -> str:
    """Return which key a token names.

    Raises:
        NotSignedIn: it is too long, is no JWS, or its header holds anything but what ours hold.
    """
    if len(token) > _LONGEST or token.count(".") != _DOTS:
        raise NotSignedIn
    first = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        raise NotSignedIn from None
    # Whoever would add `crit`, `jwk`, `jku`, `x5u` or `zip` is not us.
    if not isinstance(header, dict) or header.keys() != _HEADER or header["typ"] != _TYPE:
        raise NotSignedIn
    kid = header["kid"]
    if not isinstance(kid, str) or not _THUMBPRINT.fullmatch(kid):
        raise NotSignedIn
    return kid


def verify(token: str, verifier: Verifier, settings: Settings, *, now: datetime) -> Claims:
    """Return what a token says, if one of our keys signed it for us and it is in its time.

    Raises:
        NotSignedIn: anything is not as `issue` writes it. Which, nobody is told.
    """
    try:
        with _quietly(verifier.algorithm):
            decoded = jwt.decode(token, verifier.key, algorithms=[verifier.algorithm])
    except (JoseError, ValueError, TypeError, RecursionError):
        raise NotSignedIn from None
    said = decoded.claims
    try:
        if decoded.header["kid"] != verifier.kid or said["iss"] != settings.base_url:
            raise NotSignedIn
        if said["aud"] != settings.base_url:
            raise NotSignedIn
        expires_at = _moment(said["exp"])
        if expires_at + LEEWAY <= now or _moment(said["iat"]) > now + LEEWAY:
            raise NotSignedIn
        if "nbf" in said and _moment(said["nbf"]) > now + LEEWAY:
            raise NotSignedIn
        return Claims(_id(said["sub"]), _id(said["sid"]), expires_at, verifier.kid)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise NotSignedIn from None


def _moment(value: object) -> datetime:
    if type(value) is not int:  # True is an int, too
        raise TypeError
    return datetime.fromtimestamp(value, UTC)


def _id(value: object) -> UUID:
    if not isinstance(value, str):
        raise TypeError
    return UUID(value)


@contextmanager
def _quietly(algorithm: str) -> Iterator[None]:
    """Not be told, at each token, that "EdDSA" has a newer name.

    RFC 9864 calls it Ed25519; most verifiers know the old name only.
    """
    if algorithm != "EdDSA":
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield
