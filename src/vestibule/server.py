"""Serving: an honest start, and a stop that ends.

What a stop looks like from outside stands in `docs/operating.md`.
"""

import asyncio
import errno
import gc
import logging
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Protocol, cast

from quart import Quart

from vestibule.connections import BACKLOG, Connections
from vestibule.kernel.errors import CannotStart
from vestibule.stopping import STOPS, on_stop

# Together below the ten seconds after which container managers kill.
GOODBYE = 0.5  # seconds in which those who are connected are still served, and told to leave
GRACE = 5.0  # seconds that requests under way may then take
_CLOSING = 3.0  # seconds for letters under way and the database
_SPARE = 1.0  # seconds until what is still there, a thread perhaps, is left behind

# Who goes because a successor serves already has time for every client that comes back at all.
_UNHURRIED = 2.0

# Seconds after which a process that was told to stop is gone, in a hurry and without one.
GONE = GOODBYE + GRACE + _CLOSING + _SPARE
GONE_UNHURRIED = _UNHURRIED + GRACE + _CLOSING + _SPARE

IDLE = 30.0  # seconds that a connection may rest
MOST = 4096  # connections at once
_FILES = 100  # descriptors that are not connections of clients

log = logging.getLogger("vestibule")

Message = MutableMapping[str, Any]  # Any: as ASGI defines them
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Door(Protocol):
    """Connections of clients, whoever reads and writes them."""

    async def accept(self, listener: socket.socket) -> None: ...
    async def refuse_newcomers(self) -> None: ...
    async def wait(self, seconds: float) -> None: ...
    async def finish(self, grace: float) -> None: ...


class Opening(Protocol):
    """What makes a door before `app`, of `most` connections that rest for `idle` seconds."""

    # Any: hypercorn writes the types of ASGI otherwise than others.

    def __call__(self, app: Any, /, *, idle: float, most: int) -> Door: ...


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that a port in use is known at once.

    Raises:
        CannotStart: the address is taken, or is none of this machine's.
    """
    listener = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        # By name: asyncio spares only sockets of TCP the wait for more to send with an answer.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        if listener is not None:
            listener.close()
        why = getattr(error, "strerror", None) or "no such name"
        taken = getattr(error, "errno", None) == errno.EADDRINUSE
        advice = f"; choose another, for example PORT={port % 65_535 + 1}" if taken else ""
        raise CannotStart(f"HOST, PORT: cannot listen on {host}:{port} ({why}){advice}") from None
    return listener


async def run(
    app: Quart,
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    goodbye: float = GOODBYE,
    grace: float = GRACE,
    idle: float = IDLE,
    most: int = MOST,
    opening: Opening = Connections,
) -> None:
    """Serve `app` until SIGTERM or SIGINT; a second signal ends the process at once.

    SIGHUP is for a process that has a successor: it stops as well, with more time for those who are
    connected.

    Args:
        ready: called once requests are answered.
        goodbye: seconds in which idle connections are not closed yet, only told to.
        grace: seconds that requests under way get after that.
        idle: seconds that a connection without a complete request stays open.
        most: connections at once, as far as this process may open so many files.
        opening: who reads and writes them.

    Raises:
        CannotStart: the app refused to start.
    """
    asked: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().set_exception_handler(_report)
    stop = goodbye + grace + _CLOSING + _SPARE
    unhurried = stop - goodbye + _UNHURRIED
    on_stop(asked.set_result, within=dict.fromkeys(STOPS, stop) | {signal.SIGHUP: unhurried})
    try:
        if await _unless(asked, app.startup()):
            front = _Front(app)
            connections = opening(front, idle=idle, most=min(most, _files() - _FILES))
            await connections.accept(listener)
            gc.freeze()  # what a start makes stays, and is no garbage to look for in between
            ready()
            hurried = await asked is not signal.SIGHUP
            front.leaving = True
            await connections.refuse_newcomers()
            await connections.wait(goodbye if hurried else _UNHURRIED)
            await connections.finish(grace)
    finally:
        listener.close()
        # In a task of its own: it is bounded even if something in it cannot be cancelled.
        closing = asyncio.create_task(app.shutdown())
        await asyncio.wait({closing}, timeout=_CLOSING)
        if not closing.done():
            log.warning("stopped before everything was put away")
        elif error := closing.exception():
            log.error("the app could not be stopped properly", exc_info=error)


async def _unless(asked: asyncio.Future[signal.Signals], work: Awaitable[None]) -> bool:
    """Return whether `work` was done before a stop was asked for; drop it otherwise."""
    working = asyncio.ensure_future(work)
    waiting: set[asyncio.Future[Any]] = {working, asked}  # Any: what they hold is not looked at
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        working.result()
        return True
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return False


def _files() -> int:
    """Return how many files, and so connections, this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else MOST + _FILES


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # Any: asyncio's
    # Python 3.11 takes it for a fault that a connection was cut off on purpose.
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


class _Front:
    """ASGI middleware: what HTTP/1 asks of a server, and hypercorn leaves to others.

    A request whose end two headers tell differently is refused with its connection: what a proxy in
    front took for its body must not be answered as the next request. RFC 9112, 6.1. So is CONNECT.
    Once we are leaving, clients are asked to close their connections.
    """

    def __init__(self, app: Quart) -> None:
        self._app = cast(App, app)
        self.leaving = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["http_version"].startswith("1"):
            await self._app(scope, receive, send)
            return
        refused = _is_ambiguous(scope)

        async def out(message: Message) -> None:
            if message["type"] == "http.response.start" and (refused or self.leaving):
                headers = [*message["headers"], (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await (_refuse if refused else self._app)(scope, receive, out)


def _is_ambiguous(scope: Message) -> bool:
    names = {name.lower() for name, _ in scope["headers"]}
    return scope["method"] == "CONNECT" or {b"content-length", b"transfer-encoding"} <= names


async def _refuse(_scope: Message, _receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
