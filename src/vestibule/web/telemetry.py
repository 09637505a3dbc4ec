"""A log line, a number and, where it is wanted, a span for every request of the service.

They tell the route, never the path: a path may hold a token, and a query string does. They stand
around the whole app, so that requests which are refused, cut off or fail are told as well.
"""

import asyncio
import logging
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import structlog
from quart import Quart, request

from vestibule.extension import Vestibule, current_vestibule
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.settings import variable
from vestibule.web import network
from vestibule.web.arrival import ASGI
from vestibule.web.seen import KEY, Seen, seen

if TYPE_CHECKING:  # an extra: imported where it is switched on
    from vestibule.web.tracing import Tracing


log = logging.getLogger("vestibule.requests")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER = "other"  # a caller may write anything there
_ABORTED = "aborted"  # whoever asked hung up before there was an answer


def attach(app: Quart, vestibule: Vestibule) -> "Telling":
    """Return the ASGI app that tells of every request of `app`.

    Raises:
        CannotStart: traces are wanted, and cannot be made.
    """
    traces = _tracing() if vestibule.settings.otel else None
    if traces is not None:
        app.after_serving(traces.stop)
    return Telling(app.asgi_app, vestibule, traces)


async def note() -> None:
    """Note which route a request met, before anything may refuse it."""
    known = seen()
    known.route = request.url_rule.rule if request.url_rule else None
    if current_vestibule().settings.log_addresses:
        known.address = network.client_address()


def _tracing() -> "Tracing":
    from vestibule.web import tracing  # noqa: PLC0415 - the settings saw to it that it is there

    try:
        return tracing.start()
    except ValueError as error:
        problem = f"{variable('otel')}: one of the OTEL_* variables is wrong ({error})"
        raise CannotStart(problem) from None


class Telling:
    """ASGI middleware around the service."""

    def __init__(self, app: ASGI, vestibule: Vestibule, traces: "Tracing | None") -> None:
        self._app = app
        self._metrics = vestibule.means.metrics
        self._traces = traces

    def also(self, app: Quart, vestibule: Vestibule) -> "Telling":
        """Return what tells of the requests of a further app, in the same way."""
        return Telling(app.asgi_app, vestibule, self._traces)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # Any: as ASGI has them
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = scope[KEY] = Seen()
        method = scope["method"] if scope["method"] in _METHODS else _OTHER
        status: int | None = None

        async def out(message: Any) -> None:  # Any: the same
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        with (
            structlog.contextvars.bound_contextvars(request_id=known.request_id),
            self._traces.span(scope, method) if self._traces else nullcontext() as span,
        ):
            try:
                await self._app(scope, receive, out)
            except asyncio.CancelledError:
                raise
            except BaseException:
                status = status or 500  # the server answers so in our place
                raise
            finally:
                took = time.perf_counter() - began
                if self._traces is not None and span is not None:
                    self._traces.tell(span, known, method, status)
                self._tell(known, method, status, took)

    def _tell(self, known: Seen, method: str, status: int | None, took: float) -> None:
        kind = f"{status // 100}xx" if status else _ABORTED
        self._metrics.answered(method, known.route or "none", kind, took)
        if not log.isEnabledFor(logging.INFO):
            return
        told = {
            "method": method,
            "route": known.route,
            "status": status,
            "ms": round(took * 1000, 1),
        }
        if known.account_id is not None:
            told["account_id"] = str(known.account_id)
        if known.address is not None:
            told["address"] = known.address
        log.info("request", extra=told)
