"""Questions to a database that only an examination asks."""

import time
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from vestibule.kernel.clock import Clock
from vestibule.kernel.database import Database


async def change(database: Database) -> float:
    """Change a row to what it is, and take it back; return how many seconds that took."""
    began = time.perf_counter()
    async with database.engine.connect() as connection, connection.begin() as transaction:
        await connection.execute(text("UPDATE vestibule_version SET version_num = version_num"))
        await transaction.rollback()
    return time.perf_counter() - began


async def clock_ahead(database: Database, clock: Clock) -> timedelta | None:
    """Return how far the database's clock is ahead of ours; None where they are the same."""
    if database.is_sqlite:
        return None
    async with database.reading_engine.connect() as connection:
        await connection.execute(text("SELECT 1"))  # connecting is not part of the way there
        before = clock.here()
        theirs: datetime | None = await connection.scalar(text("SELECT clock_timestamp()"))
        after = clock.here()
    assert theirs is not None
    return theirs.astimezone(UTC) - (before + (after - before) / 2)


async def connections(database: Database) -> int | None:
    """Return how many connections the database has for everybody; None where it counts none."""
    if database.is_sqlite:
        return None
    async with database.reading_engine.connect() as connection:
        most = await connection.scalar(
            text(
                "SELECT current_setting('max_connections')::int"
                " - current_setting('superuser_reserved_connections')::int"
            )
        )
    return int(most or 0)
