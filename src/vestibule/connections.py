"""Connections, each with an end: hypercorn reads and writes them, and here is the clock.

hypercorn's own time-outs begin anew with every byte that comes, and it waits for ever for a client
that does not read. It is told neither how many connections there may be, nor to stop accepting
before it stops serving.
"""

import asyncio
import logging
import select
import socket
from collections.abc import Awaitable
from contextlib import suppress
from typing import cast

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.typing import ASGIFramework
from hypercorn.utils import wrap_app

BACKLOG = 1024  # who waits at the door while everybody is busy
_AT_ONCE = 16  # taken in by one process before others have their turn
HEADER_LIMIT = 16 * 1024
_STREAMS = 100  # requests under way on one HTTP/2 connection
_SILENT = 30.0  # seconds in which a client that we wait for sends nothing
_UNREAD = 10.0  # seconds in which a client takes nothing of what it asked for
_SMALL = 16 * 1024  # bytes of an answer that go together
_SPARE = 1.0  # seconds in which those who were cut off are put away
_TURNS = 100  # of the loop, in which those who are at the door already come in
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)
# HTTP/2's "leave, and finish what you began": of all streams, no error. RFC 9113, 6.8.
_GO_AWAY = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00"

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


class Connection(TCPServer):
    """One connection, in HTTP/1.1 or HTTP/2."""

    _speaks_http2 = False
    _left = False
    _gathered = b""

    def ask_to_leave(self) -> None:
        """Tell an HTTP/2 client to send no further request here; HTTP/1 is told in an answer."""
        if self._speaks_http2:
            self.writer.write(_GO_AWAY)

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            if not (self._left and isinstance(event, Updated)):
                await super().protocol_send(event)
            return
        if self._gathers(event.data):
            return
        self._write_gathered()
        try:
            async with asyncio.timeout(_UNREAD):
                await super().protocol_send(event)
        except TimeoutError:
            self.writer.transport.abort()
            await self.protocol.handle(Closed())
        if not self._speaks_http2 and isinstance(self.protocol.protocol, H2Protocol):
            self._speaks_http2 = True
            self.protocol.protocol.streams = _Streams()
            # hypercorn takes the preface for a request and stops the clock, which ran for an idle
            # client: one who never asks for anything would stay.
            await self.idle_task.restart(self._task_group, self._idle_timeout)

    def _gathers(self, data: bytes) -> bool:
        """Keep a small piece until this turn of the loop ends: headers and body go together.

        Only where nothing waits to be sent, so that nobody has to be waited for.
        """
        waiting = self.writer.transport.get_write_buffer_size()
        if waiting or len(self._gathered) + len(data) > _SMALL:
            return False
        if not isinstance(self.protocol.protocol, H11Protocol):
            return False
        if not self._gathered:
            self.loop.call_soon(self._write_gathered)
        self._gathered += data
        return True

    def _write_gathered(self) -> None:
        data, self._gathered = self._gathered, b""
        if data:
            with suppress(RuntimeError):  # closed meanwhile
                self.writer.write(data)

    async def _read_data(self) -> None:
        await super()._read_data()
        # hypercorn would wait out the idle time, with all that the connection holds, for somebody
        # who has left.
        self._left = True
        await self.idle_task.stop()

    async def _close(self) -> None:
        self._write_gathered()
        cut_off = self.loop.call_later(_UNREAD, self.writer.transport.abort)
        try:
            await super()._close()
        finally:
            cut_off.cancel()


class _Streams(dict[int, HTTPStream | WSStream]):
    """The requests under way on one connection.

    What comes for one that is over, the rest of a body that was too long, is nobody's: hypercorn
    would end the connection, and with it everybody's requests that a proxy sends over it.
    """

    def __missing__(self, stream: int) -> HTTPStream:
        return cast(HTTPStream, _Over())


class _Over:
    async def handle(self, event: object) -> None:
        pass


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
