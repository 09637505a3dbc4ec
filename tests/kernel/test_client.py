"""Requests of ours: to nobody's private network, in time, of a size, and without redirects."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any  # Any: whatever the settings take

import pytest

from tests.mailservers import certificate
from tests.range_server import DRIP, ENDLESS, HANG, Range, answer, range_server
from vestibule import Settings, Vestibule
from vestibule.kernel.client import Client, Unreachable, is_public

LOOPBACK = ip_network("127.0.0.0/8")


@pytest.fixture
async def theirs() -> AsyncIterator[Range]:
    async with range_server() as served:
        served.says = answer(["hello"], headers="X-Theirs: yes\r\n")
        yield served


async def fetch(client: Client, url: str, *, within: float = 1, most: int = 100) -> bytes:
    try:
        return (await client.send("GET", url, within=within, most=most)).body
    finally:
        await client.close()


async def refused(client: Client, url: str) -> str:
    with pytest.raises(Unreachable) as caught:
        await fetch(client, url)
    return str(caught.value)


async def test_an_answer_comes_whole_whatever_its_status(theirs: Range) -> None:
    client = Client(allowed=None)
    for status in ("200 OK", "302 Found", "500 Oh No"):
        theirs.says = answer(["hello"], status=status, headers="Location: /elsewhere\r\n")
        got = await client.send("POST", theirs.url, within=1, most=5, form={"code": "1"})
        assert (got.status, got.body) == (int(status[:3]), b"hello")
        assert got.headers["location"] == "/elsewhere"
    await client.close()
    assert len(theirs.asked) == 3, "no redirect is followed"
    assert all(each.startswith(b"POST /range HTTP/1.1") for each in theirs.asked)


async def test_a_cookie_does_not_come_along_with_the_next_request(theirs: Range) -> None:
    client = Client(allowed=None)
    theirs.says = answer(["hello"], headers="Set-Cookie: session=somebodys; Path=/\r\n")
    for _ in range(2):
        await client.send("GET", theirs.url, within=1, most=5)
    await client.close()
    assert not any(b"somebodys" in each for each in theirs.asked)


@pytest.mark.parametrize("says", [HANG, DRIP])
async def test_it_ends_in_time(theirs: Range, says: bytes) -> None:
    theirs.says = says
    began = time.monotonic()
    assert await refused(Client(allowed=None), theirs.url) == "no answer within 1 s"
    assert time.monotonic() - began < 1.5


async def test_too_long_an_answer_is_cut_off(theirs: Range) -> None:
    theirs.says = ENDLESS
    assert "longer than 100 bytes" in await refused(Client(allowed=None), theirs.url)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1"),
        *("fec0::1", "feff::1", "3fff::1", "3fff:fff::1"),
        *("::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::"),
    ],
)
def test_an_address_that_is_not_the_internets_is_none(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"],
)
def test_an_address_of_the_internet_is_one(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0"]
)
async def test_production_goes_to_no_private_address_whatever_it_is_called(
    theirs: Range, host: str
) -> None:
    url = f"http://{host}:{theirs.port}/range"
    assert "no address that may be reached" in await refused(Client(allowed=[]), url)
    assert theirs.asked == []


async def test_production_goes_where_the_settings_allow_it(theirs: Range) -> None:
    assert await fetch(Client(allowed=[LOOPBACK]), theirs.url) == b"hello"


@pytest.mark.parametrize("port", [0, 65_536, 99_999])
async def test_a_port_that_there_is_not_is_unreachable(port: int) -> None:
    assert await refused(Client(allowed=None), f"http://127.0.0.1:{port}/x")


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to(theirs: Range) -> None:
    """A name that leads elsewhere the next moment is asked for once, and leads nowhere else."""
    asked = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append((host, port))
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    client = Client(allowed=[LOOPBACK], resolve=rebinding)
    url = f"http://rebinding.example:{theirs.port}/range"
    assert await fetch(client, url) == b"hello"
    assert asked == [("rebinding.example", theirs.port)]
    assert f"Host: rebinding.example:{theirs.port}".encode() in theirs.asked[0]
    assert "no address" in await refused(client, url), "each request looks anew"


async def test_of_several_addresses_those_that_may_be_reached_are_tried(theirs: Range) -> None:
    async def several(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1", "127.0.0.2", "127.0.0.1"]  # nobody listens at the second

    client = Client(allowed=[LOOPBACK], resolve=several)
    assert await fetch(client, f"http://several.example:{theirs.port}/") == b"hello"


async def test_names_that_lead_nowhere_are_told(theirs: Range) -> None:
    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for url in ("http://x.example/", "http://" + "x" * 70 + "/", "ftp://x.example/", "http:///"):
        assert await refused(Client(allowed=None, resolve=nowhere), url)


async def test_tls_names_and_checks_the_host_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = certificate(tmp_path, host="right.example")
    named: list[str | None] = []
    tls.server.sni_callback = lambda _socket, name, _context: named.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "right.example.pem"))

    async def here(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    asked: list[bytes] = []

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Keep the connection, which must not serve for another name."""
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer(["hello"]))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(stay, "127.0.0.1", 0, ssl=tls.server)
    port = server.sockets[0].getsockname()[1]
    right, wrong = f"https://right.example:{port}/", f"https://wrong.example:{port}/"
    client = Client(allowed=None, resolve=here)
    assert (await client.send("GET", right, within=5, most=5)).body == b"hello"
    assert await refused(client, wrong) == "ConnectError"
    assert named == ["right.example", "wrong.example"]
    assert len(asked) == 1
    server.close()


async def test_no_proxy_of_the_environment_gets_in_between(
    theirs: Range, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert await fetch(Client(allowed=None), theirs.url) == b"hello"


async def test_a_vestibule_in_production_has_the_checking_client(
    theirs: Range, sqlite_url: str, tmp_path: Path
) -> None:
    production: dict[str, Any] = {
        "mode": "production",
        "sqlite_in_production": True,
        "base_url": "https://a.test",
    }
    production |= {"database_url": sqlite_url, "secrets": bytes(range(32)).hex()}
    production |= {"mail_transport": "smtp", "smtp_host": "m.test", "mail_from": "a@a.test"}
    for allow, works in (("", False), ("10.0.0.0/8", False), ("127.0.0.1, ::1", True)):
        settings = Settings.load(**production, outgoing_allow=allow)
        vestibule = Vestibule(settings)
        if works:
            assert await fetch(vestibule.means.client, theirs.url) == b"hello"
        else:
            assert await refused(vestibule.means.client, theirs.url)
        await vestibule.stop()
    development = Vestibule(Settings.load(database_url=sqlite_url, data_dir=tmp_path / "data"))
    assert await fetch(development.means.client, theirs.url) == b"hello"
    await development.stop()
