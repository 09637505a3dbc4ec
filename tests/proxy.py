"""A TCP proxy that fails on command: between the service and its database, or anybody."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Upstream = Callable[[], Awaitable[Streams]]


class Proxy:
    """Hands bytes on. What it is told holds for connections that there are and that come."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.port = 0
        self.accepted = 0
        self.delay = 0.0  # seconds before each piece is handed on
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._tasks)

    def swallow(self) -> None:
        """Take everything and hand on nothing, as a network does that drops packets."""
        self._flowing.clear()

    def flow(self) -> None:
        """Be a good proxy again. What was swallowed is gone, and so are its connections."""
        if not self._flowing.is_set():
            self.cut()
        self._flowing.set()
        self._refusing = False
        self.delay = 0.0

    def refuse(self) -> None:
        """Cut every connection, and each that comes."""
        self._refusing = True
        self.cut()

    def cut(self) -> None:
        """Reset every connection that there is."""
        for writer in self._open:
            writer.transport.abort()

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.accepted += 1
        self._open.add(writer)
        try:
            if self._refusing:
                writer.transport.abort()
                return
            await self._flowing.wait()
            behind, beyond = await self.upstream()
            self._open.add(beyond)
            try:
                await asyncio.gather(self._pass(reader, beyond), self._pass(behind, writer))
            finally:
                self._open.discard(beyond)
                beyond.transport.abort()
        except OSError:
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(65_536):
            await self._flowing.wait()
            if self.delay:
                await asyncio.sleep(self.delay)
            sink.write(piece)
            await sink.drain()
        sink.transport.abort()

    async def close(self) -> None:
        self._flowing.set()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def proxy(upstream: Upstream) -> AsyncIterator[Proxy]:
    """A proxy on a free port of loopback, in front of what `upstream` opens."""
    made = Proxy(upstream)
    listening = await asyncio.start_server(made.visit, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        listening.close()
        await made.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(listening.wait_closed(), 5)


def socket_of(folder: object) -> Upstream:
    """A PostgreSQL's socket, by the folder that it is in."""
    return lambda: asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
