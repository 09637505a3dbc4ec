"""Looking into the log, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from vestibule.audit.events import Event
from vestibule.audit.log import Detail, Entry
from vestibule.kernel.unit import Unit


@dataclass(frozen=True)
class Told:
    """An entry, with what is known of who was at the other end, unless that was erased."""

    id: UUID
    at: datetime
    event: str
    account_id: UUID | None
    session_id: UUID | None
    actor_id: UUID | None
    about: str | None
    address: str | None
    user_agent: str | None
    identifier: str | None


async def page(
    unit: Unit,
    *,
    account_id: UUID | None = None,
    event: Event | None = None,
    before: UUID | None = None,
    most: int,
) -> Sequence[Told]:
    """List entries, those written before the entry `before`.

    Args:
        account_id: only of what happened to that account.
        event: only of that kind.
    """
    statement = (
        select(
            Entry.id,
            Entry.at,
            Entry.event,
            Entry.account_id,
            Entry.session_id,
            Entry.actor_id,
            Entry.about,
            Detail.address,
            Detail.user_agent,
            Detail.identifier,
        )
        .outerjoin(Detail, Detail.entry_id == Entry.id)
        .order_by(Entry.id.desc())
        .limit(most)
    )
    if account_id is not None:
        statement = statement.where(Entry.account_id == account_id)
    if event is not None:
        statement = statement.where(Entry.event == event)
    if before is not None:
        statement = statement.where(Entry.id < before)
    return [Told(*list(row)) for row in await unit.session.execute(statement)]
