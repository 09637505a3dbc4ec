"""Letters waiting to be sent: posting one, and what a worker does with them.

A letter is claimed with a lease. Who finishes it names the attempt it was claimed for, so a worker
that lost its lease cannot speak for the one that took over.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, insert, select, update

from vestibule.courier.letters import Draft
from vestibule.courier.models import Letter, State
from vestibule.kernel.addresses import folded
from vestibule.kernel.ids import uuid7
from vestibule.kernel.removal import remove
from vestibule.kernel.seal import Seals
from vestibule.kernel.sealed import Sealed
from vestibule.kernel.unit import Unit

_SEAL = "letter"
SEALED = Sealed(Letter, Letter.payload, _SEAL)


async def post(unit: Unit, draft: Draft) -> UUID:
    """Put a letter into the transaction of what it tells about; the courier is woken after it.

    It keeps the letterhead of the surface that it comes from, if that has one.

    Raises:
        ValueError: it displaces older ones without saying whose.
    """
    if draft.displaces and draft.account_id is None:
        raise ValueError("a letter that displaces older ones needs an account_id")
    letter_id = uuid7()
    head = unit.caller.letterhead
    said = draft.words | (asdict(head) if head else {})
    if draft.displaces:
        await unit.session.execute(
            update(Letter)
            .where(
                Letter.account_id == draft.account_id,
                Letter.kind == draft.kind,
                Letter.state == State.QUEUED,
            )
            .values(state=State.DROPPED, payload=None, last_error="a newer one took its place")
        )
    await unit.session.execute(
        insert(Letter).values(
            id=letter_id,
            kind=draft.kind,
            account_id=draft.account_id,
            recipient=draft.recipient,
            recipient_key=folded(draft.recipient),
            payload=unit.seals.seal(_SEAL, json.dumps(said).encode(), row=letter_id.bytes),
            state=State.QUEUED,
            attempts=0,
            next_try_at=unit.now,
            expires_at=draft.expires_at,
            created_at=unit.now,
        )
    )
    unit.after_commit(unit.means.wake_courier)
    return letter_id


def words(seals: Seals, letter: Letter) -> dict[str, str | None]:
    """Unseal what a letter says.

    Raises:
        Unsealable: it was sealed under a secret that is gone.
    """
    content = seals.open(_SEAL, letter.payload or b"", row=letter.id.bytes)
    said: dict[str, str | None] = json.loads(content)
    return said


async def claim(unit: Unit, *, most: int, lease: timedelta) -> Sequence[Letter]:
    """Take letters that are due, or whose worker died, for the length of a lease, oldest first."""
    due = (
        select(Letter.id)
        .where(Letter.state.in_((State.QUEUED, State.SENDING)), Letter.next_try_at <= unit.now)
        # By age: after an outage all wait, each for a while of its own.
        .order_by(Letter.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    claimed = await unit.session.scalars(
        update(Letter)
        .where(Letter.id.in_(due))
        .values(state=State.SENDING, attempts=Letter.attempts + 1, next_try_at=unit.now + lease)
        .returning(Letter)
    )
    return sorted(claimed, key=lambda letter: letter.id)  # the oldest first


async def sent(unit: Unit, letter: Letter) -> None:
    await _finish(unit, letter, state=State.SENT, sent_at=unit.now, payload=None, last_error=None)


async def again(unit: Unit, letter: Letter, *, at: datetime, why: str) -> None:
    await _finish(unit, letter, state=State.QUEUED, next_try_at=at, last_error=why[:400])


async def failed(unit: Unit, letter: Letter, *, why: str) -> None:
    """Give up, visibly; the payload stays until the letter expires, so that it can be retried."""
    await _finish(unit, letter, state=State.FAILED, last_error=why[:400])


async def dropped(unit: Unit, letter: Letter, *, why: str) -> None:
    await _finish(unit, letter, state=State.DROPPED, payload=None, last_error=why[:400])


async def erase_expired(unit: Unit) -> None:
    """Erase what failed letters say once nobody would want them any more."""
    await unit.session.execute(
        update(Letter)
        .where(
            Letter.expires_at <= unit.now,
            Letter.payload.is_not(None),
            Letter.state == State.FAILED,
        )
        .values(payload=None)
    )


async def count(unit: Unit) -> list[tuple[str, int]]:
    """Return how many letters are in each state that there is."""
    rows = await unit.session.execute(
        select(Letter.state, func.count()).group_by(Letter.state).order_by(Letter.state)
    )
    return [(state, number) for state, number in rows]


async def oldest_queued(unit: Unit) -> datetime | None:
    """Return since when the oldest letter has waited that should have left, or will try again."""
    waiting = Letter.state.in_((State.QUEUED, State.SENDING))
    oldest: datetime | None = await unit.session.scalar(
        select(func.min(Letter.created_at)).where(waiting)
    )
    return oldest


async def sealed(unit: Unit, *, most: int) -> tuple[int, int]:
    """Look at letters that wait; return how many, and how many nobody can open."""
    waiting = Letter.state.in_((State.QUEUED, State.SENDING))
    letters = (await unit.session.scalars(select(Letter).where(waiting).limit(most))).all()
    opened = [unit.seals.opens(_SEAL, each.payload or b"", row=each.id.bytes) for each in letters]
    return len(opened), opened.count(False)


async def held_up(unit: Unit, *, most: int = 20) -> Sequence[Letter]:
    """Return the letters that were tried and still wait, the next to be tried first."""
    waiting = select(Letter).where(
        Letter.state.in_((State.QUEUED, State.SENDING)), Letter.attempts > 0
    )
    return (await unit.session.scalars(waiting.order_by(Letter.next_try_at).limit(most))).all()


async def latest_failed(unit: Unit, *, most: int = 20) -> Sequence[Letter]:
    """Return the letters that were given up, newest first."""
    failures = select(Letter).where(Letter.state == State.FAILED)
    return (await unit.session.scalars(failures.order_by(Letter.id.desc()).limit(most))).all()


async def page(
    unit: Unit, *, state: str | None, before: UUID | None, most: int
) -> Sequence[Letter]:
    """List letters, newest first, those posted before the letter `before`."""
    statement = select(Letter).order_by(Letter.id.desc()).limit(most)
    if state is not None:
        statement = statement.where(Letter.state == state)
    if before is not None:
        statement = statement.where(Letter.id < before)
    return (await unit.session.scalars(statement)).all()


async def retry(unit: Unit, letter_id: UUID | None = None) -> int:
    """Queue failed letters again, all or one; return how many. Expired ones stay failed."""
    requeued = await unit.session.execute(
        update(Letter)
        .where(
            Letter.state == State.FAILED,
            Letter.payload.is_not(None),
            Letter.expires_at > unit.now,
            *(() if letter_id is None else (Letter.id == letter_id,)),
        )
        .values(state=State.QUEUED, next_try_at=unit.now)
        .returning(Letter.id)
    )
    unit.after_commit(unit.means.wake_courier)
    return len(requeued.all())


async def prune(unit: Unit, *, most: int) -> int:
    """Remove letters that left or never will, once they are out of date for long enough."""
    until = unit.now - unit.settings.keep_finished
    # Said by what they are not: SQLite would rather find them by their state, all of them.
    finished = Letter.state.not_in((State.QUEUED, State.SENDING))
    return await remove(unit, Letter, Letter.expires_at, finished, until=until, most=most)


async def _finish(unit: Unit, letter: Letter, **values: object) -> None:
    await unit.session.execute(
        update(Letter)
        .where(
            Letter.id == letter.id,
            Letter.state == State.SENDING,
            Letter.attempts == letter.attempts,
        )
        .values(**values)
    )
