"""What makes an access token good, for the service and for others who verify it with our keys.

What is checked, and in which order, follows RFC 8725. A token selects one of our keys, and nothing
else about how it is verified: neither the algorithm nor a key comes from it. Nothing here knows the
database: `vestibule.verify` runs where there is none.
"""

import json
import re
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any  # Any: claims are JSON
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key

from vestibule.kernel.errors import NotSignedIn, Why

TYPE = "at+jwt"
# How far two clocks may be apart: for expiry, and for what lies in the future.
LEEWAY = timedelta(seconds=30)

_LONGEST, _DOTS = 8192, 2  # characters, of which ours have some hundreds
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # RFC 7638, of SHA-256
_HEADER = frozenset({"alg", "kid", "typ"})


@dataclass(frozen=True)
class Verifier:
    """A public key, and until when what it signed is honoured; None: for the time being."""

    kid: str
    algorithm: str
    key: Key
    until: datetime | None


def kid_of(token: str) -> str:
    """Return which key a token names.

    Raises:
        NotSignedIn: it is too long, is no JWS, or its header holds anything but what ours hold.
    """
    if len(token) > _LONGEST or token.count(".") != _DOTS:
        raise NotSignedIn(Why.UNREADABLE)
    first = token.partition(".")[0]
    try:
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):
        raise NotSignedIn from None
    # Whoever would add `crit`, `jwk`, `jku`, `x5u` or `zip` is not us.
    if not isinstance(header, dict) or header.keys() != _HEADER or header["typ"] != TYPE:
        raise NotSignedIn
    kid = header["kid"]
    if not isinstance(kid, str) or not _THUMBPRINT.fullmatch(kid):
        raise NotSignedIn
    return kid


def verify(
    token: str,
    verifier: Verifier,
    issuer: str,
    *,
    now: datetime,
    audience: str | None = None,
    however_old: bool = False,
) -> dict[str, Any]:
    """Return what a token says, if the key signed it for `audience` and it is in its time.

    Args:
        audience: whom it is for; by default, the issuer's own.
        however_old: take one that is out of date, of whoever renews by it.

    Raises:
        NotSignedIn: anything is not as `issue` writes it. That a token of ours is out of date can
            be told from the rest; strangers are told neither.
    """
    try:
        with quietly(verifier.algorithm):
            decoded = jwt.decode(token, verifier.key, algorithms=[verifier.algorithm])
    except (JoseError, ValueError, TypeError, RecursionError):
        raise NotSignedIn from None
    said = decoded.claims
    try:
        if decoded.header["kid"] != verifier.kid or said["iss"] != issuer:
            raise NotSignedIn
        if said["aud"] != (audience or issuer):
            raise NotSignedIn
        if moment(said["exp"]) + LEEWAY <= now and not however_old:
            raise NotSignedIn(Why.EXPIRED)
        if moment(said["iat"]) > now + LEEWAY:
            raise NotSignedIn
        if "nbf" in said and moment(said["nbf"]) > now + LEEWAY:
            raise NotSignedIn
        _id(said["sub"]), _id(said["sid"])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise NotSignedIn from None
    return said


def moment(value: object) -> datetime:
    """Return the time that a claim tells (RFC 7519, NumericDate); ours are whole seconds.

    Raises:
        TypeError, ValueError, OverflowError: it tells none.
    """
    if type(value) is not int:  # True is an int, too
        raise TypeError
    return datetime.fromtimestamp(value, UTC)


def _id(value: object) -> UUID:
    if not isinstance(value, str):
        raise TypeError
    return UUID(value)


@contextmanager
def quietly(algorithm: str) -> Iterator[None]:
    """Not be told, at each token, that "EdDSA" has a newer name.

    RFC 9864 calls it Ed25519; most verifiers know the old name only.
    """
    if algorithm != "EdDSA":
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield
