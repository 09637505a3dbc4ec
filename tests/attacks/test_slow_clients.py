"""Clients that take their time: each is closed by a time-out while everybody else is served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import h2.connection
import h2.events
import h2.settings
import httpx
import pytest
from hypercorn.typing import ASGIFramework

from tests.faults.fleet import descriptors
from tests.processes import Served, serving
from vestibule.connections import Connections
from vestibule.server import Message, Receive, Send, listen

PATIENCE = 30
IDLE = 2
HEAD = b"Host: localhost\r\n"


@pytest.fixture(scope="module")
async def hurried(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A server that waits for nobody longer than two seconds, with room for 300 clients."""
    settings = {"VESTIBULE_IDLE_TIMEOUT": str(IDLE), "VESTIBULE_CONNECTIONS": "300"}
    async with serving(tmp_path_factory.mktemp("hurried"), **settings) as running:
        yield running


def port(served: Served) -> int:
    found = httpx.URL(served.base_url).port
    assert found is not None
    return found


async def drip(port: int, first: bytes, drops: bytes) -> bool:
    """Send `first` at once and the rest byte by byte; return whether the server closed it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(first)
        async with asyncio.timeout(PATIENCE):
            gone = asyncio.create_task(reader.read())
            for drop in drops:
                writer.write(bytes([drop]))
                await asyncio.wait({gone}, timeout=0.25)
                if gone.done():
                    break
            await gone
    except ConnectionError:
        pass
    finally:
        writer.close()
    return True


async def silent(port: int) -> bool:
    return await drip(port, b"", b"")


async def head_by_byte(port: int) -> bool:
    return await drip(port, b"GET /healthz HTTP/1.1\r\n" + HEAD + b"X-Slow: ", b"x" * 1000)


async def body_by_byte(port: int) -> bool:
    length = b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    return await drip(port, b"POST /v1/login HTTP/1.1\r\n" + HEAD + length, b"x" * 999)


async def kept_alive(port: int) -> bool:
    return await drip(port, b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n", b"")


async def http2_by_ping(port: int) -> bool:
    """Speak HTTP/2, and never ask for anything but a sign of life."""
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.ping(b"12345678")
    first = client.data_to_send()
    client.ping(b"12345678")
    return await drip(port, first, client.data_to_send() * 50)


WAYS: tuple[Callable[[int], Awaitable[bool]], ...] = (
    silent,
    head_by_byte,
    body_by_byte,
    kept_alive,
    http2_by_ping,
)


@pytest.mark.fault("F-15")
async def test_slow_clients_are_closed_and_everybody_else_is_served(hurried: Served) -> None:
    slow = [asyncio.ensure_future(way(port(hurried))) for way in WAYS for _ in range(40)]
    async with hurried.client() as client:
        while not all(each.done() for each in slow):
            assert (await client.get("/healthz")).status_code == 200
            await asyncio.sleep(0.1)
    assert all(each.result() for each in slow)


@pytest.mark.fault("F-15")
async def test_who_reads_nothing_is_cut_off(hurried: Served) -> None:
    """It asks for more than fits on the way, and takes nothing of it."""
    request = b"GET /openapi.json HTTP/1.1\r\n" + HEAD + b"\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", port(hurried), limit=1)
    async with asyncio.timeout(PATIENCE):
        while not writer.transport.is_closing():
            writer.write(request * 20)
            with suppress(ConnectionError):
                await writer.drain()
            await asyncio.sleep(0.05)
    assert "Traceback" not in hurried.errors.read_text()


@pytest.mark.fault("F-15")
async def test_who_comes_when_there_are_too_many_is_told_to_come_again(hurried: Served) -> None:
    lines = [await asyncio.open_connection("127.0.0.1", port(hurried)) for _ in range(300)]
    try:
        async with hurried.client() as client:
            full = await client.get("/healthz")
            assert full.status_code == 503
            assert full.headers["retry-after"] == "1"
            async with asyncio.timeout(PATIENCE):
                while (await client.get("/healthz")).status_code != 200:
                    await asyncio.sleep(0.2)
    finally:
        for _, writer in lines:
            writer.close()


@asynccontextmanager
async def left_alone(
    app: Callable[[Message, Receive, Send], Awaitable[None]], *, idle: float = 3600
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """One client of `app`, who leaves at the end: then nothing of the connection is left either."""
    listener = listen("127.0.0.1", 0)
    connections = Connections(cast(ASGIFramework, app), idle=idle, most=100)
    await connections.accept(listener)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    yield reader, writer
    writer.close()
    await connections.refuse_newcomers()
    async with asyncio.timeout(PATIENCE):
        await connections.wait(2 * PATIENCE)


@pytest.mark.fault("F-12")
@pytest.mark.parametrize("pieces", [8, 8000])
async def test_a_body_that_nobody_reads_holds_no_connection(pieces: int) -> None:
    """The app answers at once and takes in nothing of what is sent."""

    async def answers(scope: Message, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with left_alone(answers) as (reader, writer):
        head = b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        writer.write(head + b"1\r\nx\r\n" * pieces)
        assert (await reader.read()).startswith(b"HTTP/1.1 404")


@pytest.mark.fault("F-12")
async def test_who_has_left_holds_nothing_until_a_time_out(tmp_path: Path) -> None:
    """A closed connection is put away at once, whichever protocol it spoke, not when it is idle."""
    request = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    async with serving(tmp_path, VESTIBULE_IDLE_TIMEOUT="3600") as served:
        before = descriptors(served.process.pid)
        for sent in (request, preface) * 25:
            reader, writer = await asyncio.open_connection("127.0.0.1", port(served))
            writer.write(sent)
            assert await reader.read(20)
            writer.close()
        async with asyncio.timeout(PATIENCE):
            while descriptors(served.process.pid) > before + 5:
                await asyncio.sleep(0.05)


async def until(
    wanted: type[h2.events.Event], client: h2.connection.H2Connection, reader: asyncio.StreamReader
) -> None:
    """Read what comes until there is such an event."""
    async with asyncio.timeout(PATIENCE):
        while came := await reader.read(1000):
            if any(isinstance(each, wanted) for each in client.receive_data(came)):
                return
    raise AssertionError("the connection was closed")


@pytest.mark.fault("F-12")
async def test_an_http2_client_that_makes_no_room_and_leaves_holds_nothing() -> None:
    """Its answer waits for it no longer, although the app does not listen whether it is there."""

    async def answers(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
    asked = [(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "x")]
    client.send_headers(1, asked, end_stream=True)
    async with left_alone(answers) as (reader, writer):
        writer.write(client.data_to_send())
        await until(h2.events.ResponseReceived, client, reader)


@pytest.mark.fault("F-15")
async def test_a_request_that_is_upgraded_to_http2_is_not_idle() -> None:
    async def answers(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    client = h2.connection.H2Connection()
    settings = client.initiate_upgrade_connection()
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
    async with left_alone(answers, idle=0.2) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" + HEAD + upgrade + (settings or b"") + b"\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(client.data_to_send())
        await until(h2.events.StreamEnded, client, reader)
