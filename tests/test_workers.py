"""`vestibule serve --workers`: several processes on one socket, and what becomes of them."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Any: what the load reports

import httpx
import pytest

from tests import load
from tests.architecture.source import TOP
from tests.postgres import Server
from tests.processes import Served, outside, serving
from tests.test_serve import PRODUCTION, failing
from vestibule import Settings, Vestibule
from vestibule.kernel.cores import cores

PATIENCE = 60
LOAD = Path(str(load.__file__))


@dataclass(frozen=True)
class Crew:
    """A supervisor whose workers are at work; `folder` is the one that it was started in."""

    served: Served
    folder: Path

    def workers(self) -> set[int]:
        return children(self.served.process.pid)

    async def until(self, there: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not there():
                await asyncio.sleep(0.05)

    async def says(self, words: str, *, times: int = 1) -> None:
        await self.until(lambda: self.served.errors.read_text().count(words) >= times)

    async def renewed(self) -> None:
        """Ask for new workers, and return once they are there and the old ones gone."""
        before = self.workers()
        self.served.process.send_signal(signal.SIGHUP)
        await self.until(
            lambda: len(now := self.workers()) == len(before) and now.isdisjoint(before)
        )

    @asynccontextmanager
    async def under_load(self, rate: float) -> AsyncIterator[dict[str, Any]]:
        """Ask `rate` times a second meanwhile; the report is filled in at the end."""
        report: dict[str, Any] = {}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, LOAD, str(httpx.URL(self.served.base_url).port), str(rate)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            yield report
        finally:
            said, _ = await process.communicate(b"")
        report.update(json.loads(said))


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@asynccontextmanager
async def manning(
    folder: Path, postgres: Server, template: str, *, count: int
) -> AsyncIterator[Crew]:
    name = f"crew_{folder.name}"
    postgres.create(name, template=template)
    command = ("serve", "--port", "0", "--workers", str(count))
    async with serving(folder, *command, VESTIBULE_DATABASE_URL=postgres.url(name)) as served:
        yield Crew(served, folder)
    postgres.drop(name)


@pytest.fixture(scope="module")
async def two(
    tmp_path_factory: pytest.TempPathFactory, postgres: Server, postgres_template: str
) -> AsyncIterator[Crew]:
    folder = tmp_path_factory.mktemp("two")
    async with manning(folder, postgres, postgres_template, count=2) as made:
        yield made


@asynccontextmanager
async def standing_in(folder: Path, how: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the workers of `crew`, which do what they are told to."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crew", str(folder / "notes"), how),
        cwd=TOP,
        env=outside(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def noted(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "notes").read_text().split()]


async def ready(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), PATIENCE) == b"ready\n"


# --- the start ---


async def test_what_keeps_all_of_them_from_starting_is_told_once(
    tmp_path: Path, postgres: Server
) -> None:
    postgres.create("crew_empty")
    on_postgres = PRODUCTION | {"VESTIBULE_DATABASE_URL": postgres.url("crew_empty")}
    [line] = await failing(tmp_path, "--workers", "3", **on_postgres)
    assert line.startswith("Error: The database has no schema yet")


@pytest.mark.parametrize("name", ["VESTIBULE_WORKERS", "WEB_CONCURRENCY"])
async def test_sqlite_is_for_one_process(tmp_path: Path, name: str) -> None:
    [line] = await failing(tmp_path, **{name: "2"})
    assert line.startswith(f"Error: {name}: is more than 1, and SQLite is for one process")


async def test_it_has_as_many_workers_as_it_says(two: Crew) -> None:
    assert len(two.workers()) == 2
    async with two.served.client() as client:
        assert (await client.get("/readyz")).status_code == 200


def test_the_threads_that_hash_are_shared_out_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    for workers in (1, 2, 3):
        settings = Settings.load(database_url="postgresql://db.test/x", workers=workers)
        threads = Vestibule(settings).means.passwords._count
        assert threads == max(1, cores() // workers)


# --- what becomes of them ---


@pytest.mark.fault("F-32")
async def test_all_of_them_are_renewed_without_a_failed_request(two: Crew) -> None:
    async with two.under_load(80) as report:
        await two.renewed()
    assert report["failed"] == []
    assert min(report["answered"].values()) > 50
    assert report["opened"] < report["asked"], "connections were kept"


@pytest.mark.fault("F-41")
async def test_one_that_dies_is_replaced_while_the_others_serve(two: Crew) -> None:
    before = two.workers()
    os.kill(min(before), signal.SIGKILL)
    async with two.served.client() as client:
        assert (await client.get("/healthz")).status_code == 200
    await two.says("serves instead")
    assert len(two.workers()) == 2
    assert two.workers() & before == {max(before)}


async def test_settings_that_are_wrong_by_now_leave_the_old_workers_at_work(two: Crew) -> None:
    before = two.workers()
    written = two.served.errors.read_text()
    (two.folder / ".env").write_text("VESTIBULE_SESSION_IDLE=never\n")
    two.served.process.send_signal(signal.SIGHUP)
    await two.says("does not start")
    (two.folder / ".env").unlink()
    said = two.served.errors.read_text().removeprefix(written)
    assert said.count("Error: VESTIBULE_SESSION_IDLE: must be a span") == 1
    assert two.workers() == before


@pytest.mark.fault("F-41")
async def test_workers_that_crash_at_once_are_started_ever_more_slowly(tmp_path: Path) -> None:
    async with standing_in(tmp_path, "crash") as process:
        await ready(process)
        await asyncio.sleep(3)
        # Two at the start, and each place again after 0.5, 1, 2, … seconds.
        assert 4 <= len(noted(tmp_path)) <= 8
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    assert all(gone(pid) for pid in noted(tmp_path))


async def test_a_worker_that_fails_first_ends_the_start(tmp_path: Path) -> None:
    async with standing_in(tmp_path, "fail") as process:
        _, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 1
        assert b"CannotStart" in errors
    assert len(noted(tmp_path)) == 1, "the others were not even tried"


# --- the stop ---


async def test_a_stop_ends_all_of_them(tmp_path: Path) -> None:
    async with standing_in(tmp_path, "serve") as process:
        await ready(process)
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
    assert len(noted(tmp_path)) == 2
    assert all(gone(pid) for pid in noted(tmp_path))


async def test_a_second_signal_kills_those_that_do_not_end(tmp_path: Path) -> None:
    async with standing_in(tmp_path, "hang") as process:
        await ready(process)
        begun = time.monotonic()
        process.terminate()
        await asyncio.sleep(0.5)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE) == 0
        assert time.monotonic() - begun < 8, "before the grace was over"
    assert all(gone(pid) for pid in noted(tmp_path))


async def test_workers_do_not_outlive_their_supervisor(
    tmp_path: Path, postgres: Server, postgres_template: str
) -> None:
    async with manning(tmp_path, postgres, postgres_template, count=2) as made:
        workers = made.workers()
        made.served.process.kill()
        try:
            await made.until(lambda: all(gone(pid) for pid in workers))
        finally:
            for pid in workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await made.served.process.wait()  # it waits for those who write where it wrote
        async with made.served.client() as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("/healthz")
