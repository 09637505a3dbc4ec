"""Rows that nobody reads back in their transaction, written in one go before its end."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from sqlalchemy import Insert, Table, bindparam, insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestibule.kernel.prepared import Prepared
from vestibule.kernel.sqlite import in_turn

# What SQLAlchemy does for a statement grows with the square of its rows, and holds up everybody.
_MOST = 20


class Row(NamedTuple):
    """One row to be, by the names of its columns."""

    table: Table
    values: dict[str, object]


async def write(session: AsyncSession, rows: Sequence[Row], *, at_once: bool) -> None:
    """Insert `rows`, which may lean on each other.

    Args:
        at_once: some in one statement, which PostgreSQL can and SQLite cannot; what a row leans on
            comes before it, or with it.

    Raises:
        DBAPIError: the database does not take one of them.
    """
    if not at_once:
        each = [_one(row.table, tuple(row.values))(row.values) for row in rows]
        await in_turn(await session.connection(), each)
        return
    for some in (rows[place : place + _MOST] for place in range(0, len(rows), _MOST)):
        shapes = tuple((row.table, tuple(row.values)) for row in some)
        values = {
            f"{name}_{place}": value
            for place, row in enumerate(some)
            for name, value in row.values.items()
        }
        await session.execute(_all_of(shapes), values)


@cache
def _one(table: Table, names: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table).values({name: bindparam(name) for name in names}))


@cache
def _all_of(shapes: tuple[tuple[Table, tuple[str, ...]], ...]) -> Insert:
    """Made once for each shape: making a statement costs more than running it."""
    *first, last = (
        insert(table).values(
            {name: bindparam(f"{name}_{place}", type_=table.c[name].type) for name in names}
        )
        for place, (table, names) in enumerate(shapes)
    )
    # What a row leans on is looked for once the whole statement is done.
    for place, statement in enumerate(first):
        last = last.add_cte(statement.cte(f"inserted_{place}"))
    return last
