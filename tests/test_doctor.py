"""`vestibule doctor --deep`: a line for each thing that it tries, and the exit code."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.pgbouncer import pgbouncer
from tests.postgres import Server
from tests.processes import serving
from tests.test_cli import Shell, _verdicts, run
from vestibule import Settings, Vestibule
from vestibule.accounts.models import Account
from vestibule.audit.log import Entry
from vestibule.cli import examination
from vestibule.cli.findings import Verdict
from vestibule.courier import letters, outbox
from vestibule.courier.models import Letter
from vestibule.kernel.clock import MovableClock
from vestibule.kernel.database import Database

NOWHERE = "http://localhost:1"
DEEP = [
    "changes",
    "clock",
    "connections",
    "feed",
    "secrets",
    "letters",
    "hashing",
    "VESTIBULE_BASE_URL",
]
SECRET, OTHER = bytes(range(32)).hex(), bytes(range(32, 64)).hex()


@pytest.fixture
def shell(database_url: str) -> Shell:
    """In development, on each database, which has the schema already; nothing is served."""
    return Shell(
        VESTIBULE_DATABASE_URL=database_url,
        VESTIBULE_BASE_URL=NOWHERE,
        VESTIBULE_SECRETS=SECRET,
    )


def words(output: str, about: str) -> str:
    [line] = [each for each in output.splitlines() if each[7:].startswith(f"{about}: ")]
    return line


async def post(vestibule: Vestibule) -> None:
    async with vestibule.unit() as unit:
        until = unit.now + timedelta(days=1)
        draft = letters.custom(to="ada@example.org", subject="x", text="y", expires_at=until)
        await outbox.post(unit, draft)
    await vestibule.stop()


def test_what_is_well_is_found_well_and_left_as_it_was(shell: Shell) -> None:
    run(post(shell.vestibule()))
    before = run(rows(shell))
    result = shell.type("doctor", "--deep")
    assert result.exit_code == 0, result.output
    found = {about: verdict for verdict, about in _verdicts(result)}
    assert [about for _, about in _verdicts(result)][4:] == DEEP
    assert {each for about, each in found.items() if about != "VESTIBULE_BASE_URL"} <= {
        "good",
        "note",
    }
    assert found["changes"] in ("good", "note")
    assert found["secrets"] == "good"
    assert "(1 looked at)" in words(result.stdout, "secrets")
    assert found["letters"] == "good"
    assert found["VESTIBULE_BASE_URL"] == "note"
    assert "does it run yet" in words(result.stdout, "VESTIBULE_BASE_URL")
    assert run(rows(shell)) == before
    assert SECRET not in result.output


async def rows(shell: Shell) -> list[int]:
    database = Database(shell.variables["VESTIBULE_DATABASE_URL"])
    async with database.engine.connect() as connection:
        counted = [
            (await connection.execute(text(f"SELECT count(*) FROM {table.__tablename__}"))).scalar()
            for table in (Letter, Account, Entry)
        ]
    await database.close()
    return [int(each or 0) for each in counted]


def test_without_deep_none_of_it_is_done(shell: Shell) -> None:
    assert not {about for _, about in _verdicts(shell.type("doctor"))} & set(DEEP)


def test_what_a_dropped_secret_sealed_is_wrong(shell: Shell) -> None:
    run(post(shell.vestibule()))
    result = shell.type("doctor", "--deep", VESTIBULE_SECRETS=OTHER)
    assert result.exit_code == 1
    assert ("wrong", "secrets") in _verdicts(result)
    assert "1 of 1" in words(result.stdout, "secrets")
    both = shell.type("doctor", "--deep", VESTIBULE_SECRETS=f"{OTHER},{SECRET}")
    assert ("good", "secrets") in _verdicts(both)


@pytest.mark.parametrize(
    "waited,verdict", [(timedelta(minutes=6), "note"), (timedelta(hours=2), "wrong")]
)
def test_letters_that_wait_for_too_long_are_told(
    shell: Shell, waited: timedelta, verdict: str
) -> None:
    clock = MovableClock()
    clock.move(-waited)
    settings = shell.vestibule().settings
    run(post(Vestibule(settings, clock=clock)))
    result = shell.type("doctor", "--deep")
    assert (verdict, "letters") in _verdicts(result)
    assert result.exit_code == (1 if verdict == "wrong" else 0)


def test_a_database_that_takes_no_changes_is_wrong(postgres: Server, postgres_url: str) -> None:
    name = postgres_url.split("/")[3].partition("?")[0]
    postgres.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    result = Shell(VESTIBULE_DATABASE_URL=postgres_url, VESTIBULE_BASE_URL=NOWHERE).type(
        "doctor", "--deep"
    )
    assert result.exit_code == 1
    assert ("wrong", "changes") in _verdicts(result)
    assert [about for _, about in _verdicts(result)][4:] == DEEP, "it goes on after what is wrong"


def test_a_pool_that_the_database_cannot_fill_is_wrong(postgres_url: str) -> None:
    shell = Shell(VESTIBULE_DATABASE_URL=postgres_url, VESTIBULE_BASE_URL=NOWHERE)
    result = shell.type("doctor", "--deep", VESTIBULE_DATABASE_POOL_SIZE="200")
    assert ("wrong", "connections") in _verdicts(result)
    assert ("good", "connections") in _verdicts(shell.type("doctor", "--deep"))


def test_a_feed_that_brings_nothing_is_told(postgres: Server, postgres_url: str) -> None:
    name = postgres_url.split("/")[3].partition("?")[0]
    with pgbouncer(postgres) as folder:
        pooled = f"postgresql://postgres@/{name}?host={folder}&port=6432"
        shell = Shell(
            VESTIBULE_DATABASE_URL=pooled, VESTIBULE_PGBOUNCER="true", VESTIBULE_BASE_URL=NOWHERE
        )
        for feed_url, verdict in (None, "note"), (pooled, "wrong"), (postgres_url, "good"):
            variables = {"VESTIBULE_FEED_URL": feed_url} if feed_url else {}
            result = shell.type("doctor", "--deep", **variables)
            assert (verdict, "feed") in _verdicts(result), result.output
    shell = Shell(VESTIBULE_DATABASE_URL=postgres_url, VESTIBULE_BASE_URL=NOWHERE)
    another = postgres_url.replace(f"/{name}", "/postgres", 1)
    assert ("wrong", "feed") in _verdicts(
        shell.type("doctor", "--deep", VESTIBULE_FEED_URL=another)
    )


@pytest.mark.parametrize(
    "moved,verdict",
    [(0, Verdict.GOOD), (-5, Verdict.NOTE), (5, Verdict.NOTE), (-60, Verdict.WRONG)],
)
async def test_a_clock_that_is_not_the_databases_is_told(
    postgres_url: str, moved: int, verdict: Verdict
) -> None:
    clock = MovableClock()
    clock.move(timedelta(seconds=moved))
    vestibule = Vestibule(Settings.load(database_url=postgres_url), clock=clock)
    found, said = await examination.CHECKS["clock"](vestibule)
    await vestibule.stop()
    assert found is verdict
    if moved:
        assert ("ahead of us" if moved < 0 else "behind us") in said


@asynccontextmanager
async def somebody_else() -> AsyncIterator[int]:
    """A server that answers everything, and is not ours."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_the_url_must_lead_to_us(sqlite_url: str, tmp_path: Path) -> None:
    async def asked(url: str) -> tuple[Verdict, str]:
        vestibule = Vestibule(Settings.load(database_url=sqlite_url, base_url=url))
        try:
            return await examination.CHECKS["VESTIBULE_BASE_URL"](vestibule)
        finally:
            await vestibule.stop()

    async with somebody_else() as port:
        verdict, said = await asked(f"http://127.0.0.1:{port}")
    assert verdict is Verdict.WRONG
    assert "not as this service does" in said
    async with serving(tmp_path) as served:
        verdict, _ = await asked(served.base_url)
    assert verdict is Verdict.GOOD


def test_where_settings_are_wrong_they_come_first(shell: Shell) -> None:
    result = shell.type("doctor", "--deep", VESTIBULE_SESSION_IDLE="never")
    assert result.exit_code == 1
    assert _verdicts(result)[-1] == ("note", "the rest")
