"""The engine, the declarative base, and column types that behave alike on both databases.

SQLite keeps its promises only when told to: the driver must not begin on its own, writers begin
IMMEDIATE, and the log is written ahead. One connection writes, so writers of one process queue
fairly instead of spinning on a lock; readers have connections of their own and never wait.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, cast

from sqlalchemy import URL, DateTime, Dialect, MetaData, event
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import NullPool
from sqlalchemy.types import TypeDecorator

from vestibule.kernel import postgresql, sqlite
from vestibule.kernel.clock import Clock
from vestibule.kernel.database_url import dialect_url
from vestibule.kernel.passing import Absence
from vestibule.kernel.pool import FairPool


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC, in and out; SQLite keeps them without a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class Database:
    """Two ways to the same tables: transactions that may write, and single reads."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        pgbouncer: bool = False,
        clock: Clock | None = None,
    ) -> None:
        """Connect when somebody asks for something.

        Args:
            pool_size: connections to PostgreSQL at most.
            pgbouncer: the next statement may meet another server connection.
            clock: what shall follow PostgreSQL's.
        """
        self.absence = Absence()
        parsed = dialect_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _create_privately(parsed)
            self.engine = _sqlite_engine(parsed, connections=1, begin="BEGIN IMMEDIATE")
            self.reading_engine = _sqlite_engine(parsed, connections=4)
        else:
            self._connecting = postgresql.connecting(parsed, pgbouncer=pgbouncer)
            self.engine = postgresql.engine(
                parsed, pool_size=pool_size, connecting=self._connecting
            )
            if clock is not None and not pgbouncer:
                postgresql.keep_time(self.engine, clock)
            # BEGIN, SELECT, ROLLBACK are three round trips; a single read needs one. But PgBouncer
            # may prepare on one connection and execute on the next, unless a transaction holds it.
            one_by_one = {} if pgbouncer else {"isolation_level": "AUTOCOMMIT"}
            self.reading_engine = self.engine.execution_options(**one_by_one)
        self.writing = async_sessionmaker(self.engine, expire_on_commit=False)
        self.reading = async_sessionmaker(self.reading_engine, expire_on_commit=False)

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[AsyncConnection]:
        async with (self.engine if self.is_sqlite else self.reading_engine).begin() as connection:
            yield connection

    @asynccontextmanager
    async def patient_transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction whose statements may take as long as they need: migrations."""
        engine = self.engine
        if not self.is_sqlite:
            connecting = {**self._connecting, "command_timeout": None}
            engine = create_async_engine(engine.url, poolclass=NullPool, connect_args=connecting)
        async with engine.begin() as connection:
            yield connection

    def pools(self) -> dict[str, FairPool]:
        """Return the pools by what they are for."""
        if self.is_sqlite:
            engines = {"writing": self.engine, "reading": self.reading_engine}
        else:
            engines = {"all": self.engine}
        return {name: cast(FairPool, engine.pool) for name, engine in engines.items()}

    async def close(self) -> None:
        await self.engine.dispose()
        if self.is_sqlite:
            await self.reading_engine.dispose()


def _create_privately(url: URL) -> None:
    """Create the file before SQLite does, readable by its owner alone (-wal and -shm follow it)."""
    if url.database:
        os.close(os.open(url.database, os.O_CREAT | os.O_RDWR, 0o600))


def _sqlite_engine(url: URL, *, connections: int, begin: str | None = None) -> AsyncEngine:
    engine = create_async_engine(
        url,
        module=sqlite.driver(),
        poolclass=FairPool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=10,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:  # Any: the driver's connection
        connection.isolation_level = None  # the driver shall not begin on its own
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:  # Any: SQLAlchemy's connection, untyped in the event
        if begin is not None:  # a single read is a transaction by itself
            connection.connection.dbapi_connection.begin(begin)

    return engine
