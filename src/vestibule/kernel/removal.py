"""Deleting old rows a few at a time, beside everything that goes on."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from vestibule.kernel.database import Base
from vestibule.kernel.unit import Unit


async def remove(
    unit: Unit,
    table: type[Base],
    ended: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
    *conditions: ColumnElement[bool],
    until: datetime,
    most: int,
) -> int:
    """Delete at most `most` rows whose `ended` is not after `until`, oldest first; return how many.

    Rows that somebody else holds are left for the next time: this waits for nobody.

    Args:
        ended: an indexed column.
        conditions: what has to be so besides.
    """
    keys = inspect(table).primary_key
    chosen = (
        select(*keys)
        .where(and_(ended <= until, *conditions))
        .order_by(ended)
        .limit(most)
        .with_for_update(skip_locked=True)
        .cte("chosen")  # as a mere subquery PostgreSQL may run it again for every row
    )
    removed = await unit.session.execute(
        delete(table)
        .where(tuple_(*keys).in_(select(chosen)))
        .returning(keys[0])  # to be counted: SQLite's driver tells no number
        .execution_options(synchronize_session=False)
    )
    return len(removed.all())
