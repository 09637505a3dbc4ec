"""For how long the log is kept: as the settings say, and as the database itself then holds.

A trigger refuses whatever would change an entry, or remove one before its time. It reads the time
from a row that a server writes when it starts, so that no flow and no slip of a hand goes around.
"""

from datetime import timedelta

from sqlalchemy import BigInteger, CheckConstraint, select, update
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.audit.log import Entry
from vestibule.kernel.database import Base
from vestibule.kernel.removal import remove
from vestibule.kernel.unit import Unit

_MARGIN = timedelta(minutes=1)  # the database looks at a clock of its own


class Retention(Base):
    """One row: how old an entry becomes."""

    __tablename__ = "audit_retention"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seconds: Mapped[int] = mapped_column(BigInteger)


async def prepare(unit: Unit) -> None:
    """Have the database keep entries for as long as the settings say; a change is an entry."""
    seconds = int(unit.settings.audit_retention.total_seconds())
    changed = await unit.session.scalar(
        update(Retention)
        .where(Retention.seconds != seconds)
        .values(seconds=seconds)
        .returning(Retention.id)
        .execution_options(synchronize_session=False)
    )
    if changed is not None:
        await log.record(unit, Event.AUDIT_RETENTION_CHANGED)


async def prune(unit: Unit, *, most: int) -> int:
    """Remove entries whose time is over, and what they hold about people."""
    seconds = await unit.session.scalar(select(Retention.seconds))
    if seconds is None:  # somebody took the row away: nothing is removed then
        return 0
    until = unit.now - timedelta(seconds=seconds) - _MARGIN
    return await remove(unit, Entry, Entry.at, until=until, most=most)
