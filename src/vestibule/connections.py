"""All connections of a process: how many there are, and how they come to an end together.

hypercorn is told neither how many there may be, nor to stop accepting before it stops serving.
"""

import asyncio
import logging
import select
import socket
from collections.abc import Awaitable
from contextlib import suppress
from typing import cast

from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from hypercorn.utils import wrap_app

from vestibule.connection import Connection

BACKLOG = 1024  # who waits at the door while everybody is busy
_AT_ONCE = 16  # taken in by one process before others have their turn
HEADER_LIMIT = 16 * 1024
_STREAMS = 100  # requests under way on one HTTP/2 connection
_SILENT = 30.0  # seconds in which a client that we wait for sends nothing
_SPARE = 1.0  # seconds in which those who were cut off are put away
_TURNS = 100  # of the loop, in which those who are at the door already come in
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)

log = logging.getLogger("vestibule")


class Connections:
    """All connections of one listening socket in this process."""

    def __init__(self, app: ASGIFramework, *, idle: float, most: int) -> None:
        """Serve `app`.

        Args:
            idle: seconds until a connection without a request under way is closed; a request whose
                headers are not complete is not under way.
            most: connections at once; who comes after that is told to come again.
        """
        self._app = wrap_app(app, 0, "asgi")
        self._config = _config(idle)
        self._most = most
        self._context = WorkerContext(None)
        self._open: dict[asyncio.Task[None], Connection] = {}

    async def accept(self, listener: socket.socket) -> None:
        """Let clients in; the socket is ours to close from now on."""
        self._listener = listener
        self._door = await asyncio.start_server(self._serve, sock=listener, backlog=_AT_ONCE)
        listener.listen(BACKLOG)  # asyncio takes one number for both

    async def refuse_newcomers(self) -> None:
        """Close the door, after those who stand in it; who is refused knows it and asks elsewhere.

        Processes that share the socket go on listening to it.
        """
        door = select.poll()
        door.register(self._listener, select.POLLIN)
        for _ in range(_TURNS):
            if not door.poll(0):
                break
            await asyncio.sleep(0)
        # Who was taken in is given a connection in a later turn, and none by a door that is closed.
        asyncio.get_running_loop().remove_reader(self._listener)
        for _ in range(3):  # turns until who has come in is known here
            await asyncio.sleep(0)
        self._door.close()
        for connection in self._open.values():
            connection.ask_to_leave()

    async def wait(self, seconds: float) -> None:
        """Wait until nobody is connected any more, so long at most."""
        if self._open:
            await asyncio.wait(set(self._open), timeout=seconds)

    async def finish(self, grace: float) -> None:
        """Close what is idle, wait for requests under way, and cut off what is left."""
        await self._context.terminated.set()
        for connection in self._open.values():
            connection.idle_task.end()
        await self.wait(grace)
        for task, connection in self._open.items():
            connection.writer.transport.abort()
            task.cancel()
        await self.wait(_SPARE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= self._most:
            await _turn_away(reader, writer)
            return
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[None]", asyncio.current_task())
        connection = Connection(self._app, loop, self._config, self._context, {}, reader, writer)
        self._open[task] = connection
        try:
            await cast(Awaitable[None], connection)
        finally:
            del self._open[task]


async def _turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(_FULL)
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(0.1):
            await reader.read(HEADER_LIMIT)  # what is not read would take the answer with it
    writer.close()


def _config(idle: float) -> Config:
    errors = logging.getLogger("hypercorn.error")
    errors.setLevel(logging.WARNING)
    config = Config()
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = errors
    config.read_timeout = max(_SILENT, idle)  # type: ignore[assignment]  # any number will do
    config.keep_alive_timeout = idle
    config.keep_alive_max_requests = 1_000_000
    config.h11_max_incomplete_size = HEADER_LIMIT
    # Of any length: a full one that nobody reads any more would hold its connection for ever. Quart
    # takes out all that comes, and keeps no more than the body limit.
    config.max_app_queue_size = 0
    config.h2_max_concurrent_streams = _STREAMS
    config.h2_max_header_list_size = HEADER_LIMIT
    return config
