"""Traces: what leaves the house in them, and that nobody waits for whoever takes them."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.processes import serving
from tests.test_serve import failing
from tests.world import PASSWORD, World
from vestibule.web import tracing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """Takes what is exported by OTLP over http."""

    def __init__(self) -> None:
        self.port = 0
        self.bodies: list[bytes] = []

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    async def visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
                self.bodies.append(await reader.readexactly(int(length)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    server = await asyncio.start_server(made.visit, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


@pytest.mark.attack("A-088")
async def test_spans_of_every_request_hold_no_secret(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    monkeypatch.setattr(tracing, "OTLPSpanExporter", lambda: exporter)
    url = world.vestibule.settings.database
    async with World.running(url, tmp_path, otel=True) as traced:
        ada = await traced.member()
        token = (await traced.mails())[-1].token
        secrets = [token, PASSWORD, "hunter2", *(each.value or "" for each in ada.cookies.jar)]
        await ada.get(f"/verify-email?token={token}")
        await ada.get("/v1/me", headers={"User-Agent": "hunter2", "X-Hunter": "hunter2"})
        await ada.get("/reset-password/hunter2?a=hunter2")
        await ada.get("/nowhere/hunter2?a=hunter2")
        await ada.delete("/v1/me/sessions/hunter2")
        await ada.request("HUNTER2", "/v1/me")
        sent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "tracestate": "a=1"}
        answer = await traced.client().get("/healthz", headers=sent)
    spans = exporter.get_finished_spans()
    names = [span.name for span in spans]
    assert {
        "GET /verify-email",
        "GET /v1/me",
        "GET",
        "DELETE /v1/me/sessions/<session_id>",
        "other",
        "POST /v1/login",
    } <= set(names)
    assert len(secrets) == 5
    written = "".join(span.to_json() for span in spans)
    assert [secret for secret in secrets if secret in written] == []
    assert "127.0.0.1" not in written
    assert {name for span in spans for name in span.attributes or ()} == {
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "enduser.id",
        "vestibule.request_id",
    }
    last = spans[-1]
    assert f"{last.context.trace_id:032x}" == TRACE
    assert (last.attributes or {})["vestibule.request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.attack("A-088")
async def test_spans_are_exported_to_where_the_variables_say(tmp_path: Path) -> None:
    async with (
        collector() as taken,
        serving(
            tmp_path,
            VESTIBULE_OTEL="true",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{taken.port}",
            OTEL_SERVICE_NAME="doorman",
        ) as served,
    ):
        async with served.client() as ada:
            await ada.get("/verify-email?token=hunter2")
            await ada.get("/reset-password/hunter2")
            await ada.get("/nowhere/hunter2")
        served.process.terminate()  # what is left is exported at the stop
        await served.process.wait()
        assert [span.name for span in taken.spans] == [
            "GET /verify-email",
            "GET /reset-password/<token>",
            "GET",
        ]
        assert b"doorman" in taken.bodies[0]
        assert not [body for body in taken.bodies if b"hunter2" in body]


async def test_a_collector_that_is_away_holds_up_neither_requests_nor_the_stop(
    tmp_path: Path,
) -> None:
    async with serving(
        tmp_path, VESTIBULE_OTEL="true", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1"
    ) as served:
        async with served.client() as ada:
            assert (await ada.get("/healthz")).status_code == 200
        began = time.monotonic()
        served.process.terminate()
        assert await served.process.wait() == 0
        assert time.monotonic() - began < 9


async def test_a_start_without_the_extra_is_refused_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry/__init__.py").touch()  # as if nothing of it were installed
    variables = {"VESTIBULE_OTEL": "true", "PYTHONPATH": str(tmp_path)}
    [line] = await failing(tmp_path, **variables)
    assert line == (
        "Error: VESTIBULE_OTEL: needs what is not installed: pip install 'vestibule[otel]'"
    )


async def test_a_variable_of_opentelemetrys_that_is_wrong_is_told_in_a_line(tmp_path: Path) -> None:
    [line] = await failing(tmp_path, VESTIBULE_OTEL="true", OTEL_BSP_MAX_QUEUE_SIZE="1")
    assert line.startswith("Error: VESTIBULE_OTEL: one of the OTEL_* variables is wrong")


async def test_without_the_setting_the_extra_is_not_even_imported(tmp_path: Path) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry/__init__.py").write_text("raise SystemExit('imported')")
    async with serving(tmp_path, PYTHONPATH=str(tmp_path)) as served, served.client() as ada:
        assert (await ada.get("/healthz")).status_code == 200
