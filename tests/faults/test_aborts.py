"""Clients that cut their connections at any moment: nothing stays behind."""

import asyncio
import gc
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import cast

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from sqlalchemy import select

from tests.faults.fleet import Fleet, descriptors, memory
from tests.faults.invariants import Told, violations
from tests.faults.test_letters import mailgun
from tests.faults.test_load import checked_out, lock_at_once
from tests.faults.test_outages import connections
from tests.faults.traffic import Crowd, request
from tests.mailservers import MailgunStub
from tests.postgres import Server
from tests.world import PASSWORD, World
from vestibule.accounts.models import Challenge
from vestibule.kernel.database import Database

AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(1800)]
AT_ONCE = 20


async def abort(port: int, asking: bytes, *, within: float) -> bool:
    """Send a request, whole or a part of it, and reset the connection; tell if it was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    whole = random.random() < 0.8
    writer.write(asking if whole else asking[: random.randrange(len(asking))])
    answered = False
    try:
        async with asyncio.timeout(random.uniform(0, within)):
            answered = bool(await reader.read(1))
            await asyncio.Event().wait()
    except (TimeoutError, ConnectionError):
        pass
    made = writer.get_extra_info("socket")
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, no FIN
    writer.transport.abort()
    return answered


class Hasty:
    """Clients that never wait, a few at a time."""

    def __init__(self, port: int, cookies: str, *, within: float) -> None:
        self.port, self.cookies, self.within = port, cookies, within
        self.answered = self.made = 0
        self.asked: set[str] = set()

    def _request(self) -> bytes:
        self.made += 1
        match self.made % 4:
            case 0:
                address = f"hasty{self.made}@example.org"
                self.asked.add(address)
                body = {"email": address, "password": PASSWORD}
                return request(self.port, "POST", "/v1/accounts", body)
            case 1:
                body = {"identifier": "member1", "password": PASSWORD}
                return request(self.port, "POST", "/v1/login", body)
            case _:
                return request(self.port, "GET", "/v1/me", cookies=self.cookies)

    async def hurry(self, requests: int) -> None:
        async def one_after_the_other() -> None:
            while self.made < requests:
                self.answered += await abort(self.port, self._request(), within=self.within)

        await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


@asynccontextmanager
async def listening(world: World) -> AsyncIterator[int]:
    """Serve a world's app in this process, where its tasks can be counted."""
    door = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port = door.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{door.detach()}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 1
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(cast(ASGIFramework, world.app), config, shutdown_trigger=stop.wait)
    )
    try:
        yield port
    finally:
        stop.set()
        await serving


async def settled(count: object, *, at_most: int, within: float = 10) -> int:
    """Wait until what is counted is no more than it was, and return what it is."""
    async with asyncio.timeout(within):
        while (found := count()) > at_most:  # type: ignore[operator]
            await asyncio.sleep(0.05)
    return int(found)


@pytest.mark.fault("F-12")
@pytest.mark.parametrize("requests", [80, pytest.param(10_000, marks=AT_SIZE)])
async def test_no_task_and_no_connection_outlives_who_cut_theirs(
    world: World, requests: int
) -> None:
    def tasks() -> int:
        return len(asyncio.all_tasks())

    member = await world.member()
    cookies = "; ".join(f"{name}={value}" for name, value in member.cookies.items())
    async with listening(world) as port:
        await asyncio.sleep(0.2)
        before, threads = tasks(), threading.active_count()
        hasty = Hasty(port, cookies, within=0.3)
        await hasty.hurry(requests)
        after = await settled(tasks, at_most=before)
        assert await settled(lambda: checked_out(world), at_most=0) == 0
        database = world.vestibule.means.database
        if database.is_sqlite:
            await asyncio.to_thread(lock_at_once, world.vestibule.settings.database)
        # Our own pools of threads were full before; nothing grew with the requests.
        assert threading.active_count() <= threads + 32
    print(  # noqa: T201
        f"\n  {hasty.made} requests cut off, {hasty.answered} of them answered: "
        f"{before} tasks before, {after} after; no connection held"
    )
    assert hasty.answered < hasty.made
    written = Counter(
        address
        for (address,) in await world.rows(select(Challenge.address))
        if address.startswith("hasty")
    )
    assert written.keys() <= hasty.asked
    told = Told(unheard=written, asked=Counter({"ada@example.org": 1}))
    assert await violations(world.vestibule.means.database, told) == []


@pytest.mark.fault("F-12")
@pytest.mark.parametrize("requests", [80, pytest.param(10_000, marks=AT_SIZE)])
async def test_a_server_is_as_large_after_clients_that_cut_their_connections(
    postgres: Server, database_url: str, tmp_path: Path, requests: int
) -> None:
    async with (
        MailgunStub() as provider,
        Fleet(tmp_path, 1, **mailgun(provider, database_url)) as fleet,
        AsyncExitStack() as stack,
    ):
        [served] = fleet.servers
        pid, database = served.process.pid, Database(database_url)
        crowd = stack.enter_context(closing(Crowd(fleet.ports)))
        await crowd.settle()

        async def clients() -> int:
            return 0 if database.is_sqlite else await connections(postgres, database_url)

        # A server grows to its working size first: pools, threads, caches.
        await Hasty(fleet.ports[0], crowd.cookies, within=0.4).hurry(max(100, requests // 10))
        crowd.close()
        await asyncio.sleep(1.5)
        before = descriptors(pid), await clients(), memory(pid)
        hasty = Hasty(fleet.ports[0], crowd.cookies, within=0.4)
        await hasty.hurry(requests)
        # The pool may have grown meanwhile; how far is told below.
        room = before[0] + await clients() - before[1] + 2
        await settled(lambda: descriptors(pid), at_most=room, within=40)
        after = descriptors(pid), await clients(), memory(pid)
        print(  # noqa: T201
            f"\n  {'SQLite' if database.is_sqlite else 'PostgreSQL'}: {hasty.made} requests cut "
            f"off, {hasty.answered} answered: descriptors {before[0]} → {after[0]}, connections "
            f"to the database {before[1]} → {after[1]}, memory {before[2]} → {after[2]} KiB "
            f"({after[2] / before[2] - 1:+.1%})"
        )
        assert after[1] <= 10 + 1, "a pool, and what it listens by"
        assert after[2] < before[2] * 1.05 + 4096
        assert await crowd.who_am_i() == 200
        await database.close()
    gc.collect()
