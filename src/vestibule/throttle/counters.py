"""Atomic counters in the database: one statement decides, committed before the work it limits."""

from datetime import datetime
from hashlib import sha256
from math import ceil

from sqlalchemy import ColumnElement, LargeBinary, String, and_, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from vestibule.kernel.database import Base
from vestibule.kernel.errors import TooManyAttempts
from vestibule.kernel.limits import Limit
from vestibule.kernel.removal import remove
from vestibule.kernel.unit import Unit


class Counter(Base):
    """How often a key was counted since it last rested for a whole span."""

    __tablename__ = "counters"

    limit_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    count: Mapped[int]
    resets_at: Mapped[datetime] = mapped_column(index=True)


async def take(unit: Unit, limit: Limit, key: str) -> None:
    """Count one attempt before it is made, so that attempts made at once are counted too.

    The limit is that of the settings. Its span starts anew with every count, unless the limit says
    otherwise: whatever window of `limit.within` one looks at, it holds at most `limit.most`. What
    is refused is not counted.

    Raises:
        TooManyAttempts: the limit is reached; nothing was counted.
    """
    limit = unit.settings.limit(limit)
    if limit.most is None:
        return
    async with unit.aside() as connection:
        if await connection.scalar(_counting(unit, limit, key)) is not None:
            return
        resets_at = await connection.scalar(select(Counter.resets_at).where(_is(limit, key)))
    wait = resets_at - unit.now if resets_at else limit.within
    raise TooManyAttempts(max(1, ceil(wait.total_seconds())))


async def admits(unit: Unit, limit: Limit, key: str) -> bool:
    """Count one attempt as `take` does; False where the limit is reached."""
    limit = unit.settings.limit(limit)
    if limit.most is None:
        return True
    async with unit.aside() as connection:
        return await connection.scalar(_counting(unit, limit, key)) is not None


async def give_back(unit: Unit, *taken: tuple[Limit, str]) -> None:
    """Uncount attempts that turned out right: the limits are on wrong ones."""
    async with unit.aside() as connection:
        # In one order, so that two who give back the same never wait for each other.
        for limit, key in sorted(taken, key=lambda each: (each[0].name, each[1])):
            await connection.execute(
                update(Counter)
                .where(_is(limit, key), Counter.count > 0)
                .values(count=Counter.count - 1)
            )


def _counting(unit: Unit, limit: Limit, key: str) -> ReturningInsert[tuple[int]]:
    insert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    rested = Counter.resets_at <= unit.now
    statement = insert(Counter).values(
        limit_name=limit.name,
        key_digest=_digest(key),
        count=1,
        resets_at=unit.now + limit.within,
    )
    anew = statement.excluded.resets_at
    return statement.on_conflict_do_update(
        index_elements=[Counter.limit_name, Counter.key_digest],
        set_={
            "count": case((rested, 1), else_=Counter.count + 1),
            "resets_at": case((rested, anew), else_=Counter.resets_at)
            if limit.from_first
            else anew,
        },
        where=or_(rested, Counter.count < limit.most),
    ).returning(Counter.count)


def _is(limit: Limit, key: str) -> ColumnElement[bool]:
    return and_(Counter.limit_name == limit.name, Counter.key_digest == _digest(key))


async def prune(unit: Unit, *, most: int) -> int:
    """Remove counters that rested for a whole span: no counter counts the same."""
    return await remove(unit, Counter, Counter.resets_at, until=unit.now, most=most)


def _digest(key: str) -> bytes:
    # Addresses do not lie about in clear text, and keys of any length fit.
    return sha256(key.encode()).digest()
