"""The form of refresh tokens: which session, which generation, and a proof that we wrote it.

Nothing of a token is stored. It holds a MAC, under a key from the settings, over the session's id,
the generation and a random value of the session's row: without the row nobody can judge one, and
without the settings a copy of the database gives nobody any.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from vestibule.kernel.opaque import Purpose
from vestibule.kernel.seal import Seals

_PURPOSE = "refresh token"
_SESSION, _GENERATION, _MAC = 16, 4, 36


@dataclass(frozen=True)
class Presented:
    """What a refresh token claims."""

    session_id: UUID
    generation: int
    mac: bytes


def write(seals: Seals, session_id: UUID, generation: int, nonce: bytes) -> str:
    """Return the refresh token of a generation: the same one, however often it is asked for."""
    message = session_id.bytes + generation.to_bytes(_GENERATION, "big")
    mac = seals.mac(_PURPOSE, message + nonce)
    return Purpose.REFRESH + urlsafe_b64encode(message + mac).decode().rstrip("=")


def read(token: str) -> Presented | None:
    """Return what a token claims, or None for what is none of ours."""
    if not token.startswith(Purpose.REFRESH):
        return None
    coded = token.removeprefix(Purpose.REFRESH)
    try:
        content = urlsafe_b64decode(coded + "=" * (-len(coded) % 4))
    except ValueError:
        return None
    if len(content) != _SESSION + _GENERATION + _MAC:
        return None
    session_id = UUID(bytes=content[:_SESSION])
    generation = int.from_bytes(content[_SESSION:-_MAC], "big")
    return Presented(session_id, generation, content[-_MAC:])


def is_ours(seals: Seals, presented: Presented, nonce: bytes) -> bool:
    """Tell whether we wrote the token, for a session whose row holds `nonce`."""
    message = presented.session_id.bytes + presented.generation.to_bytes(_GENERATION, "big")
    return seals.verify(_PURPOSE, message + nonce, presented.mac)
