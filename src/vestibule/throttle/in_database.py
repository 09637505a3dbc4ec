"""Atomic counters in the database: one statement decides, committed before the work it limits."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Integer, and_, bindparam, case, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

from vestibule.kernel.counting import Count, Reached
from vestibule.kernel.database import PATIENCE, Database, UtcDateTime
from vestibule.throttle.counters import Counter


class InDatabase:
    """Asked between two transactions of a unit, never within one.

    On PostgreSQL each count is a transaction of its own, on SQLite all of a call are one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(
        self, wanted: Sequence[Count], *, now: datetime, back: Sequence[Count] = ()
    ) -> Reached | None:
        if not wanted and not back:
            return None
        async with asyncio.timeout(PATIENCE), self._database.aside() as connection:
            for each in wanted:
                if not await self._has_room(connection, each, now):
                    resets_at = await connection.scalar(_RESETS_AT, _row(each))
                    return Reached(each, resets_at - now if resets_at else each.limit.within)
            if back:
                # In one order: two who give back the same never wait for each other crosswise.
                rows = sorted(back, key=lambda each: (each.limit.name, each.key))
                await connection.execute(_GIVE_BACK, [_row(each) for each in rows])
        return None

    async def close(self) -> None:
        """The database is its owner's."""

    async def _has_room(self, connection: AsyncConnection, each: Count, now: datetime) -> bool:
        counting = _COUNTING[self._database.is_sqlite, each.limit.from_first]
        times = {"now": now, "anew": now + each.limit.within, "most": each.limit.most}
        return await connection.scalar(counting, _row(each) | times) is not None


def _row(count: Count) -> dict[str, object]:
    return {"name": count.limit.name, "key": count.digest}


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
