"""Keeping sessions of tokens alive, however many of their holders ask at the same moment."""

from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Update, bindparam, or_, select, update

from vestibule.kernel.database import UtcDateTime
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions.models import Kind, Session

_ENOUGH = timedelta(minutes=1)


async def by_id(unit: Unit, session_id: UUID) -> Session | None:
    """Read a session of tokens as it is now, whatever this unit read before."""
    return await unit.session.scalar(_BY_ID, {"session": session_id})


def rotating(holder_is_active: ColumnElement[bool]) -> Update:
    """Make what `rotate` runs; once, because that costs more than running it.

    Args:
        holder_is_active: a condition on the session's account.
    """
    going_on = {
        "generation": _columns.generation + 1,
        "refreshed_at": bindparam("now", type_=UtcDateTime),
        "seen_at": bindparam("now", type_=UtcDateTime),
        "idle_until": bindparam("idle", type_=UtcDateTime),
    }
    statement = update(cast(Table, Session.__table__)).where(*_MAY_ROTATE, holder_is_active)
    return statement.values(going_on).returning(_columns.generation)


async def rotate(unit: Unit, statement: Update, session_id: UUID, generation: int) -> int | None:
    """Go on to the next generation, in one statement, and return it; None: not possible now.

    It is not where the session is over, where `generation` is not its current one, or where it has
    been replaced within the grace.

    Args:
        statement: what `rotating` made.
    """
    given = {
        "session": session_id,
        "held": generation,
        "now": unit.now,
        "idle": unit.now + unit.settings.token_idle,
        "before": unit.now - unit.settings.refresh_grace,
    }
    following: int | None = await unit.session.scalar(statement, given)
    return following


async def prolong(unit: Unit, session: Session, *, until: datetime) -> bool:
    """Let a session rest until then, for a token that lasts so long; False: it is over.

    One that may nearly so already is left: who asks at every request would write at every request.
    """
    if session.idle_until > until - _ENOUGH:
        return True
    prolonged = await unit.session.scalar(
        update(Session)
        .where(
            Session.id == session.id,
            Session.ended_at.is_(None),
            Session.idle_until > unit.now,
            Session.expires_at > unit.now,
        )
        .values(idle_until=until, seen_at=unit.now)
        .returning(Session.id)
        .execution_options(synchronize_session=False)
    )
    unit.forget(Fact.SESSION, session.id)
    return prolonged is not None


def is_over(unit: Unit, session: Session) -> bool:
    ended = session.ended_at is not None
    return ended or session.idle_until <= unit.now or session.expires_at <= unit.now


def is_fresh(unit: Unit, session: Session) -> bool:
    """Tell whether the token was replaced so recently that the one before still counts."""
    since = unit.now - unit.settings.refresh_grace
    return session.refreshed_at is not None and session.refreshed_at > since


_BY_ID = (
    select(Session)
    .where(Session.id == bindparam("session"), Session.kind == Kind.TOKENS)
    .execution_options(populate_existing=True)
)
# By the table: of what the ORM updates, it makes the statement anew each time.
_columns = cast(Table, Session.__table__).c
_MAY_ROTATE = (
    _columns.id == bindparam("session"),
    _columns.kind == Kind.TOKENS,
    _columns.generation == bindparam("held"),
    _columns.ended_at.is_(None),
    _columns.idle_until > bindparam("now", type_=UtcDateTime),
    _columns.expires_at > bindparam("now", type_=UtcDateTime),
    or_(
        _columns.refreshed_at.is_(None),
        _columns.refreshed_at <= bindparam("before", type_=UtcDateTime),
    ),
)
