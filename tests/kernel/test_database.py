"""Two databases that behave alike, and a pool that is fair."""

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from time import time_ns

import pytest
from sqlalchemy import (
    Column,
    MetaData,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util import greenlet_spawn

from vestibule.accounts.models import Account
from vestibule.kernel.database import Database
from vestibule.kernel.database_url import dialect_url, where
from vestibule.kernel.errors import DatabaseUnavailable
from vestibule.kernel.ids import uuid7
from vestibule.kernel.pool import FairPool
from vestibule.kernel.prepared import Prepared, Statement
from vestibule.kernel.sqlite import in_turn
from vestibule.throttle.counters import Counter


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    made = Database(database_url)
    yield made
    await made.close()


def a_counter(**columns: object) -> Counter:
    given = {"limit_name": "x", "key_digest": b"x", "count": 0, "resets_at": datetime.now(UTC)}
    return Counter(**given | columns)


class TestIds:
    def test_they_are_of_version_7_and_hold_their_time(self) -> None:
        before = time_ns() // 1_000_000
        made = [uuid7() for _ in range(200)]
        after = time_ns() // 1_000_000
        assert {each.version for each in made} == {7}
        assert {each.int >> 62 & 0b11 for each in made} == {0b10}
        assert all(before <= each.int >> 80 <= after for each in made)
        assert len(set(made)) == 200

    async def test_they_sort_by_when_they_were_made(self) -> None:
        made = []
        for _ in range(20):
            made += [uuid7() for _ in range(100)]  # many in one millisecond
            await asyncio.sleep(0.002)
        assert sorted(made) == made
        assert sorted(made, key=str) == made, "as text too, which is how SQLite keeps them"


class TestTimes:
    @pytest.mark.parametrize(
        "zone", [UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]
    )
    async def test_they_come_back_as_the_same_moment_in_utc(
        self, database: Database, zone: timezone
    ) -> None:
        moment = datetime(2026, 3, 29, 2, 30, 15, 123_456, tzinfo=zone)
        async with database.writing() as session:
            session.add(a_counter(resets_at=moment))
            await session.commit()
        async with database.reading() as session:
            found = await session.scalar(select(Counter.resets_at))
            assert found == moment
            assert found.tzinfo is UTC
            earlier, later = moment - timedelta(seconds=1), moment + timedelta(seconds=1)
            between = select(Counter.count).where(Counter.resets_at.between(earlier, later))
            assert await session.scalar(between) == 0

    async def test_none_stays_none(self, database: Database) -> None:
        async with database.writing() as session:
            now = datetime.now(UTC)
            session.add(
                Account(id=uuid7(), profile={}, state="active", created_at=now, updated_at=now)
            )
            await session.commit()
            assert (await session.execute(select(Account.last_login_at))).all() == [(None,)]


class TestUrls:
    @pytest.mark.parametrize(
        "plain,used",
        [
            ("postgres://a:b@db/x", "postgresql+asyncpg://a:b@db/x"),
            ("postgresql://a:b@db/x", "postgresql+asyncpg://a:b@db/x"),
            ("postgresql://db/x?sslmode=require", "postgresql+asyncpg://db/x?ssl=require"),
            ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
            (
                "postgresql://a:b@one,two:5433/x?sslmode=require",
                (
                    "postgresql+asyncpg://a:b@/x?host=one%3A5432&host=two%3A5433&ssl=require"
                    "&target_session_attrs=read-write"
                ),
            ),
        ],
    )
    def test_the_driver_is_ours_to_name(self, plain: str, used: str) -> None:
        assert dialect_url(plain).render_as_string(hide_password=False) == used


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    """Two connections, and a tenth of a second's patience."""
    engine = create_async_engine(
        dialect_url(postgres_url),
        poolclass=FairPool,
        pool_size=2,
        max_overflow=0,
        pool_timeout=0.1,
    )
    async with engine.connect(), engine.connect():
        pass
    yield engine
    await engine.dispose()


async def assert_all_are_back(engine: AsyncEngine) -> None:
    assert isinstance(engine.pool, FairPool)
    assert engine.pool.checkedout() == 0
    async with engine.connect() as one, engine.connect() as another:
        assert await one.scalar(text("SELECT 1")) == await another.scalar(text("SELECT 1"))
        with pytest.raises(PoolTimeoutError):
            await engine.connect()


class TestFairPool:
    async def test_connections_are_handed_out_first_come_first_served(
        self, postgres_url: str
    ) -> None:
        database = Database(postgres_url, pool_size=2)
        async with database.engine.connect(), database.engine.connect():
            pass
        served: list[int] = []

        def visitor(number: int) -> None:
            for _ in range(2):  # who comes again stands behind everybody who waits
                with database.engine.sync_engine.connect() as connection:
                    served.append(number)
                    connection.execute(text("SELECT 1"))

        await asyncio.gather(*(greenlet_spawn(visitor, number) for number in range(30)))
        assert served[:30] == list(range(30))
        assert sorted(served[30:]) == list(range(30))
        await database.close()

    async def test_permits_come_back_after_errors(self, two: AsyncEngine) -> None:
        async def visitor() -> None:
            async with two.connect() as connection:
                await connection.execute(text("SELECT 1 / 0"))

        results = await asyncio.gather(*(visitor() for _ in range(10)), return_exceptions=True)
        assert all(isinstance(each, DBAPIError) for each in results)
        await assert_all_are_back(two)

    async def test_permits_come_back_from_who_leaves_while_waiting(self, two: AsyncEngine) -> None:
        async with two.connect(), two.connect():
            waiting = [asyncio.create_task(two.connect().start()) for _ in range(10)]
            await asyncio.sleep(0)
            for each in waiting:
                each.cancel()
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(each) for each in results} == {asyncio.CancelledError}
        await assert_all_are_back(two)

    @pytest.mark.fault("F-12")
    async def test_permits_come_back_from_who_leaves_while_working(self, two: AsyncEngine) -> None:
        async def visitor() -> None:
            async with two.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(30)"))

        for after in (0.0, 0.005, 0.02):
            working = [asyncio.create_task(visitor()) for _ in range(4)]
            await asyncio.sleep(after)
            for each in working:
                each.cancel()
            await asyncio.gather(*working, return_exceptions=True)
        await assert_all_are_back(two)

    @pytest.mark.fault("F-10")
    async def test_who_waits_too_long_is_told_and_leaves_nothing_behind(
        self, two: AsyncEngine
    ) -> None:
        async with two.connect(), two.connect():
            results = await asyncio.gather(
                *(two.connect().start() for _ in range(5)), return_exceptions=True
            )
            assert {type(each) for each in results} == {PoolTimeoutError}
        await assert_all_are_back(two)

    async def test_permits_come_back_where_nobody_answers(self, tmp_path: Path) -> None:
        database = Database(f"postgresql://nobody@/x?host={tmp_path}", pool_size=2)
        for _ in range(5):
            with pytest.raises(DatabaseUnavailable) as caught:
                await database.engine.connect()
            assert caught.value.retry_after > 0
        await database.close()


class TestSqlite:
    async def test_writers_of_two_engines_lose_nothing(self, sqlite_url: str) -> None:
        engines = [Database(sqlite_url), Database(sqlite_url)]  # as in two processes
        async with engines[0].writing() as session:
            session.add(a_counter())
            await session.commit()

        async def add_one(database: Database) -> None:
            async with database.writing() as session:
                count = await session.scalar(select(Counter.count))
                assert count is not None
                await asyncio.sleep(0)
                await session.execute(update(Counter).values(count=count + 1))
                await session.commit()

        async def writer(database: Database) -> None:
            for _ in range(20):
                await add_one(database)

        await asyncio.gather(*(writer(engines[number % 2]) for number in range(8)))
        async with engines[1].reading() as session:
            assert await session.scalar(select(Counter.count)) == 160
        for engine in engines:
            await engine.close()

    async def test_a_reader_waits_for_no_writer(self, sqlite_url: str) -> None:
        database = Database(sqlite_url)
        async with database.writing() as writing, database.reading() as reading:
            writing.add(a_counter())
            await writing.flush()
            assert await reading.scalar(select(Counter.count)) is None
            await writing.commit()
        await database.close()

    async def test_foreign_keys_hold(self, sqlite_url: str) -> None:
        database = Database(sqlite_url)
        async with database.writing() as session:
            with pytest.raises(DBAPIError):
                await session.execute(
                    text("INSERT INTO audit_details (entry_id) VALUES (:id)"), {"id": "0" * 32}
                )
        await database.close()

    async def test_its_files_are_for_their_owner_alone(
        self, open_umask: None, tmp_path: Path
    ) -> None:
        database = Database(f"sqlite:///{tmp_path}/new.db")
        async with database.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE x (y)"))
        for name in ("new.db", "new.db-wal", "new.db-shm"):
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name
        await database.close()


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


async def test_what_a_statement_was_given_is_in_no_error(database: Database) -> None:
    async with database.writing() as session:
        with pytest.raises(DBAPIError) as caught:
            await session.execute(text("SELECT * FROM nowhere WHERE x = :x"), {"x": "hunter22"})
    assert "nowhere" in str(caught.value)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "url, place",
    [
        ("postgresql://ada:hunter2@db.example.org/vestibule", "db.example.org:5432"),
        ("postgresql://ada:hunter2@[::1]:6543/vestibule", "[::1]:6543"),
        ("postgresql:///vestibule?host=/run/pg&user=ada", "/run/pg/.s.PGSQL.5432"),
        ("postgresql:///vestibule", "the local socket"),
        ("postgresql://ada:hunter2@one,two:5433/vestibule", "one:5432 or two:5433"),
        ("postgresql://ada:hun@ter2@db.example.org/vestibule", ""),
        ("postgresql://ada:hun@ter2/x@db.example.org/vestibule", ""),
        ("sqlite:////srv/vestibule.db", "/srv/vestibule.db"),
    ],
)
def test_a_database_is_named_without_its_user_and_password(url: str, place: str) -> None:
    assert where(dialect_url(url)) == place


async def test_after_a_beginning_that_failed_nothing_is_done_for_good(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    beside = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    count = "INSERT INTO counters VALUES ('x', x'00', 1, '2026-11-28')"
    async with database.engine.connect() as connection:
        await connection.exec_driver_sql("PRAGMA busy_timeout=0")
        await connection.commit()
        beside.execute("BEGIN IMMEDIATE")
        with pytest.raises(DBAPIError, match="locked"):
            await connection.exec_driver_sql(count)
        beside.execute("ROLLBACK")
        await connection.exec_driver_sql(count)
        await connection.rollback()
    assert beside.execute("SELECT count(*) FROM counters").fetchall() == [(0,)]
    beside.close()
    await database.close()


async def test_a_savepoint_holds_no_reader_in_the_past(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.reading_engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        async with connection.begin_nested():
            await connection.execute(select(Account.id))
            assert raw.in_transaction
    assert not raw.in_transaction
    await database.close()


async def test_who_is_closed_already_can_be_told_to_roll_back(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    async with database.reading_engine.connect() as connection:
        adapted = (await connection.get_raw_connection()).dbapi_connection
        assert adapted is not None
        await greenlet_spawn(adapted.close)
        await greenlet_spawn(adapted.rollback)
    await database.close()


def counting(name: str, *, needed: bool = False) -> Statement:
    given = {"limit_name": name, "key_digest": b"x", "count": 1, "resets_at": datetime.now(UTC)}
    return Prepared(insert(Counter).values(**given), needed=needed)({})


async def test_what_is_run_in_turn_ends_where_a_needed_row_is_missing(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    looking = Prepared(select(Counter.count).where(Counter.limit_name == "b"), needed=True)
    async with database.engine.begin() as connection:
        run = await in_turn(connection, [counting("a"), looking({}), counting("c")])
    assert run == 1
    async with database.engine.begin() as connection:
        run = await in_turn(connection, [counting("b"), looking({}), counting("d")])
    assert run == 3
    async with database.reading_engine.connect() as connection:
        kept = await connection.scalars(select(Counter.limit_name))
        assert sorted(kept) == ["a", "b", "d"]
    await database.close()


async def test_what_fails_in_turn_takes_back_what_came_before(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(IntegrityError) as caught:
        async with database.engine.begin() as connection:
            await in_turn(connection, [counting("a"), counting("b"), counting("a")])
    assert "UNIQUE" in str(caught.value)
    async with database.reading_engine.connect() as connection:
        assert await connection.scalar(select(func.count()).select_from(Counter)) == 0
    await database.close()


@pytest.mark.parametrize("commit", [True, False])
async def test_who_leaves_in_between_leaves_nothing_behind(sqlite_url: str, commit: bool) -> None:
    database = Database(sqlite_url)
    async with database.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    busy = threading.Event()
    raw._tx.put_nowait((None, partial(busy.wait, 5)))  # its thread

    async def count() -> None:
        async with database.engine.begin() as connection:
            await in_turn(connection, [counting("a")], commit=commit)

    leaving = asyncio.create_task(count())
    await asyncio.sleep(0.05)
    leaving.cancel()
    await asyncio.sleep(0.05)
    busy.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    beside = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), timeout=0)
    beside.execute("BEGIN IMMEDIATE")
    assert beside.execute("SELECT count(*) FROM counters").fetchall() == [(0,)]
    beside.close()
    await database.close()


def test_a_value_that_only_sqlalchemy_can_make_is_not_left_out() -> None:
    table = Table("some", MetaData(), Column("name", String), Column("made", String, default="x"))
    with pytest.raises(ValueError, match="missing"):
        Prepared(insert(table).values(name="ada"))
    prepared = Prepared(insert(table).values(name=bindparam("name"), made="y"))
    assert prepared({"name": "ada"}).values == ("ada", "y")
    with pytest.raises(KeyError):
        prepared({"nane": "ada"})
