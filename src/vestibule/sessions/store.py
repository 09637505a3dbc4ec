"""Opening, finding, touching and ending sessions.

A session is live while nobody has ended it, it is used often enough, and it is not too old.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from secrets import token_bytes
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, case, literal, or_, select, update

from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel import opaque
from vestibule.kernel.database import UtcDateTime
from vestibule.kernel.errors import SessionUnknown
from vestibule.kernel.ids import uuid7
from vestibule.kernel.means import Means
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.removal import remove
from vestibule.kernel.unit import Unit
from vestibule.sessions import room, rows
from vestibule.sessions.models import NATIVE, Kind, Session
from vestibule.sessions.terms import Terms, spans

MOST_TOUCHED = 1000  # rows in one statement: a driver takes so many values and no more
_TOUCH_EVERY = timedelta(minutes=1)
_USER_AGENT = 400


@dataclass(frozen=True)
class Opened:
    """A session and, this once, its secret; one of tokens has none."""

    session: Session
    secret: str | None


async def open_for(
    unit: Unit,
    account_id: UUID,
    *,
    remember: bool,
    kind: Kind = Kind.COOKIE,
    amr: str = "pwd",
    terms: Terms | None = None,
    held: int | None = None,
) -> Opened:
    """Open a session for an account that the caller's unit holds: see `queries.enter`.

    Where it would have too many, those end that were unused for longest.

    Args:
        terms: of another surface, in place of the API's, `kind` included.
        held: how many it has, as far as the caller saw when it took hold of the account.
    """
    if held is None or held >= room.plenty(unit.settings):
        await room.make(unit, account_id)
    if terms is None:
        idle, lifetime = spans(unit.settings, kind, remember=remember)
    else:
        kind, idle, lifetime = terms.kind, terms.idle, terms.lifetime
    secret, digest = opaque.issue(Purpose.SESSION) if kind == Kind.COOKIE else (None, None)
    agent = unit.caller.user_agent
    values = {
        "id": uuid7(),
        "account_id": account_id,
        "audience": terms.audience if terms else NATIVE,
        "kind": kind,
        "secret_digest": digest,
        "generation": 0,
        "nonce": token_bytes(16) if kind == Kind.TOKENS else None,
        "amr": amr,
        "auth_time": unit.now,
        "remember": remember,
        "ip": unit.caller.address,
        "user_agent": agent and agent[:_USER_AGENT],
        "created_at": unit.now,
        "seen_at": unit.now,
        "idle_until": unit.now + idle,
        "expires_at": unit.now + lifetime,
    }
    unit.insert(_SESSIONS, values)
    return Opened(Session(**values), secret)


def digest_of(secret: str) -> bytes:
    """Return what a session's row keeps of its secret."""
    return opaque.digest(Purpose.SESSION, secret)


# The session of a digest unless it was ended; whether it rests, `is_live` tells.
LIVE_ROW = select(Session).where(
    Session.secret_digest == bindparam("digest"),
    Session.audience == bindparam("audience"),
    Session.ended_at.is_(None),
)
_SESSIONS = cast(Table, Session.__table__)


def is_live(means: Means, session: Session, *, now: datetime) -> bool:
    used = session.idle_until > now or session.id in means.touched
    return used and session.expires_at > now


def touch(means: Means, session: Session, *, now: datetime) -> None:
    """Remember that the session was used; written in batches by `write_touches`."""
    if now - session.seen_at >= _TOUCH_EVERY:
        means.touched.add(session.id)


async def write_touches(unit: Unit) -> bool:
    """Write down, in one statement, which sessions were used since the last time.

    Never backwards, and never for a session that has ended.

    Returns:
        True if there are more of them than one statement takes.
    """
    touched = tuple(islice(unit.means.touched, MOST_TOUCHED))
    if not touched:
        return False
    often, _ = spans(unit.settings, Kind.COOKIE, remember=False)
    seldom, _ = spans(unit.settings, Kind.COOKIE, remember=True)
    idle_until = case(
        # Only a refresh keeps tokens alive: whoever has none left cannot come back.
        (or_(Session.kind == Kind.TOKENS, Session.audience != NATIVE), Session.idle_until),
        (Session.remember, literal(unit.now + seldom, UtcDateTime)),
        else_=literal(unit.now + often, UtcDateTime),
    )
    ours = (
        select(Session.id)
        .where(Session.id.in_(touched), Session.ended_at.is_(None), Session.seen_at < unit.now)
        .order_by(Session.id)
        # What somebody else holds is being touched or ended by them.
        .with_for_update(skip_locked=True)
    )
    await unit.session.execute(
        update(Session)
        .where(Session.id.in_(ours))
        .values(seen_at=unit.now, idle_until=idle_until)
        .execution_options(synchronize_session=False)
    )
    unit.after_commit(lambda: unit.means.touched.difference_update(touched))
    return len(touched) == MOST_TOUCHED


async def page(
    unit: Unit, account_id: UUID, *, before: UUID | None, most: int
) -> Sequence[Session]:
    """List live sessions of an account, newest first, those opened before `before`."""
    statement = (
        select(Session)
        .where(
            Session.account_id == account_id,
            Session.ended_at.is_(None),
            Session.expires_at > unit.now,
            or_(Session.idle_until > unit.now, Session.id.in_(await _used(unit, account_id))),
        )
        .order_by(Session.id.desc())
        .limit(most)
    )
    if before is not None:
        statement = statement.where(Session.id < before)
    return (await unit.session.scalars(statement)).all()


async def _used(unit: Unit, account_id: UUID) -> Sequence[UUID]:
    """Return those sessions of an account that rest by their rows, and were used here since."""
    touched = unit.means.touched
    if not touched:
        return ()
    resting = (
        rows.theirs(account_id).where(Session.idle_until <= unit.now).with_only_columns(Session.id)
    )
    return [each for each in (await unit.session.scalars(resting)).all() if each in touched]


async def end(unit: Unit, account_id: UUID, session_id: UUID, *, reason: str) -> None:
    """End one session of an account.

    Raises:
        SessionUnknown: it is not theirs, or has ended already.
    """
    if not await rows.end(unit, rows.theirs(account_id).where(Session.id == session_id), reason):
        raise SessionUnknown
    await log.record(unit, Event.SESSION_ENDED, account_id=account_id, session_id=session_id)


async def log_out(unit: Unit, session: Session) -> None:
    """End a session at its holder's wish; one that ended meanwhile is fine too."""
    with suppress(SessionUnknown):
        await end(unit, session.account_id, session.id, reason="logout")


async def end_all(
    unit: Unit,
    account_id: UUID,
    *,
    reason: str,
    but: UUID | None = None,
    opened_by: datetime | None = None,
    by: UUID | None = None,
) -> int:
    """End every session of an account, or all but one, or those opened by a moment.

    Returns:
        How many ended.
    """
    theirs = rows.theirs(account_id)
    if opened_by is not None:
        theirs = theirs.where(Session.created_at <= opened_by)
    if but is not None:
        theirs = theirs.where(Session.id != but)
    ended = len(await rows.end(unit, theirs, reason))
    await log.record(unit, Event.SESSIONS_ENDED, account_id=account_id, actor_id=by)
    return ended


async def prune(unit: Unit, *, most: int) -> int:
    """Remove sessions that are over for longer than one keeps them, oldest first.

    One that nobody used any more counts as over when its whole lifetime is: an index on its idle
    time would have to be written at every touch.
    """
    until = unit.now - unit.settings.keep_finished
    ended = await remove(unit, Session, Session.ended_at, until=until, most=most)
    not_ended = Session.ended_at.is_(None)
    return ended + await remove(
        unit, Session, Session.expires_at, not_ended, until=until, most=most - ended
    )
