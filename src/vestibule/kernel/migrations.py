"""Bringing a database to the schema that this version of the code is written for."""

import asyncio
from contextlib import suppress
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from vestibule.kernel.database import Base, Database
from vestibule.kernel.database_url import where
from vestibule.kernel.errors import CannotStart, DatabaseUnavailable

VERSION_TABLE = "vestibule_version"
_LOCK = 0x76657374  # any number, the same in every process
_PATIENCE = 7.0  # seconds that a database may take to come up beside us


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's settings for our migrations, on an open connection if there is one."""
    made = Config()
    made.set_main_option("script_location", str(_location()).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """For a host's Alembic on the same database: leave our tables out of its autogenerate.

    `context.configure(…, include_name=include_name)` in its `env.py`.
    """
    return kind != "table" or name not in {*Base.metadata.tables, VERSION_TABLE}


@cache
def head() -> str:
    """Return the revision that this code is written for."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    assert revision is not None
    return revision


async def current(database: Database) -> str | None:
    """Return the revision that the database has; None for an empty one."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(_current)


async def upgrade(database: Database, revision: str = "head") -> None:
    """Run migrations in one transaction; of two processes at once the second finds it done."""
    await _migrate(database, command.upgrade, revision)


async def downgrade(database: Database, revision: str) -> None:
    await _migrate(database, command.downgrade, revision)


async def ready(database: Database, *, upgrade: bool) -> None:
    """Make sure that the schema is ours.

    Args:
        upgrade: bring an older one up to date instead of refusing it.

    Raises:
        CannotStart: unreachable, older, or newer than this code.
    """
    found = await reached(database)
    if found == head():
        return
    if found is not None and not _is_known(found):
        raise CannotStart(
            f"The database has schema {found}, which is newer than this version of Vestibule. "
            "Start the newer version."
        )
    if not upgrade:
        has = f"schema {found}, this version needs {head()}" if found else "no schema yet"
        raise CannotStart(f"The database has {has}. Run: vestibule db upgrade")
    await _migrate(database, command.upgrade, "head")


async def reached(database: Database) -> str | None:
    """Wait until the database answers, and return the revision that it has.

    Raises:
        CannotStart: it does not answer.
    """
    why: BaseException | None = TimeoutError()  # an answer may also stay away
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while True:
                try:
                    return await current(database)
                except (DBAPIError, DatabaseUnavailable, OSError) as error:
                    why = error.__cause__ if isinstance(error, DatabaseUnavailable) else error
                await asyncio.sleep(0.5)
    at = f" at {place}" if (place := where(database.engine.url)) else ""
    raise CannotStart(f"VESTIBULE_DATABASE_URL: the database cannot be reached{at} ({_kind(why)})")


def _kind(error: BaseException | None) -> str:
    # Never the message: drivers put URLs with passwords into theirs.
    origin = getattr(error, "orig", None) or error
    cause = getattr(origin, "__cause__", None)
    return type(cause if isinstance(cause, Exception) else origin).__name__


async def _migrate(database: Database, run: object, revision: str) -> None:
    def within(connection: Connection) -> None:
        if not database.is_sqlite:  # SQLite's writers queue by themselves
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        run(config(connection), revision)  # type: ignore[operator]

    async with database.patient_transaction() as connection:
        await connection.run_sync(within)


def _current(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def _is_known(revision: str) -> bool:
    try:
        return ScriptDirectory.from_config(config()).get_revision(revision) is not None
    except CommandError:
        return False


def _location() -> Path:
    """Find the migrations: inside the wheel, or in the checkout that is being worked on."""
    package = Path(__file__).parents[1]
    shipped = package / "alembic"
    return shipped if shipped.is_dir() else package.parents[1] / "alembic"
