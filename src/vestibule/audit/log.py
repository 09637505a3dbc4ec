"""The audit log: entries hold ids and are never changed; details about people may be erased."""

from collections.abc import Collection
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Table, insert, text
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.audit.events import Event
from vestibule.kernel.addresses import folded
from vestibule.kernel.database import Base
from vestibule.kernel.ids import uuid7
from vestibule.kernel.unit import Unit


class Entry(Base):
    __tablename__ = "audit_entries"
    __table_args__ = (
        Index(None, "account_id", "id"),
        Index(None, "event", "id"),
        Index(
            None,
            "actor_id",
            postgresql_where=text("actor_id IS NOT NULL"),
            sqlite_where=text("actor_id IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    event: Mapped[str] = mapped_column(String(40))
    # No foreign keys: an entry outlives what it tells of.
    account_id: Mapped[UUID | None]
    session_id: Mapped[UUID | None]
    # Who did it, where that was somebody else's account; and the role or API key that it was about.
    actor_id: Mapped[UUID | None]
    about: Mapped[str | None] = mapped_column(String(40))


class Detail(Base):
    __tablename__ = "audit_details"

    entry_id: Mapped[UUID] = mapped_column(
        ForeignKey(Entry.id, ondelete="CASCADE"), primary_key=True
    )
    address: Mapped[str | None] = mapped_column(String(64))
    user_agent: Mapped[str | None] = mapped_column(String(400))
    identifier: Mapped[str | None] = mapped_column(String(400), index=True)


async def record(
    unit: Unit,
    event: Event,
    *,
    account_id: UUID | None = None,
    session_id: UUID | None = None,
    actor_id: UUID | None = None,
    about: str | None = None,
    identifier: str | None = None,
) -> None:
    """Write `event` into the transaction of what it tells about.

    Args:
        actor_id: the account that did it to another's.
        about: the id of the role or API key that it concerns, or the name of the provider.
        identifier: an address that it names, in any spelling: the key is kept. What the caller
            called the account, or which one it had.
    """
    entry, detail = _rows(unit, event, account_id, session_id, identifier)
    unit.insert(_ENTRIES, entry | {"actor_id": actor_id, "about": about})
    unit.insert(_DETAILS, detail)
    unit.tell(event, account_id=account_id, session_id=session_id)


async def record_all(unit: Unit, event: Event, account_ids: Collection[UUID]) -> None:
    """Write `event` for many accounts at once, of which no host is told."""
    rows = [_rows(unit, event, each, None, None)[0] for each in account_ids]
    await unit.session.execute(insert(_ENTRIES), rows)


async def record_aside(
    unit: Unit, event: Event, *, account_id: UUID | None = None, identifier: str | None = None
) -> None:
    """Write `event` whatever becomes of `unit`; pauses it first. No host is told."""
    entry, detail = _rows(unit, event, account_id, None, identifier)
    async with unit.aside() as connection:
        await connection.execute(insert(_ENTRIES), entry)
        await connection.execute(insert(_DETAILS), detail)


def _rows(
    unit: Unit,
    event: Event,
    account_id: UUID | None,
    session_id: UUID | None,
    identifier: str | None,
) -> tuple[dict[str, object], dict[str, object]]:
    entry_id = uuid7()
    entry = {
        "id": entry_id,
        "at": unit.now,
        "event": event,
        "account_id": account_id,
        "session_id": session_id,
    }
    return entry, {
        "entry_id": entry_id,
        "address": unit.caller.address,
        "user_agent": _cut(unit.caller.user_agent),
        "identifier": None if identifier is None else _cut(folded(identifier)),
    }


_ENTRIES, _DETAILS = cast(Table, Entry.__table__), cast(Table, Detail.__table__)


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:400]
