"""The signing keys that one process knows: opened, parsed, published."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joserfc.jwk import Key, import_key
from sqlalchemy import ColumnElement, exists, or_, select

from vestibule.kernel.errors import CannotStart
from vestibule.kernel.seal import Unsealable
from vestibule.kernel.sealed import Sealed
from vestibule.kernel.unit import Unit
from vestibule.tokens.checks import Verifier
from vestibule.tokens.models import KeyState, SigningKey

SEAL = "signing key"
SEALED = Sealed(SigningKey, SigningKey.private, SEAL)


@dataclass(frozen=True)
class Pair:
    """A key that signs, opened."""

    kid: str
    algorithm: str
    private: Key


class KeyRing:
    """What one process knows of the keys: opening and parsing one costs more than reading a row."""

    def __init__(self) -> None:
        self.pairs: dict[str, Pair] = {}


async def signing(unit: Unit) -> Pair:
    """Return the key that signs now.

    Raises:
        CannotStart: it was sealed under a secret that is gone.
    """
    ring = unit.means.part(KeyRing)
    kid = await unit.session.scalar(_ACTIVE)
    if kid is not None and kid in ring.pairs:
        return ring.pairs[kid]
    key = await unit.session.scalar(select(SigningKey).where(SigningKey.state == KeyState.ACTIVE))
    assert key is not None, "made at the start"
    ring.pairs = {key.kid: Pair(key.kid, key.algorithm, open_private(unit, key))}
    return ring.pairs[key.kid]


async def verifier(unit: Unit, kid: str) -> Verifier | None:
    """Return a key whose tokens are honoured, or None: unknown, not yet in use, or retired."""
    key = await unit.session.scalar(
        select(SigningKey).where(SigningKey.kid == kid, is_honoured(kid, now=unit.now))
    )
    if key is None:
        return None
    return Verifier(key.kid, key.algorithm, import_key(key.public), key.verifies_until)


async def published(unit: Unit) -> list[dict[str, Any]]:  # Any: JWKs
    """Return the public keys that others verify our tokens with, the one to come included."""
    return [
        {**key.public, "kid": key.kid, "alg": key.algorithm, "use": "sig"}
        for key in await held(unit)
        if key.verifies_until is None or key.verifies_until > unit.now
    ]


async def held(unit: Unit) -> Sequence[SigningKey]:
    held = select(SigningKey).where(SigningKey.state != KeyState.RETIRED)
    return (await unit.session.scalars(held.order_by(SigningKey.created_at))).all()


def open_private(unit: Unit, key: SigningKey) -> Key:
    try:
        opened = unit.seals.open(SEAL, key.private or b"", row=key.kid.encode())
    except Unsealable:
        raise CannotStart(
            "VESTIBULE_SECRETS: the signing key was sealed under a secret that is not there any "
            "more. Put it back, or run: vestibule keys rotate"
        ) from None
    return import_key(json.loads(opened))


async def sealed(unit: Unit, *, most: int) -> tuple[int, int]:
    """Look at keys that sign or will; return at how many, and how many no secret of ours opens."""
    found = [key for key in await held(unit) if key.private is not None][-most:]
    closed = 0
    for key in found:
        try:
            open_private(unit, key)
        except CannotStart:
            closed += 1
    return len(found), closed


def is_honoured(kid: Any, *, now: Any) -> ColumnElement[bool]:  # Any: what SQL compares with
    """Return the condition that tokens of a key are honoured."""
    return exists().where(
        SigningKey.kid == kid,
        SigningKey.state.in_((KeyState.ACTIVE, KeyState.VERIFYING)),
        or_(SigningKey.verifies_until.is_(None), SigningKey.verifies_until > now),
    )


_ACTIVE = select(SigningKey.kid).where(SigningKey.state == KeyState.ACTIVE)
