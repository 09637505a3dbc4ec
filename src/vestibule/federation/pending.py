"""A sign-in between leaving for the provider and coming back, sealed for the browser that began it.

Nothing is kept here: strangers could fill a table. A state works once, in its own browser, for ten
minutes, at the provider and redirect URI that it was begun for.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Literal

from vestibule.kernel.seal import Seals, Unsealable

LIFETIME = timedelta(minutes=10)

Intent = Literal["login", "signup", "either"]

_SEAL = "sign-in"


@dataclass(frozen=True, kw_only=True)
class Pending:
    """What a sign-in was begun for.

    Args:
        surface: the words and the ending are its own, and so is the redirect URI.
        session: whose account gets the identity, where it is to be linked.
    """

    issuer: str
    redirect_uri: str
    surface: str
    intent: Intent
    nonce: str
    verifier: str
    next: str
    remember: bool
    session: str | None
    begun_at: float

    def seal(self, seals: Seals, state: str) -> bytes:
        return seals.seal(_SEAL, json.dumps(asdict(self)).encode(), row=_digest(state))

    @property
    def ends_at(self) -> datetime:
        return datetime.fromtimestamp(self.begun_at, UTC) + LIFETIME


def unseal(seals: Seals, state: str, sealed: bytes, *, now: datetime) -> Pending | None:
    """Return what `state` was begun for; None if not here, or too long ago."""
    try:
        pending = Pending(**json.loads(seals.open(_SEAL, sealed, row=_digest(state))))
    except (Unsealable, ValueError, TypeError):
        return None
    return pending if pending.ends_at > now else None


def secret() -> str:
    """Return 256 random bits, as states, nonces and verifiers are written (RFC 7636, 4.1)."""
    return token_urlsafe(32)


def label(state: str) -> str:
    """Return what names a state's cookie; nothing can be concluded from it."""
    return sha256(state.encode()).hexdigest()[:8]


def _digest(state: str) -> bytes:
    return sha256(state.encode()).digest()
