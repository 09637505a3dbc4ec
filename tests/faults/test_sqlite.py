"""SQLite's file and its disk: full, read-only, locked by somebody else, copied while in use."""

import asyncio
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any  # Any: a driver's own

import pytest

from tests.faults.fleet import SECRET, Fleet
from tests.faults.invariants import Told, violations
from tests.faults.test_letters import mailgun
from tests.faults.traffic import Crowd, figures
from tests.mailservers import MailgunStub
from tests.processes import serving
from tests.world import World
from vestibule.kernel.database import Database

AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(600)]


def is_sound(file: Path) -> bool:
    with closing(sqlite3.connect(file)) as connection:
        return [*connection.execute("PRAGMA integrity_check")] == [("ok",)]


@asynccontextmanager
async def crowd_on(folder: Path, database_url: str) -> AsyncIterator[tuple[Fleet, Crowd]]:
    async with (
        MailgunStub() as provider,
        Fleet(folder, 1, **mailgun(provider, database_url)) as fleet,
    ):
        crowd = Crowd(fleet.ports)
        await crowd.settle()
        try:
            yield fleet, crowd
        finally:
            crowd.close()


async def until_refused(crowd: Crowd) -> None:
    """Sign up until there is no room."""
    for _ in range(400):
        await crowd.sign_up()
        if crowd.outcomes[-1].status != 202:
            return
    raise AssertionError("there is room for everybody")


async def goes_through(
    fleet: Fleet, crowd: Crowd, *, full: Callable[[], None], room: Callable[[], None]
) -> str:
    """Fill the disk, look at what is answered, and make room; return the figures."""
    pid = fleet.servers[0].process.pid
    for _ in range(5):
        await crowd.sign_up()
    full()
    await until_refused(crowd)
    crowd.outcomes.clear()
    await asyncio.gather(
        *(crowd.sign_up() for _ in range(8)),
        *(crowd.log_in(number % 4) for number in range(8)),
        *(crowd.who_am_i() for _ in range(40)),
    )
    told = {
        what: {each.status for each in crowd.outcomes if each.what == what}
        for what in ("sign-up", "log-in", "who-am-I")
    }
    assert told["who-am-I"] == {200}, "reads go on"
    assert 503 in told["sign-up"] | told["log-in"]
    assert told["sign-up"] <= {202, 503}
    assert told["log-in"] <= {200, 503}
    while_full = figures(crowd.outcomes)
    room()
    async with asyncio.timeout(10):
        while True:
            await crowd.sign_up()
            if crowd.outcomes[-1].status == 202:
                break
            await asyncio.sleep(0.1)
    for number in range(4):
        assert await crowd.log_in(number)
    assert fleet.servers[0].process.pid == pid
    assert fleet.servers[0].process.returncode is None, "it went on by itself"
    return while_full


async def stays_true(database_url: str, told: Told) -> None:
    file = Path(database_url.removeprefix("sqlite:///"))
    assert is_sound(file)
    database = Database(database_url)
    assert await violations(database, told) == []
    await database.close()


@pytest.mark.fault("F-13")
async def test_where_no_file_may_grow_writes_are_told_to_wait_and_reads_go_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    """A limit on the size of files stands for a full disk: anybody may set it."""
    async with crowd_on(tmp_path, sqlite_url) as (fleet, crowd):
        pid = fleet.servers[0].process.pid
        wal = Path(f"{sqlite_url.removeprefix('sqlite:///')}-wal")
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)

        def full() -> None:
            limit = wal.stat().st_size + 40_000
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, before[1]))

        def room() -> None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)

        said = await goes_through(fleet, crowd, full=full, room=room)
    print(f"\n  while no file may grow: {said}")  # noqa: T201
    await stays_true(sqlite_url, crowd.told)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of sixteen megabytes; whoever may not mount one cannot run this."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.fault("F-13")
@pytest.mark.prove
@pytest.mark.timeout(600)
async def test_on_a_full_disk_writes_are_told_to_wait_and_reads_go_on(
    sqlite_template: Path, small_disk: Path, tmp_path: Path
) -> None:
    database_url = f"sqlite:///{small_disk}/vestibule.db"
    shutil.copy(sqlite_template, small_disk / "vestibule.db")
    filler = small_disk / "filler"

    filler.touch()

    def full() -> None:
        with suppress(OSError), filler.open("r+b", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    async with crowd_on(tmp_path, database_url) as (fleet, crowd):
        said = await goes_through(fleet, crowd, full=full, room=filler.unlink)
    print(f"\n  while the disk is full: {said}")  # noqa: T201
    await stays_true(database_url, crowd.told)


@pytest.mark.fault("F-13")
@pytest.mark.parametrize(
    "seconds", [1.5, pytest.param(10, marks=AT_SIZE), pytest.param(25, marks=AT_SIZE)]
)
async def test_while_a_backup_holds_the_lock_reads_go_on_and_writes_have_an_answer(
    sqlite_url: str, tmp_path: Path, seconds: float
) -> None:
    async with crowd_on(tmp_path, sqlite_url) as (_, crowd):
        crowd.outcomes.clear()
        other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
        other.isolation_level = None
        other.execute("BEGIN EXCLUSIVE")
        writes = [asyncio.create_task(crowd.sign_up()) for _ in range(6)]
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            assert await crowd.who_am_i() == 200
            assert await crowd.healthz() < 1
            await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.gather(*writes)
        reads = [each for each in crowd.outcomes if each.what == "who-am-I"]
        written = [each for each in crowd.outcomes if each.what == "sign-up"]
        await crowd.sign_up()
        assert crowd.outcomes[-1].status == 202
    print(  # noqa: T201
        f"\n  locked for {seconds} s: reads {figures(reads)}; writes {figures(written)}"
    )
    assert max(each.took for each in reads) < 1
    assert {each.status for each in written} <= {202, 503}
    assert max(each.took for each in written) < 12
    await stays_true(sqlite_url, crowd.told)


@pytest.mark.fault("F-13")
async def test_where_the_file_takes_no_writes_people_are_told_and_the_log_says_why(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with World.running(sqlite_url, tmp_path) as world:
        ada = await world.member()
        await take_no_writes(world, "ON")
        for asking in (world.client().sign_up("bob@example.org"), world.client().log_in()):
            answer = await asking
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
        assert (await ada.get("/v1/me")).status_code == 200
        assert "SQLITE_READONLY" in caplog.text
        await take_no_writes(world, "OFF")
        assert (await world.client().sign_up("bob@example.org")).status_code == 202


async def take_no_writes(world: World, switch: str) -> None:
    """Have SQLite say what it says of a file that it may only read."""
    async with world.vestibule.means.database.engine.connect() as connection:
        raw: Any = await connection.get_raw_connection()  # Any: aiosqlite's
        await raw.driver_connection.execute(f"PRAGMA query_only = {switch}")


@pytest.mark.fault("F-38")
async def test_a_backup_that_was_made_under_load_is_whole(
    sqlite_url: str, sqlite_template: Path, tmp_path: Path
) -> None:
    """As `docs/operating.md` says it: SQLite's own backup, never a copy of the file alone."""
    copy = tmp_path / "backup.db"
    async with crowd_on(tmp_path, sqlite_url) as (_, crowd):
        stop = asyncio.Event()
        traffic = asyncio.create_task(crowd.at_a_rate(60, until=stop))
        await asyncio.sleep(1)

        def back_up() -> None:
            with (
                closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as source,
                closing(sqlite3.connect(copy)) as sink,
            ):
                source.backup(sink, pages=8, sleep=0.01)

        await asyncio.to_thread(back_up)
        stop.set()
        await traffic
    restored = f"sqlite:///{copy}"
    await stays_true(restored, Told(unheard=crowd.told.asked + crowd.told.unheard))
    elsewhere = tmp_path / "restored"
    elsewhere.mkdir()
    settings = {"VESTIBULE_DATABASE_URL": restored, "VESTIBULE_SECRETS": SECRET}
    async with serving(elsewhere, **settings) as served:
        anybody = Crowd([int(served.base_url.rpartition(":")[2])])
        assert await anybody.log_in(0)
        anybody.close()
