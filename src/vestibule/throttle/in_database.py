"""Atomic counters in the database: one statement decides, committed before the work it limits."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Integer,
    LargeBinary,
    Select,
    String,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from vestibule.kernel.counting import Count, Reached
from vestibule.kernel.database import Database, UtcDateTime
from vestibule.kernel.pool import PATIENCE
from vestibule.kernel.prepared import Prepared
from vestibule.kernel.sqlite import in_turn
from vestibule.throttle.counters import Counter


class InDatabase:
    """Asked between two transactions of a unit, never within one.

    On PostgreSQL a call is one statement, on SQLite one transaction.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(
        self, wanted: Sequence[Count], *, now: datetime, back: Sequence[Count] = ()
    ) -> Reached | None:
        if not wanted and not back:
            return None
        # Counted and uncounted again is not counted: there must only be room.
        ways = tuple(None if each in back else each.limit.from_first for each in wanted)
        # In one order: two who give back the same never wait for each other crosswise.
        rows = sorted(
            (each for each in back if each not in wanted),
            key=lambda each: (each.limit.name, each.key),
        )
        async with asyncio.timeout(PATIENCE), self._database.aside() as connection:
            if self._database.is_sqlite:
                counted = await _one_by_one(connection, wanted, ways, rows, now)
            else:
                counted = await _at_once(connection, wanted, ways, rows, now)
            if counted == len(wanted):
                return None
            refused = wanted[counted]
            resets_at = await connection.scalar(_RESETS_AT, _values(refused, now))
            return Reached(refused, resets_at - now if resets_at else refused.limit.within)

    async def close(self) -> None:
        """The database is its owner's."""


_Ways = tuple[bool | None, ...]  # for each: whether from the first; None: only looked at


async def _one_by_one(
    connection: AsyncConnection,
    wanted: Sequence[Count],
    ways: _Ways,
    back: Sequence[Count],
    now: datetime,
) -> int:
    """Return how many had room, up to the first that had none."""
    counting = [_COUNTING[way](_values(each, now)) for each, way in zip(wanted, ways, strict=True)]
    giving_back = [_GIVING_BACK(_values(each, now)) for each in back]
    return min(await in_turn(connection, counting + giving_back, commit=True), len(wanted))


async def _at_once(
    connection: AsyncConnection,
    wanted: Sequence[Count],
    ways: _Ways,
    back: Sequence[Count],
    now: datetime,
) -> int:
    """As `_one_by_one`, in a single round trip."""
    values: dict[str, object] = {}
    for place, each in enumerate((*wanted, *back)):
        values |= {f"{name}_{place}": value for name, value in _values(each, now).items()}
    return int(await connection.scalar(_all_of(ways, len(back)), values) or 0)


def _values(count: Count, now: datetime) -> dict[str, object]:
    limit = count.limit
    return {
        "name": limit.name,
        "key": count.digest,
        "now": now,
        "anew": now + limit.within,
        "most": limit.most,
    }


class _Row:
    """The statements about one counter; `place` tells its parameters from those of others."""

    def __init__(self, place: str = "") -> None:
        self.name = bindparam(f"name{place}", type_=String)
        self.key = bindparam(f"key{place}", type_=LargeBinary)
        self.anew = bindparam(f"anew{place}", type_=UtcDateTime)
        self.rested = Counter.resets_at <= bindparam(f"now{place}", type_=UtcDateTime)
        self.has_room = Counter.count < bindparam(f"most{place}", type_=Integer)
        self.here = and_(Counter.limit_name == self.name, Counter.key_digest == self.key)

    def count(self, insert: Any, *, from_first: bool, if_: ColumnElement[bool]) -> Any:
        # Any: the dialects share no class that knows conflicts.
        values = select(self.name, self.key, literal(1, Integer), self.anew).where(if_)
        columns = ["limit_name", "key_digest", "count", "resets_at"]
        statement = insert(Counter).from_select(columns, values)
        anew = statement.excluded.resets_at
        return statement.on_conflict_do_update(
            index_elements=[Counter.limit_name, Counter.key_digest],
            set_={
                "count": case((self.rested, 1), else_=Counter.count + 1),
                "resets_at": case((self.rested, anew), else_=Counter.resets_at)
                if from_first
                else anew,
            },
            where=or_(self.rested, self.has_room),
        ).returning(Counter.count)

    def look(self, *, if_: ColumnElement[bool]) -> Select[int]:
        is_full = exists().where(self.here, ~or_(self.rested, self.has_room))
        return select(literal(1, Integer).label("count")).where(~is_full, if_)

    def give_back(self, *, if_: ColumnElement[bool]) -> Any:  # Any: as SQLAlchemy's update()
        counted = update(Counter).where(self.here, Counter.count > 0, if_)
        return counted.values(count=Counter.count - 1)


@cache
def _all_of(ways: _Ways, back: int) -> Select[int]:
    """Return the statement that counts so many and then gives back so many, each after the other.

    It returns how many had room, up to the first that had none. Made once for each shape: making a
    statement costs more than the database takes to run it.
    """
    steps: list[CTE] = []
    had_room: ColumnElement[bool] = true()
    for place, way in enumerate(ways):
        row = _Row(f"_{place}")
        step = (
            row.look(if_=had_room)
            if way is None
            else row.count(postgresql.insert, from_first=way, if_=had_room)
        )
        steps.append(step.cte(f"counted_{place}"))
        had_room = exists(select(1).select_from(steps[-1]))
    total: ColumnElement[int] = literal(0, Integer)
    for step in steps:
        total = total + select(func.count()).select_from(step).scalar_subquery()
    found = select(total)
    for place in range(len(ways), len(ways) + back):
        given = _Row(f"_{place}").give_back(if_=had_room).returning(Counter.count)
        step = given.cte(f"given_back_{place}")
        found = found.add_cte(step)
        # Whether it gave anything back or not: what counts is that it comes first.
        had_room = and_(had_room, select(func.count()).select_from(step).scalar_subquery() >= 0)
    return found


_ROW = _Row()
_COUNTING: dict[bool | None, Prepared] = {
    None: Prepared(_ROW.look(if_=true()), needed=True),
    **{
        from_first: Prepared(
            _ROW.count(sqlite.insert, from_first=from_first, if_=true()), needed=True
        )
        for from_first in (False, True)
    },
}
_RESETS_AT = select(Counter.resets_at).where(_ROW.here)
_GIVING_BACK = Prepared(_ROW.give_back(if_=true()))
