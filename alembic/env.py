"""How Alembic reaches the database: on the connection it is given, or on one from the settings."""

import asyncio
from typing import Literal

from alembic import context
from sqlalchemy import Connection

import vestibule.extension  # noqa: F401 - every table registers itself with the metadata
from vestibule.kernel.database import Base, Database, UtcDateTime
from vestibule.kernel.migrations import VERSION_TABLE
from vestibule.kernel.settings import Settings


def render_plainly(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Write our own column types as what they are in the database: migrations outlive code."""
    plain = kind == "type" and isinstance(item, UtcDateTime)
    return "sa.DateTime(timezone=True)" if plain else False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_plainly,
    )
    with context.begin_transaction():
        context.run_migrations()


async def from_settings() -> None:
    database = Database(Settings().database)
    try:
        async with database.patient_transaction() as connection:
            await connection.run_sync(migrate)
    finally:
        await database.close()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    asyncio.run(from_settings())
