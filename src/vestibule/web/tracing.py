"""Spans of requests, by OpenTelemetry: what they hold is listed here, and nothing else.

Imported only where traces are wanted: it needs the extra `otel`. The instrumentation that others
use writes whole URLs, and ours may hold tokens. The provider is our own and not the process': two
apps, or a host that traces as well, do not meet.
"""

import asyncio
import threading
from contextlib import AbstractContextManager, suppress
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from vestibule.web.seen import Seen

_LAST_CALL = 1.5  # seconds that spans have at a stop
_FAULT = 500
_SENT_ALONG = (b"traceparent", b"tracestate")


class Tracing:
    """The spans of one app, handed to `provider`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("vestibule")

    def span(self, scope: Any, method: str) -> AbstractContextManager[Span]:  # Any: ASGI's scope
        """Begin the span of a request, as part of the trace that its sender names."""
        sent = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name in _SENT_ALONG
        }
        # No exception is recorded: what it says may be what somebody sent.
        return self._tracer.start_as_current_span(
            method,
            context=TraceContextTextMapPropagator().extract(sent),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        )

    def tell(self, span: Span, known: Seen, method: str, status: int | None) -> None:
        """Write into a span what is known at the end."""
        span.set_attribute("http.request.method", method)
        span.set_attribute("vestibule.request_id", known.request_id)
        if known.route is not None:
            span.update_name(f"{method} {known.route}")
            span.set_attribute("http.route", known.route)
        if known.account_id is not None:
            span.set_attribute("enduser.id", str(known.account_id))
        if status is not None:
            span.set_attribute("http.response.status_code", status)
            if status >= _FAULT:
                span.set_status(StatusCode.ERROR)

    async def stop(self) -> None:
        """Export what is left, if the collector takes it in time."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        # A thread that nobody waits for at the end of the process, should the collector hang.
        threading.Thread(target=shut_down, name="vestibule-traces", daemon=True).start()
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), _LAST_CALL)


def start() -> Tracing:
    """Return what traces requests to where the OTEL_* variables say.

    Raises:
        ValueError: one of them is wrong.
    """
    named = Resource({SERVICE_NAME: "vestibule"}).merge(OTELResourceDetector().detect())
    # Not at exit: it would wait there for a collector that is away.
    provider = TracerProvider(resource=named, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
