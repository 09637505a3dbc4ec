"""Connections that granian reads and writes, in place of hypercorn: faster, and with fewer ends.

Imported only where it is asked for: it needs the extra `granian`. What it cannot promise stands in
`docs/operating.md`. It serves in threads of its own, which hand requests to our loop, so start,
signals, log and exit stay ours.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast  # Any: as ASGI defines them

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.net import SocketHolder
from granian.server.embed import Server

from vestibule.connections import BACKLOG, HEADER_LIMIT

_STARTS = 0.05  # seconds in which it fails, if it fails at all
_SPARE = 1.0  # seconds in which those who were cut off are put away


class Connections:
    """All connections of one listening socket in this process."""

    def __init__(self, app: Callable[..., Awaitable[None]], *, idle: float, most: int) -> None:
        """Serve `app`.

        Args:
            idle: seconds until a connection without the whole head of a request is closed.
            most: connections at once; who comes after that waits at the door.
        """
        self._app = app
        self._idle = idle
        self._most = most
        self._under_way: set[asyncio.Task[None]] = set()

    async def accept(self, listener: socket.socket) -> None:
        """Let clients in; the socket is ours to close from now on."""
        self._server = _Server(self._answer, listener, idle=self._idle, most=self._most)
        self._serving = asyncio.create_task(self._server.serve())
        done, _ = await asyncio.wait({self._serving}, timeout=_STARTS)
        if done:
            self._serving.result()

    async def refuse_newcomers(self) -> None:
        """Close the door and what is idle; requests under way go on."""
        self._server.stop()

    async def wait(self, seconds: float) -> None:
        """Wait until nobody is connected any more, so long at most."""
        await asyncio.wait({self._serving}, timeout=seconds)

    async def finish(self, grace: float) -> None:
        """Wait for requests under way, and cut off what is left."""
        await self.wait(grace)
        for task in self._under_way:
            task.cancel()
        await self.wait(_SPARE)
        if not self._serving.done():  # it waits for clients, and tells a loop that has left
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._under_way.add(task)
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way.discard(task)


class _Server(Server):  # type: ignore[misc]  # it has no types
    """One worker, in this process and this loop, on a socket that is bound already."""

    def __init__(self, app: Any, listener: socket.socket, *, idle: float, most: int) -> None:
        super().__init__(
            target=app,
            interface=Interfaces.ASGINL,  # the app is started and stopped by us
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=most,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(idle * 1000), max_buffer_size=HEADER_LIMIT
            ),
            log_level=LogLevels.error,
        )
        said = logging.getLogger("_granian")
        said.handlers.clear()  # ours write it
        said.propagate = True
        logging.getLogger("_granian.utils").addFilter(_is_news)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # It closes what it was given, so it is given all of it.
        fd, is_a_path = self._listener.detach(), False
        self._ssp, self._shd = None, SocketHolder(fd, is_a_path, BACKLOG)


def _is_news(record: logging.LogRecord) -> bool:
    """Tell whether a line is more than that a request was cut off on purpose, at a stop."""
    return not record.getMessage().rstrip().endswith("CancelledError:")
