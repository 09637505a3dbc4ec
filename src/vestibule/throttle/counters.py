"""Atomic counters in the database: one statement decides, committed before the work it limits."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from math import ceil

from sqlalchemy import Integer, LargeBinary, String, and_, bindparam, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.dml import ReturningInsert

from vestibule.kernel.database import Base, UtcDateTime
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


async def take(unit: Unit, *wanted: tuple[Limit, str]) -> None:
    """Count one attempt under each key before it is made: attempts made at once are counted too.

    The limits are those of the settings, asked in the order given. A span starts anew with every
    count, unless the limit says otherwise: whatever window of `limit.within` one looks at, it holds
    at most `limit.most`. What is refused is not counted, nor is anything after it.

    Raises:
        TooManyAttempts: a limit is reached.
    """
    set_ones = [(unit.settings.limit(limit), key) for limit, key in wanted]
    asked = [(limit, key) for limit, key in set_ones if limit.most is not None]
    if not asked:
        return
    async with unit.aside() as connection:
        for limit, key in asked:
            if not await _count(unit, connection, limit, key):
                unit.means.metrics.refused(limit.name)
                resets_at = await connection.scalar(_RESETS_AT, _row(limit.name, key))
                break
        else:
            return
    wait = resets_at - unit.now if resets_at else limit.within
    raise TooManyAttempts(max(1, ceil(wait.total_seconds())))


async def admits(
    unit: Unit, limit: Limit, key: str, *, if_so_give_back: Sequence[tuple[Limit, str]] = ()
) -> bool:
    """Count one attempt as `take` does; False where the limit is reached.

    Args:
        if_so_give_back: attempts to uncount if this one is admitted.
    """
    limit = unit.settings.limit(limit)
    async with unit.aside() as connection:
        admitted = limit.most is None or await _count(unit, connection, limit, key)
        if not admitted:
            unit.means.metrics.refused(limit.name)
        if admitted and if_so_give_back:
            await _give_back(connection, if_so_give_back)
    return admitted


async def give_back(unit: Unit, *taken: tuple[Limit, str]) -> None:
    """Uncount attempts that turned out right: the limits are on wrong ones."""
    async with unit.aside() as connection:
        await _give_back(connection, taken)


async def _give_back(connection: AsyncConnection, taken: Sequence[tuple[Limit, str]]) -> None:
    # In one order, so that two who give back the same never wait for each other crosswise.
    rows = sorted((limit.name, key) for limit, key in taken)
    await connection.execute(_GIVE_BACK, [_row(name, key) for name, key in rows])


async def _count(unit: Unit, connection: AsyncConnection, limit: Limit, key: str) -> bool:
    counting = _COUNTING[unit.means.database.is_sqlite, limit.from_first]
    times = {"now": unit.now, "anew": unit.now + limit.within, "most": limit.most}
    return await connection.scalar(counting, _row(limit.name, key) | times) is not None


def _row(name: str, key: str) -> dict[str, object]:
    # Addresses do not lie about in clear text, and keys of any length fit.
    return {"name": name, "key": sha256(key.encode()).digest()}


async def prune(unit: Unit, *, most: int) -> int:
    """Remove counters that rested for a whole span: no counter counts the same."""
    return await remove(unit, Counter, Counter.resets_at, until=unit.now, most=most)


def _counting(*, sqlite_: bool, from_first: bool) -> ReturningInsert[tuple[int]]:
    insert = sqlite.insert if sqlite_ else postgresql.insert
    now = bindparam("now", type_=UtcDateTime)
    rested = Counter.resets_at <= now
    statement = insert(Counter).values(
        limit_name=bindparam("name"),
        key_digest=bindparam("key"),
        count=1,
        resets_at=bindparam("anew"),
    )
    anew = statement.excluded.resets_at
    return statement.on_conflict_do_update(
        index_elements=[Counter.limit_name, Counter.key_digest],
        set_={
            "count": case((rested, 1), else_=Counter.count + 1),
            "resets_at": case((rested, anew), else_=Counter.resets_at) if from_first else anew,
        },
        where=or_(rested, Counter.count < bindparam("most", type_=Integer)),
    ).returning(Counter.count)


# Made once: making a statement costs more than the database takes to run it.
_COUNTING = {
    (sqlite_, from_first): _counting(sqlite_=sqlite_, from_first=from_first)
    for sqlite_ in (False, True)
    for from_first in (False, True)
}
_IS = and_(Counter.limit_name == bindparam("name"), Counter.key_digest == bindparam("key"))
_RESETS_AT = select(Counter.resets_at).where(_IS)
_GIVE_BACK = update(Counter).where(_IS, Counter.count > 0).values(count=Counter.count - 1)
