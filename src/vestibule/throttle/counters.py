"""Atomic counters in the database: one statement decides, committed before the work it limits."""

from datetime import datetime
from hashlib import sha256
from math import ceil

from sqlalchemy import LargeBinary, String, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.kernel.database import Base
from vestibule.kernel.errors import TooManyAttempts
from vestibule.kernel.removal import remove
from vestibule.kernel.unit import Unit
from vestibule.throttle.limits import Limit


class Counter(Base):
    """How often a key was counted since it last rested for a whole span."""

    __tablename__ = "counters"

    limit_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    count: Mapped[int]
    resets_at: Mapped[datetime] = mapped_column(index=True)


async def take(unit: Unit, limit: Limit, key: str) -> None:
    """Count one attempt before it is made, so that attempts made at once are counted too.

    The span starts anew with every count: whatever window of `limit.within` one looks at, it holds
    at most `limit.most`. What is refused is not counted.

    Raises:
        TooManyAttempts: the limit is reached; nothing was counted.
    """
    insert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    rested = Counter.resets_at <= unit.now
    statement = insert(Counter).values(
        limit_name=limit.name,
        key_digest=_digest(key),
        count=1,
        resets_at=unit.now + limit.within,
    )
    counted = statement.on_conflict_do_update(
        index_elements=[Counter.limit_name, Counter.key_digest],
        set_={
            "count": case((rested, 1), else_=Counter.count + 1),
            "resets_at": statement.excluded.resets_at,
        },
        where=or_(rested, Counter.count < limit.most),
    ).returning(Counter.count)
    async with unit.aside() as connection:
        if (await connection.execute(counted)).first() is not None:
            return
        resets_at = await connection.scalar(
            select(Counter.resets_at).where(
                Counter.limit_name == limit.name, Counter.key_digest == _digest(key)
            )
        )
    wait = resets_at - unit.now if resets_at else limit.within
    raise TooManyAttempts(max(1, ceil(wait.total_seconds())))


async def give_back(unit: Unit, limit: Limit, key: str) -> None:
    """Uncount an attempt that turned out right: the limit is on wrong ones."""
    async with unit.aside() as connection:
        await connection.execute(
            update(Counter)
            .where(
                Counter.limit_name == limit.name,
                Counter.key_digest == _digest(key),
                Counter.count > 0,
            )
            .values(count=Counter.count - 1)
        )


async def prune(unit: Unit, *, most: int) -> int:
    """Remove counters that rested for a whole span: no counter counts the same."""
    return await remove(unit, Counter, Counter.resets_at, until=unit.now, most=most)


def _digest(key: str) -> bytes:
    # Addresses do not lie about in clear text, and keys of any length fit.
    return sha256(key.encode()).digest()
