"""What a log-in storm does to everybody else: `python bench/storm.py`, `--peers` beside others.

While 64 clients log in without pause for 10 s, one more asks again and again who it is. Told are
the 99th percentile of its waits at rest and in the storm, the log-ins a second beside what the bare
Argon2 call reaches with the same parameters on the same cores, and the memory that the storm costs.
Load and service share the machine, so compare figures of one run only.
"""

import argparse
import asyncio
import re
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from argon2 import PasswordHasher

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP)]

from bench import peers  # noqa: E402 - the checkout is no package
from tests.postgres import server  # noqa: E402
from tests.processes import serving  # noqa: E402
from vestibule.kernel import migrations  # noqa: E402
from vestibule.kernel.cores import cores  # noqa: E402
from vestibule.kernel.database import Database  # noqa: E402
from vestibule.kernel.passwords import STANDARD  # noqa: E402

CLIENTS = 64
PASSWORD = "correct horse battery staple"
MIB = 1 << 20


class Hasher(Protocol):
    """What log-ins are compared with; argon2-cffi's, or one that a peer uses."""

    def hash(self, password: str) -> str: ...
    def verify(self, hash: str, password: str) -> bool: ...  # noqa: A002 - as argon2-cffi has it


@dataclass(frozen=True)
class Subject:
    """A running service, and how one speaks with it."""

    name: str
    port: int
    pid: int
    hasher: Hasher
    log_in: bytes
    who_am_i: Callable[[str], bytes]


@dataclass(frozen=True)
class Figures:
    """Waits in milliseconds, log-ins and hashes a second, memory in MiB."""

    name: str
    quiet_p99: float
    storm_p99: float
    log_ins: float
    refused: int
    broken: int  # requests answered with a fault of the service's
    bare: float
    grown: float

    def __str__(self) -> str:
        return (
            f"{self.name:<26} who-am-I p99 {self.quiet_p99:7.1f} ms at rest, "
            f"{self.storm_p99:8.1f} ms in the storm ({self.storm_p99 / self.quiet_p99:6.1f} x); "
            f"log-ins {self.log_ins:5.1f}/s of {self.bare:5.1f} bare "
            f"({self.log_ins / self.bare:.0%}), {self.refused} refused, "
            f"{self.broken} broken; {self.grown:+6.1f} MiB"
        )


class Connection:
    """A keep-alive connection that sends bytes made before, so that asking costs little."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, str]:
        """Send `request`; return the status and the headers."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?i)content-length: *(\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        if re.search(r"(?i)connection: *close", head):
            self.close()
        return int(head[9:12]), head

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Storm:
    """Clients that log in without pause, and what they got."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self.entered = self.refused = self.broken = 0
        self._blowing = True
        self._clients = [asyncio.create_task(self._log_in()) for _ in range(CLIENTS)]

    async def _log_in(self) -> None:
        door = Connection(self._subject.port)
        while self._blowing:
            status, _ = await door.ask(self._subject.log_in)
            self.entered += status < 300
            self.refused += status == 503
            self.broken += status == 500
            if status >= 300 and status not in (500, 503):
                raise RuntimeError(f"{self._subject.name}: a log-in was answered {status}")
        door.close()

    async def end(self) -> None:
        self._blowing = False
        await asyncio.gather(*self._clients)


async def measure(subject: Subject, *, seconds: float = 10) -> Figures:
    """Put `subject` through a storm of so many seconds."""
    before_it = await asyncio.to_thread(bare, subject.hasher)
    door = Connection(subject.port)
    status, head = await door.ask(subject.log_in)
    if status >= 300:
        raise RuntimeError(f"{subject.name}: the log-in was answered {status}")
    asking = subject.who_am_i("; ".join(re.findall(r"(?i)set-cookie: *([^;=]+=[^;]+)", head)))
    quiet = await _waits(door, asking, seconds=seconds / 3)
    before = _memory(subject.pid)
    storm = Storm(subject)
    try:
        await asyncio.sleep(1)  # until the queue is full
        entered, start, largest = storm.entered, time.perf_counter(), before
        busy = []
        while time.perf_counter() - start < seconds:
            busy += await _waits(door, asking, seconds=0.5, storm=storm)
            largest = max(largest, _memory(subject.pid))
        entered, lasted = storm.entered - entered, time.perf_counter() - start
    finally:
        await storm.end()
        door.close()
    after_it = await asyncio.to_thread(bare, subject.hasher)
    return Figures(
        name=subject.name,
        quiet_p99=_p99(quiet) * 1e3,
        storm_p99=_p99(busy) * 1e3,
        log_ins=entered / lasted,
        refused=storm.refused,
        broken=storm.broken,
        bare=(before_it + after_it) / 2,  # the machine is not always as fast
        grown=(largest - before) / MIB,
    )


async def _waits(
    door: Connection, asking: bytes, *, seconds: float, storm: Storm | None = None
) -> list[float]:
    """Ask one after the other, a hundred times a second at most; return how long each took."""
    waits = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        status, _ = await door.ask(asking)
        waits.append(time.perf_counter() - start)
        if status == 500 and storm is not None:
            storm.broken += 1
        elif status != 200:
            raise RuntimeError(f"who-am-I was answered {status}")
        await asyncio.sleep(max(0.0, 0.01 - waits[-1]))
    return waits


def bare(hasher: Hasher, *, seconds: float = 2) -> float:
    """Return how many hashes a second a thread a core checks while it does nothing else."""
    hashed = hasher.hash(PASSWORD)
    end = time.perf_counter() + seconds

    def check(_: int) -> int:
        done = 0
        while time.perf_counter() < end:
            hasher.verify(hashed, PASSWORD)
            done += 1
        return done

    with ThreadPoolExecutor(cores()) as threads:
        start = time.perf_counter()
        return sum(threads.map(check, range(cores()))) / (time.perf_counter() - start)


def _p99(waits: list[float]) -> float:
    return statistics.quantiles(waits, n=100)[98] if len(waits) > 1 else waits[0]


def _memory(pid: int) -> int:
    """Return the bytes that the process holds in memory."""
    pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    return int(pages) * 4096


@asynccontextmanager
async def vestibule(name: str, folder: Path, **variables: str) -> AsyncIterator[Subject]:
    """Serve with its defaults, but for limits that would stop the storm."""
    async with serving(folder, **variables) as served:
        await served.open_account("ada", PASSWORD)
        port = int(served.base_url.rpartition(":")[2])
        body = f'{{"identifier": "ada", "password": "{PASSWORD}"}}'
        yield Subject(
            name=name,
            port=port,
            pid=served.process.pid,
            hasher=STANDARD,
            log_in=request("POST /v1/login", port, body, "application/json"),
            who_am_i=lambda cookie: request("GET /v1/me", port, cookie=cookie),
        )


def request(
    line: str, port: int, body: str = "", media_type: str = "", *, cookie: str = ""
) -> bytes:
    """Return the bytes of a request, as a page of the service's own origin would send it."""
    headers = [f"{line} HTTP/1.1", f"Host: localhost:{port}", f"Origin: http://localhost:{port}"]
    headers += [f"Cookie: {cookie}"] if cookie else []
    headers += [f"Content-Type: {media_type}"] if media_type else []
    headers += [f"Content-Length: {len(body)}"] if body else []
    return ("\r\n".join(headers) + "\r\n\r\n" + body).encode()


async def on_postgresql(name: str, folder: Path) -> AsyncIterator[Figures]:
    with server() as running:
        running.create("storm")
        database = Database(running.url("storm"))
        await migrations.upgrade(database)
        await database.close()
        url = running.url("storm")
        async with vestibule(name, folder, VESTIBULE_DATABASE_URL=url) as subject:
            yield await measure(subject)


async def on_fastapi_users(name: str) -> AsyncIterator[Figures]:
    """Put fastapi-users through the same storm, with its own defaults."""
    async with peers.fastapi_users(PASSWORD) as (port, pid):
        form = f"username=user0%40example.org&password={PASSWORD.replace(' ', '+')}"
        subject = Subject(
            name=name,
            port=port,
            pid=pid,
            hasher=PasswordHasher(),
            log_in=request("POST /auth/login", port, form, "application/x-www-form-urlencoded"),
            who_am_i=lambda cookie: request("GET /users/me", port, cookie=cookie),
        )
        yield await measure(subject)


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--peers", action="store_true", help="fastapi-users too")
    chosen = arguments.parse_args()
    with TemporaryDirectory() as folder:
        place = Path(folder)
        async with vestibule("Vestibule, SQLite", place) as subject:
            print(await measure(subject), flush=True)
    with TemporaryDirectory() as folder:
        async for figures in on_postgresql("Vestibule, PostgreSQL", Path(folder)):
            print(figures, flush=True)
    if chosen.peers:
        async for figures in on_fastapi_users("fastapi-users, SQLite"):
            print(figures, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
