"""Serving with hypercorn: an honest start, and a stop that ends.

hypercorn alone exits 0 after a failed start, and on Python 3.12 and later waits for ever for one
client that keeps half a body to itself. So the app is started and stopped here, and hypercorn only
moves requests. What a stop looks like from outside stands in `docs/operating.md`.
"""

import asyncio
import errno
import logging
import os
import select
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, cast

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from quart import Quart

from vestibule.kernel.errors import CannotStart

# Together below the ten seconds after which container managers kill.
GOODBYE = 0.5  # seconds in which those who are connected are still served, and told to leave
GRACE = 5.0  # seconds that requests under way may then take
_CLOSING = 3.0  # seconds for letters under way and the database
_SPARE = 1.0  # seconds until what is still there, a thread perhaps, is left behind

_ECHO = 0.25  # a signal may reach us twice, from the terminal and from who started us
_TURNS = 100  # of the loop, in which those who are at the door already come in
_HEADER_LIMIT = 16 * 1024

log = logging.getLogger("vestibule")

Message = MutableMapping[str, Any]  # Any: as ASGI defines them
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def listen(host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that a port in use is known at once.

    Raises:
        CannotStart: the address is taken, or is none of this machine's.
    """
    listener = None
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(1024)
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
) -> None:
    """Serve `app` until SIGTERM or SIGINT; a second signal ends the process at once.

    Args:
        ready: called once requests are answered.
        goodbye: seconds in which idle connections are not closed yet, only told to.
        grace: seconds that requests under way get after that.

    Raises:
        CannotStart: the app refused to start.
    """
    asked = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(_report)
    on_stop(asked.set, within=goodbye + grace + _CLOSING + _SPARE)
    try:
        if await _unless(asked, app.startup()):
            ready()
            await _serve(app, listener, asked, goodbye=goodbye, grace=grace)
    finally:
        listener.close()
        # In a task of its own: it is bounded even if something in it cannot be cancelled.
        closing = asyncio.create_task(app.shutdown())
        await asyncio.wait({closing}, timeout=_CLOSING)
        if not closing.done():
            log.warning("stopped before everything was put away")
        elif error := closing.exception():
            log.error("the app could not be stopped properly", exc_info=error)


def on_stop(act: Callable[[], None], *, within: float) -> None:
    """Have `act` called at the first SIGTERM or SIGINT; the process ends `within` seconds of it.

    Signals after that one are nobody's business but the system's: they end the process.
    """
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def let_go() -> None:
        for each in signals:
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)

    def first() -> None:
        for each in signals:
            loop.add_signal_handler(each, lambda: None)
        loop.call_later(_ECHO, let_go)
        # A thread cannot be cancelled, and Python waits for it for ever: nobody else does.
        last_resort = threading.Timer(within, os._exit, (0,))
        last_resort.daemon = True
        last_resort.start()
        act()

    for each in signals:
        loop.add_signal_handler(each, first)


async def _serve(
    app: Quart, listener: socket.socket, asked: asyncio.Event, *, goodbye: float, grace: float
) -> None:
    leaving = _Leaving(app)
    stop = asyncio.Event()
    descriptor = listener.detach()  # hypercorn closes it
    config = _config(descriptor, grace)
    serving = asyncio.create_task(
        serve(cast(ASGIFramework, leaving), config, shutdown_trigger=stop.wait)
    )
    if await _unless(asked, asyncio.shield(serving)):
        return  # it never ends by itself but by failing, and that has been raised
    leaving.leaving = True
    await _refuse_newcomers(descriptor)
    await asyncio.wait({serving}, timeout=goodbye)
    stop.set()
    await asyncio.wait({serving}, timeout=grace)
    serving.cancel()
    await asyncio.wait({serving}, timeout=_SPARE)
    if serving.done() and not serving.cancelled() and (error := serving.exception()):
        log.warning("a connection ended badly while stopping: %s", type(error).__name__)


async def _unless(asked: asyncio.Event, work: Awaitable[None]) -> bool:
    """Return whether `work` was done before a stop was asked for; drop it otherwise."""
    working = asyncio.ensure_future(work)
    stopping = asyncio.create_task(asked.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        working.result()
        return True
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working
    return False


async def _refuse_newcomers(descriptor: int) -> None:
    """Close the listening socket under its number, which stays hypercorn's to close.

    At once: who is refused knows it and asks elsewhere, who is accepted late is cut off.
    """
    door = select.poll()
    door.register(descriptor, select.POLLIN)
    for _ in range(_TURNS):
        if not door.poll(0):
            break
        await asyncio.sleep(0)  # somebody is at the door already: let the loop open
    asyncio.get_running_loop().remove_reader(descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # Any: asyncio's
    # Python 3.11 takes it for a fault that a connection was cut off on purpose.
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


class _Leaving:
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

        match scope["type"]:
            case "lifespan":
                await _agree(receive, send)
            case "http":
                await self._app(scope, receive, out)
            case _:
                await self._app(scope, receive, send)


async def _agree(receive: Receive, send: Send) -> None:
    """Answer hypercorn's lifespan: whoever called it has started the app, and will stop it."""
    for _ in ("startup", "shutdown"):
        asked = await receive()
        await send({"type": f"{asked['type']}.complete"})


def _config(descriptor: int, grace: float) -> Config:
    errors = logging.getLogger("hypercorn.error")
    errors.setLevel(logging.WARNING)  # where it runs has been said, and better
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.graceful_timeout = 2 * grace  # `_serve` looks at the clock itself
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = errors
    config.read_timeout = 30
    config.keep_alive_timeout = 30
    config.keep_alive_max_requests = 1_000_000
    config.h11_max_incomplete_size = _HEADER_LIMIT
    return config
