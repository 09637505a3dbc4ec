"""The rows of sessions that nobody has ended, and the statement that ends some of them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, select, update

from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions.models import Session


def theirs(account_id: UUID) -> Select[UUID]:
    """Choose the sessions of an account that nobody has ended, by their ids."""
    return select(Session.id).where(Session.account_id == account_id, Session.ended_at.is_(None))


async def end(unit: Unit, rows: Select[UUID], reason: str, *, waits: bool = True) -> Sequence[UUID]:
    """End sessions, locked in the order of ids, as whoever touches many of them does.

    Args:
        waits: for whoever holds one; else that one is left.

    Returns:
        The ids of those that ended.
    """
    locked = rows.order_by(Session.id).with_for_update(skip_locked=not waits)
    ended = await unit.session.scalars(
        update(Session)
        .where(Session.id.in_(locked))
        .values(ended_at=unit.now, end_reason=reason)
        .returning(Session.id)
        .execution_options(synchronize_session=False)
    )
    found = ended.all()
    for each in found:
        unit.forget(Fact.SESSION, each)
    return found
