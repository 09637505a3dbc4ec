"""Bytes that only a real connection carries, against a real process."""

import asyncio

import httpx
import pytest

from tests.attacks.conftest import Wire
from tests.attacks.test_input import ODD_COOKIES, ODD_CREDENTIALS
from tests.world import PASSWORD

JSON = b"Content-Type: application/json"


async def is_well(served: Wire) -> bool:
    async with httpx.AsyncClient(base_url=served.base_url, timeout=5) as client:
        return (await client.get("/readyz")).status_code == 200


@pytest.mark.attack("A-006")
async def test_no_request_line_and_no_second_host_moves_a_link(served: Wire) -> None:
    body = b'{"email":"v@victim.test","password":"' + PASSWORD.encode() + b'"}'
    ways: list[tuple[str, list[bytes]]] = [
        ("POST /v1/accounts HTTP/1.1", [b"evil.test"]),
        ("POST /v1/accounts HTTP/1.1", [b"localhost", b"evil.test"]),
        ("POST /v1/accounts HTTP/1.1", [b"evil.test", b"localhost"]),
        ("POST /v1/accounts HTTP/1.1", [b"localhost@evil.test"]),
        ("POST /v1/accounts HTTP/1.1", [b"localhost:@evil.test"]),
        ("POST /v1/accounts HTTP/1.1", [b"evil.test/v1"]),
        ("POST /v1/accounts HTTP/1.1", [b"\xff\xfe.evil.test"]),
        ("POST /v1/accounts HTTP/1.1", [b""]),
        ("POST /v1/accounts HTTP/1.1", []),
        ("POST /v1/accounts HTTP/1.0", [b"evil.test"]),
        ("POST http://evil.test/v1/accounts HTTP/1.1", [b"localhost"]),
        ("POST http://evil.test/v1/accounts HTTP/1.1", [b"evil.test"]),
        ("POST //evil.test/v1/accounts HTTP/1.1", [b"localhost"]),
        ("POST /v1/accounts HTTP/1.1", [b"localhost"]),
    ]
    taken = 0
    for line, hosts in ways:
        status = await served.request(line, JSON, host=hosts, body=body)
        assert status in (202, 400, 404, 421), (line, hosts)
        taken += status == 202
    assert status == 202, "the honest one"
    async with asyncio.timeout(10):
        while len(letters := await served.letters()) < taken:
            await asyncio.sleep(0.05)
    for letter in letters:
        assert len(letter["links"]) == 1
        assert letter["links"][0].startswith(f"{served.base_url}/verify-email?token=vlnk_")
        assert "evil" not in letter["text"]
    assert await is_well(served)


@pytest.mark.attack("A-006")
async def test_a_host_or_a_target_that_is_none_is_refused_and_breaks_nothing(served: Wire) -> None:
    for name in (b"a" * 64, b"a" * 64 + b".test", b"9" * 300, b"a..b", b".", b"\xff" * 80, b"[::1"):
        assert await served.request("GET /v1/me HTTP/1.1", host=[name]) == 421, name
        assert await served.request("GET /healthz HTTP/1.1", host=[name]) == 200, name
    for target, status in (
        ("?", 302),
        ("?v1/me", 302),
        ("v1/me", 401),
        (".evil.test/v1/me", 404),
        ("@evil.test", 404),
        ("*", 404),
        ("http://[/v1/me", 302),
        ("http://evil.test/v1/me", 401),
        ("http:v1/me", 401),
        ("/\\evil.test", 404),
    ):
        assert await served.request(f"GET {target} HTTP/1.1") == status, target
        assert await served.request(f"POST {target} HTTP/1.1") in (404, 405), target
    assert await served.request("GET /v1/me HTTP/1.1") == 401
    assert await is_well(served)
    assert "Traceback" not in served.said.read_text()


@pytest.mark.attack("A-079")
async def test_broken_credentials_over_the_wire_leave_the_process_well(served: Wire) -> None:
    line = "GET /v1/me HTTP/1.1"
    for value in ODD_CREDENTIALS:
        assert await served.request(line, b"Authorization: " + value) in (400, 401), value
    twice = [b"Authorization: Bearer a", b"Authorization: Bearer b"]
    assert await served.request(line, *twice) in (400, 401)
    assert await served.request(line, b"Authorization: Bearer a\x00b") == 400
    assert await served.request(line, b"Authorization: Bearer a\rb") == 400
    for value in [*ODD_COOKIES, b"%s=\x00", b"%s=a\x00b"]:
        cookie = b"Cookie: " + value.replace(b"%s", b"vestibule")
        assert await served.request(line, cookie) in (400, 401), value
        assert await served.request(line, cookie, cookie) in (400, 401), value
    for header in (b"User-Agent: \xff\xfe\x80", b"Accept: \xff", b"Origin: \xff", b"Referer: \xff"):
        body = b'{"identifier":"v@victim.test","password":"x"}'
        status = await served.request("POST /v1/login HTTP/1.1", JSON, header, body=body)
        assert status in (400, 401, 403), header
    for header in (b"Content-Type: \xff", b"Content-Type: application/json; charset=\xff"):
        assert await served.request("POST /v1/login HTTP/1.1", header, body=b"{}") in (415, 422)
    for path in ("/verify-email?token=\x7f", "/%ff%fe", "/v1/me/sessions?cursor=%ff", "/\u00e9"):
        assert await served.request(f"GET {path} HTTP/1.1") in (200, 400, 401, 404), path
    huge = b"X-Padding: " + b"x" * 500_000
    assert await served.request(line, huge) in (400, 431)
    assert await is_well(served)
    written = served.said.read_text()
    assert "Traceback" not in written
    for value in (b"x" * 100, b"A" * 100, b"YTpi"):
        assert value.decode() not in written


@pytest.mark.attack("A-083")
async def test_a_body_that_does_not_say_how_long_it_is_ends_at_the_limit(served: Wire) -> None:
    head = b"POST /v1/login HTTP/1.1\r\nHost: localhost\r\n" + JSON
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    came = await served.raw(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 8)
    assert came.startswith(b"HTTP/1.1 413 ")
    for length in (64 * 1024 + 1, 1_000_000, 15_000_000):
        body = b'{"identifier":"v@victim.test","password":"' + b"x" * length
        assert await served.request("POST /v1/login HTTP/1.1", JSON, body=body[:70_000]) == 413
        declared = head + b"\r\nContent-Length: %d\r\n\r\n" % length + body[:100]
        assert (await served.raw(declared)).startswith(b"HTTP/1.1 413 ")
    right = b'{"identifier":"v@victim.test","password":"not the one"}'
    assert await served.request("POST /v1/login HTTP/1.1", JSON, body=right) == 401
    assert await is_well(served)


@pytest.mark.attack("A-105")
async def test_the_server_does_not_say_what_it_is(served: Wire) -> None:
    for sent in (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: localhost\r\nX-Marked: zyzzyx\r\n\r\n",
        b"GET /nowhere HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT victim.test:443 HTTP/1.1\r\nHost: victim.test\r\n\r\n",
    ):
        came = (await served.raw(sent)).lower()
        assert came.startswith(b"http/1.1 "), sent
        assert came[9:10] in b"24", sent
        for word in (
            b"server:",
            b"hypercorn",
            b"h11",
            b"quart",
            b"python",
            b"zyzzyx",
            b"traceback",
        ):
            assert word not in came, (sent, word)
    assert await is_well(served)
