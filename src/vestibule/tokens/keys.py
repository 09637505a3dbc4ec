"""Signing keys: made, published, rotated, retired. All processes read the same rows.

A key is published before it signs and honoured until its last token is dead, so a verifier that
asks for our keys now and then never meets one that it cannot find.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Literal

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.errors import CannotStart, SigningKeyUnknown
from vestibule.kernel.memory import Fact
from vestibule.kernel.removal import remove
from vestibule.kernel.unit import Unit
from vestibule.tokens.checks import LEEWAY
from vestibule.tokens.keyring import SEAL, held, open_private, signing
from vestibule.tokens.models import KeyState, SigningKey

Algorithm = Literal["ES256", "EdDSA", "RS256"]

_RSA_BITS = 3072
_MAKING: dict[str, Callable[[], Key]] = {
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
    "RS256": lambda: RSAKey.generate_key(_RSA_BITS),
}


async def prepare(unit: Unit) -> None:
    """Make the first keys, and the one that comes next; of several processes one makes them.

    A key that has signed for its time gives way to the next.

    A key that waits for its turn is made anew when the settings name another algorithm.

    Raises:
        CannotStart: the key that signs was sealed under a secret that is gone.
    """
    algorithm = unit.settings.signing_algorithm
    there = {key.state: key for key in await held(unit)}
    waiting = there.get(KeyState.NEXT)
    if waiting is not None and waiting.algorithm != algorithm:
        await _retire(unit, waiting.kid)
        waiting = None
    if KeyState.ACTIVE not in there:
        await _make(unit, KeyState.ACTIVE)
    if waiting is None:
        await _make(unit, KeyState.NEXT)
    await signing(unit)
    await rotate_if_due(unit)


async def listing(unit: Unit) -> Sequence[SigningKey]:
    return (await unit.session.scalars(select(SigningKey).order_by(SigningKey.created_at))).all()


async def rotate(unit: Unit) -> str:
    """Let the next key sign from now on; return its id. Tokens of the former live to their end."""
    await _lock(unit)
    await _step_down(unit)
    kid = await _promote(unit)
    if kid is None:  # it was retired, or cannot be opened
        kid = await _make(unit, KeyState.ACTIVE)
    await _make(unit, KeyState.NEXT)
    await log.record(unit, Event.SIGNING_KEY_ROTATED)
    return kid


async def rotate_if_due(unit: Unit) -> None:
    """Rotate where the settings say so and the active key has signed for that long.

    Of several processes that find it so, one does; the others wait for it and look again.
    """
    if await _is_due(unit):
        await _lock(unit)
        if await _is_due(unit):
            await rotate(unit)


async def retire(unit: Unit, kid: str) -> None:
    """Honour nothing any more that this key signed; the one that signs is replaced first.

    Raises:
        SigningKeyUnknown: there is none of that id, or it is retired.
    """
    await _lock(unit)
    state = await unit.session.scalar(select(SigningKey.state).where(SigningKey.kid == kid))
    if state == KeyState.ACTIVE:
        await rotate(unit)
    if not await _retire(unit, kid):
        raise SigningKeyUnknown
    await log.record(unit, Event.SIGNING_KEY_RETIRED)
    if state == KeyState.NEXT:
        await _make(unit, KeyState.NEXT)


async def prune(unit: Unit, *, most: int) -> int:
    """Remove keys whose last token is dead."""
    return await remove(unit, SigningKey, SigningKey.verifies_until, until=unit.now, most=most)


async def _make(unit: Unit, state: KeyState) -> str:
    """Write a new key, unless one of that state is there; return its id."""
    algorithm = unit.settings.signing_algorithm
    pair = await asyncio.to_thread(_MAKING[algorithm])  # an RSA key takes its time
    kid = pair.thumbprint()
    private = json.dumps(pair.as_dict(private=True)).encode()
    insert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    await unit.session.execute(
        insert(SigningKey)
        .values(
            kid=kid,
            algorithm=algorithm,
            public=pair.as_dict(private=False),
            private=unit.seals.seal(SEAL, private, row=kid.encode()),
            state=state,
            created_at=unit.now,
            not_before=unit.now if state == KeyState.ACTIVE else None,
        )
        .on_conflict_do_nothing()
    )
    return kid


async def _is_due(unit: Unit) -> bool:
    span = unit.settings.signing_key_lifetime
    since = await unit.session.scalar(
        select(SigningKey.not_before).where(SigningKey.state == KeyState.ACTIVE)
    )
    return bool(span) and since is not None and since + span <= unit.now


async def _lock(unit: Unit) -> None:
    """Let nobody else change keys until this unit ends."""
    held = select(SigningKey.kid).order_by(SigningKey.kid).with_for_update()
    await unit.session.execute(held)


async def _step_down(unit: Unit) -> None:
    longest = max(unit.settings.access_lifetime * 1.05, unit.settings.longest_of_dialects)
    last = unit.now + longest + LEEWAY
    await _change(
        unit, KeyState.ACTIVE, state=KeyState.VERIFYING, private=None, verifies_until=last
    )


async def _promote(unit: Unit) -> str | None:
    waiting = await unit.session.scalar(select(SigningKey).where(SigningKey.state == KeyState.NEXT))
    if waiting is None:
        return None
    try:
        open_private(unit, waiting)
    except CannotStart:
        await _retire(unit, waiting.kid)
        return None
    await _change(unit, KeyState.NEXT, state=KeyState.ACTIVE, not_before=unit.now)
    return waiting.kid


async def _change(unit: Unit, before: KeyState, **values: object) -> None:
    unit.forget(Fact.SIGNING_KEYS)
    await unit.session.execute(
        update(SigningKey)
        .where(SigningKey.state == before)
        .values(values)
        .execution_options(synchronize_session=False)
    )


async def _retire(unit: Unit, kid: str) -> bool:
    unit.forget(Fact.SIGNING_KEYS)
    retired = await unit.session.scalar(
        update(SigningKey)
        .where(SigningKey.kid == kid, SigningKey.state != KeyState.RETIRED)
        .values(state=KeyState.RETIRED, private=None, verifies_until=unit.now)
        .returning(SigningKey.kid)
        .execution_options(synchronize_session=False)
    )
    return retired is not None
