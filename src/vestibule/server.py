"""Serving with hypercorn: an honest start, and a stop that ends.

A failed start exits 1 (hypercorn's own command exits 0 with workers), and a stop waits for requests
under way but never for a client that keeps half a body to itself. Read together with
`docs/operating.md`.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from quart import Quart

from vestibule.kernel.errors import CannotStart

GRACE = 10.0  # seconds that requests under way may take once a stop is asked for
_GOODBYE = 0.5  # seconds in which keep-alive clients are told to leave
_HEADER_LIMIT = 16 * 1024

Message = MutableMapping[str, Any]  # Any: as ASGI defines them
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Leaving:
    """ASGI middleware: once we are leaving, ask HTTP/1 clients to close their connections."""

    def __init__(self, app: Quart) -> None:
        self._app = cast(App, app)
        self.leaving = False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def out(message: Message) -> None:
            last = self.leaving and scope["http_version"].startswith("1")
            if last and message["type"] == "http.response.start":
                headers = [*message["headers"], (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, out if scope["type"] == "http" else send)


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that a port in use is known at once.

    Raises:
        CannotStart: the address is taken, or is none of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        raise CannotStart(
            f"HOST, PORT: cannot listen on {host}:{port} ({error.strerror})"
        ) from None
    return listener


async def run(app: Quart, listener: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve `app` until SIGTERM or SIGINT; a second signal ends at once.

    Raises:
        CannotStart: the app refused to start.
    """
    asked, stop = asyncio.Event(), asyncio.Event()
    app.before_serving(_announce(asked, ready))
    leaving = Leaving(app)
    loop = asyncio.get_running_loop()
    on_signal(lambda: stop.set() if asked.is_set() else asked.set())

    async def wind_down() -> None:
        await asked.wait()
        leaving.leaving = True
        loop.remove_reader(listener.fileno())  # others may inherit the socket: do not close it
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _GOODBYE)
        stop.set()

    winding = asyncio.create_task(wind_down())
    serving = asyncio.create_task(
        serve(cast(ASGIFramework, leaving), _config(listener), shutdown_trigger=stop.wait)
    )
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        # Past its own graceful time-out hypercorn waits for open connections for ever.
        await asyncio.wait({serving}, timeout=GRACE + 1)
    for task in (winding, stopping):
        task.cancel()
    if serving.done():
        _raise_start(serving)
        return
    serving.cancel()
    await asyncio.wait({serving}, timeout=2)
    await app.shutdown()  # what the lifespan would have done


def on_signal(act: Callable[[], None]) -> None:
    """Have `act` called at every SIGTERM and SIGINT, instead of what Python would do."""
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, act)


def _config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.graceful_timeout = GRACE
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = None
    config.read_timeout = 30
    config.keep_alive_timeout = 30
    config.keep_alive_max_requests = 1_000_000
    config.h11_max_incomplete_size = _HEADER_LIMIT
    return config


def _announce(asked: asyncio.Event, ready: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def announce() -> None:
        if not asked.is_set():
            ready()

    return announce


def _raise_start(serving: asyncio.Task[None]) -> None:
    error = serving.exception()
    while error is not None:
        if isinstance(error, CannotStart):
            raise error from None
        error = error.__cause__ or error.__context__
    serving.result()
