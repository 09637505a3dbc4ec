"""Two servers on one PostgreSQL; what `there` listens by goes through a proxy."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.test_database import through
from tests.postgres import Server
from tests.proxy import Proxy, proxy, socket_of
from tests.world import Client, World
from vestibule.sessions.feed import NAME

A_SECOND = 1.0  # after which every server knows


@dataclass(frozen=True)
class Two:
    here: World
    there: World
    proxy: Proxy

    async def listening(self) -> None:
        await asyncio.gather(listening(self.here), listening(self.there))


async def listening(world: World) -> None:
    """Wait until a server believes what it remembers."""
    async with asyncio.timeout(20):
        while not world.vestibule.means.memory.is_trusted:
            await asyncio.sleep(0.01)


def elsewhere(client: Client, world: World) -> Client:
    """The same browser at another server."""
    other = world.browser()
    other.cookies.update(client.cookies)
    return other


@pytest.fixture
async def two(postgres: Server, postgres_url: str, tmp_path: Path) -> AsyncIterator[Two]:
    async with proxy(socket_of(postgres.folder)) as between:
        feed_url = through(between, postgres_url)
        async with (
            World.running(postgres_url, tmp_path) as here,
            World.running(postgres_url, tmp_path, feed_url=feed_url) as there,
        ):
            made = Two(here, there, between)
            await made.listening()
            yield made


async def kill_feeds(postgres: Server) -> None:
    """End every connection that somebody listens by."""
    killing = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        f"WHERE application_name = '{NAME}'"
    )
    assert int(await asyncio.to_thread(postgres.execute, killing)) >= 2
