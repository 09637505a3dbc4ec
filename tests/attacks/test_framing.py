"""Where one request ends and the next begins: nobody in front of us may see it otherwise."""

import asyncio
import re

import h2.connection
import h2.events
import httpx
import pytest

from tests.attacks.conftest import Wire
from tests.attacks.test_over_the_wire import is_well

LOG_IN = b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
ME = b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SECOND = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def statuses(served: Wire, sent: bytes) -> list[int]:
    """Send bytes; return the status of every answer until the server closes or rests."""
    port = httpx.URL(served.base_url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    came = b""
    try:
        writer.write(sent)
        async with asyncio.timeout(1):
            while more := await reader.read(65_536):
                came += more
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", came)]


@pytest.mark.attack("A-096")
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(LOG_IN + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n", id="both"),
        pytest.param(LOG_IN + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n", id="both-turned"),
        pytest.param(LOG_IN + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown"),
        pytest.param(LOG_IN + CHUNKED * 2 + b"\r\n0\r\n\r\n", id="chunked-twice"),
        pytest.param(LOG_IN + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", id="blank-before"),
        pytest.param(LOG_IN + b"Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n", id="odd-name"),
        pytest.param(LOG_IN + b"Content-Length: 2\r\nContent-Length: 9\r\n\r\n{}", id="lengths"),
        pytest.param(LOG_IN + b"Content-Length: 2, 9\r\n\r\n{}", id="list-of-lengths"),
        pytest.param(LOG_IN + b"Content-Length: +2\r\n\r\n{}", id="plus"),
        pytest.param(LOG_IN + b"Content-Length: -2\r\n\r\n{}", id="minus"),
        pytest.param(LOG_IN + b"Content-Length: 0x2\r\n\r\n{}", id="hexadecimal"),
        pytest.param(LOG_IN + CHUNKED + b"\r\n" + b"f" * 25 + b"\r\n{}", id="huge-chunk"),
        pytest.param(LOG_IN + CHUNKED + b"\r\n2\r\n{}XX0\r\n\r\n", id="chunk-without-end"),
        pytest.param(LOG_IN + CHUNKED + b"\r\n2\n{}\n0\n\n", id="chunk-with-bare-lf"),
        pytest.param(
            LOG_IN.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n", id="chunked-in-1.0"
        ),
        pytest.param(b"CONNECT victim.test:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", id="connect"),
        pytest.param(ME + b"X-Nul: a\x00b\r\n\r\n", id="nul"),
        pytest.param(b"GET /v1/me\r\n\r\n", id="http-0.9"),
        pytest.param(b"GET  /v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n", id="two-blanks"),
    ],
)
async def test_what_can_be_read_in_two_ways_is_refused_with_its_connection(
    served: Wire, sent: bytes
) -> None:
    [status] = await statuses(served, sent + SECOND)
    assert status in (400, 501)


@pytest.mark.attack("A-096")
async def test_what_can_be_read_in_one_way_is_answered(served: Wire) -> None:
    chunked = LOG_IN + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n"
    assert await statuses(served, chunked + SECOND) == [422, 200]
    assert await statuses(served, LOG_IN + b"Content-Length: 2\r\n\r\n{}" + SECOND) == [422, 200]
    assert await statuses(served, ME + b"X-Folded: a\r\n b\r\n\r\n" + SECOND) == [401, 200]
    absolute = b"GET http://localhost/v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert await statuses(served, absolute + SECOND) == [401, 200]
    assert await statuses(served, ME.replace(b"GET", b"TRACE") + b"\r\n" + SECOND) == [405, 200]
    hidden = ME + b"Content-Length: %d\r\n\r\n" % len(SECOND) + SECOND
    assert await statuses(served, hidden) == [401], "the body of a GET is no request"


# --- HTTP/2, without TLS and by prior knowledge, as proxies speak it to us ---


async def test_http2_is_answered_as_http1_is(served: Wire) -> None:
    async with httpx.AsyncClient(base_url=served.base_url, http1=False, http2=True) as client:
        asked = [client.get("/v1/me"), client.get("/healthz"), client.post("/v1/login", json={})]
        answers = await asyncio.gather(*asked)
        assert [answer.status_code for answer in answers] == [401, 200, 422]
        assert {answer.http_version for answer in answers} == {"HTTP/2"}
        assert all("server" not in answer.headers for answer in answers)
        body = b'{"identifier":"' + b"x" * 200_000 + b'"}'
        json = {"Content-Type": "application/json"}
        assert (await client.post("/v1/login", content=body, headers=json)).status_code == 413
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.attack("A-096")
async def test_requests_that_are_taken_back_at_once_hold_nobody_up(served: Wire) -> None:
    client = h2.connection.H2Connection()
    client.initiate_connection()
    port = httpx.URL(served.base_url).port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    names = (
        (":method", "GET"),
        (":path", "/v1/me"),
        (":scheme", "http"),
        (":authority", "localhost"),
    )
    for _ in range(500):
        stream = client.get_next_available_stream_id()
        client.send_headers(stream, names, end_stream=True)
        client.reset_stream(stream)
    writer.write(client.data_to_send())
    try:
        await writer.drain()
        assert await is_well(served)
    finally:
        writer.close()
    assert "Traceback" not in served.said.read_text()
