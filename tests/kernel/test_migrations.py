"""Bringing a database to our schema, from whatever it has, by however many at once."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

import vestibule
from tests.postgres import Server
from vestibule.kernel import migrations
from vestibule.kernel.database import Base, Database
from vestibule.kernel.errors import CannotStart

TOP = Path(__file__).parents[2]


@pytest.fixture
def empty_postgres_url(postgres: Server) -> Iterator[str]:
    name = f"empty_{uuid4().hex}"
    postgres.create(name)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("empty_postgres_url")
    return url


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    made = Database(empty_url)
    yield made
    await made.close()


async def shape(database: Database) -> dict[str, list[str]]:
    """Every table but Alembic's own, with its columns, indexes and constraints."""

    def look(connection: Connection) -> dict[str, list[str]]:
        inspector = inspect(connection)
        return {
            table: sorted(
                [f"{each['name']} {each['type']} {each['nullable']}" for each in columns]
                + [str(each["name"]) for each in inspector.get_indexes(table)]
                + [str(each["name"]) for each in inspector.get_unique_constraints(table)]
                + [str(each["name"]) for each in inspector.get_foreign_keys(table)]
                + [str(each["name"]) for each in inspector.get_check_constraints(table)]
            )
            for table in inspector.get_table_names()
            if table != migrations.VERSION_TABLE
            for columns in [inspector.get_columns(table)]
        }

    async with database.engine.connect() as connection:
        return await connection.run_sync(look)


async def say_version(database: Database, version: str) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(
            text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = :version"),
            {"version": version},
        )


async def test_up_down_and_up_again_is_the_same(empty: Database) -> None:
    assert await migrations.current(empty) is None
    await migrations.upgrade(empty)
    assert await migrations.current(empty) == migrations.head()
    made = await shape(empty)
    assert set(made) == set(Base.metadata.tables)

    await migrations.downgrade(empty, "base")
    assert await migrations.current(empty) is None
    assert await shape(empty) == {}

    await migrations.upgrade(empty)
    await migrations.upgrade(empty)
    assert await migrations.current(empty) == migrations.head()
    assert await shape(empty) == made


async def test_the_migrations_make_what_the_models_say(postgres_url: str) -> None:
    database = Database(postgres_url)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"version_table": migrations.VERSION_TABLE}
        )
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_nobody_loses_track_of_the_schema(empty: Database) -> None:
    """A start-up that migrates; one that finds it done; one that must not."""
    with pytest.raises(CannotStart, match="vestibule db upgrade"):
        await migrations.ready(empty, upgrade=False)
    assert await shape(empty) == {}, "production does not touch it"
    await migrations.ready(empty, upgrade=True)
    await migrations.ready(empty, upgrade=True)
    await migrations.ready(empty, upgrade=False)


@pytest.mark.fault("F-35")
async def test_who_has_an_account_already_is_a_user(empty: Database) -> None:
    await migrations.upgrade(empty)
    await migrations.downgrade(empty, "0003")
    async with empty.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO accounts (id, profile, state, created_at, updated_at) VALUES "
                f"('{uuid4().hex}', '{{}}', 'active', '2026-11-01 00:00:00', '2026-11-01 00:00:00')"
            )
        )
    await migrations.upgrade(empty)
    async with empty.engine.connect() as connection:
        granted = await connection.execute(text("SELECT role, granted_at, granted_by FROM grants"))
        [(role, since, by)] = granted.all()
        named = await connection.scalars(text("SELECT name FROM roles ORDER BY name"))
        assert named.all() == ["admin", "editor", "user"]
    assert (role, by) == ("user", None)
    assert str(since).startswith("2026-11-01")


@pytest.mark.parametrize("upgrade", [True, False])
async def test_a_newer_schema_is_refused_in_every_mode(empty: Database, *, upgrade: bool) -> None:
    await migrations.upgrade(empty)
    await say_version(empty, "9999")
    with pytest.raises(CannotStart, match="9999, which is newer"):
        await migrations.ready(empty, upgrade=upgrade)
    assert await migrations.current(empty) == "9999"


async def test_a_database_that_is_not_there_is_one_line_without_secrets(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_PATIENCE", 0.1)
    absent = postgres.url("absent").replace("postgres@", "postgres:hunter22@")
    for url in (f"postgresql://ada:hunter22@/x?host={tmp_path}", absent):
        database = Database(url)
        with pytest.raises(CannotStart) as caught:
            await migrations.ready(database, upgrade=True)
        [line] = caught.value.problems
        assert line.startswith("VESTIBULE_DATABASE_URL: ")
        assert "hunter22" not in line
        await database.close()


@pytest.mark.fault("F-34")
async def test_a_migration_that_fails_leaves_the_schema_as_it_was(empty: Database) -> None:
    async with empty.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE letters (x INTEGER)"))  # in its way
    with pytest.raises(Exception, match="letters"):
        await migrations.upgrade(empty)
    assert set(await shape(empty)) == {"letters"}
    assert await migrations.current(empty) is None


async def run_upgrade(url: str, folder: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vestibule",
        "db",
        "upgrade",
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(vestibule.__file__).parents[1]),
            "VESTIBULE_DATABASE_URL": url,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_alembic_itself_finds_the_database_in_the_settings(empty_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alembic", "upgrade", "head"),
        cwd=TOP,
        env={"PATH": os.environ["PATH"], "VESTIBULE_DATABASE_URL": empty_url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    database = Database(empty_url)
    await migrations.ready(database, upgrade=False)
    await database.close()


@pytest.mark.fault("F-34")
async def test_two_processes_at_once_upgrade_once(empty_url: str, tmp_path: Path) -> None:
    results = await asyncio.gather(*(run_upgrade(empty_url, tmp_path) for _ in range(2)))
    assert [code for code, _ in results] == [0, 0], results
    database = Database(empty_url)
    await migrations.ready(database, upgrade=False)
    await database.close()


@pytest.mark.fault("F-34")
async def test_an_upgrade_waits_for_the_one_under_way(empty_postgres_url: str) -> None:
    database, other = Database(empty_postgres_url), Database(empty_postgres_url)
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with database.engine.begin() as connection:  # somebody else's upgrade
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": migrations._LOCK}
        )
        upgrade = asyncio.create_task(migrations.upgrade(other))
        while not upgrade.done() and not await connection.scalar(waiting):
            await asyncio.sleep(0.01)
        assert not upgrade.done()
        assert await migrations.current(database) is None
    await upgrade
    assert await migrations.current(database) == migrations.head()
    await database.close()
    await other.close()
