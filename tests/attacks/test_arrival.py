"""By which name, how safely, and from which page a request comes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast  # Any: as ASGI defines them

import httpx
import pytest

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import House, Kept
from tests.world import World

OWN = "https://auth.test"
APP = "https://app.test"
PROXY = "10.0.0.1"
NAMES = [
    "evil.test",
    "auth.test.evil.test",
    "evil.test:443",
    "xauth.test",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "auth.test@evil.test",
    "evil.test/auth.test",
    "",
    ":443",
    "auth.test, evil.test",
]
UNLISTED = [
    "https://evil.test",
    "null",
    "http://app.test",
    "https://app.test:444",
    "https://app.test.evil.test",
    "https://sub.app.test",
    "https://APP.test",
    "https://app.test, https://evil.test",
    "https://app.test/",
    "https://app.test#",
    "https://app.test.",
    "https://app.test:443",
    "https://app.test?.evil.test",
    "https://evil.test?.app.test",
    "https://evil.test#.app.test",
    "https://app.test@evil.test",
    "https://app_test",
    "https://evilapp.test",
    "HTTPS://app.test",
    " https://app.test/x",
    "https://app.test\x0b",
    "app.test",
    "//app.test",
    "*",
    "",
]


@pytest.fixture
async def house(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Production, with a front end of its own origin, a second name, and a proxy before it."""
    async with House.running(
        sqlite_url,
        tmp_path,
        transport=Kept(),
        **PRODUCTION
        | {
            "allowed_origins": APP,
            "allowed_hosts": "auth.internal, 10.0.0.7, 2001:db8::1",
            "trusted_proxies": PROXY,
        },
    ) as made:
        yield made


@pytest.mark.attack("A-007")
@pytest.mark.parametrize("name", NAMES)
async def test_a_request_for_another_host_is_not_ours(world: House, name: str) -> None:
    client = world.client(Host=name)
    for method, path in (("GET", "/v1/me"), ("POST", "/v1/login"), ("GET", "/verify-email")):
        answer = await client.request(method, path, json={} if method == "POST" else None)
        assert answer.status_code == 421, (method, path, answer.text)
        assert "evil" not in answer.text
    assert (await client.get("/healthz")).status_code == 200, "probes come by address"
    assert (await world.client().get("/v1/me")).status_code == 401


async def test_a_query_that_is_not_ascii_breaks_nothing(house: World) -> None:
    """As HTTP/2 can carry it; HTTP/1 has no sign for it."""
    headers = [(b"host", b"auth.test")]
    scope: dict[str, Any] = {"type": "http", "asgi": {}, "http_version": "2", "method": "GET"}
    scope |= {"scheme": "https", "path": "/v1/me", "query_string": b"limit=\xff", "root_path": ""}
    scope |= {"headers": headers, "client": ("127.0.0.1", 1), "server": None, "extensions": {}}
    coming = [{"type": "http.request", "body": b"", "more_body": False}]
    said: list[Any] = []

    async def receive() -> Any:
        return coming.pop() if coming else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        said.append(message)

    await house.app(cast(Any, scope), receive, send)
    assert said[0]["status"] == 401


async def test_every_name_of_ours_is_answered(house: World) -> None:
    for name in ("auth.test", "AUTH.test", "auth.test:8443", "auth.internal", "10.0.0.7"):
        assert (await house.client(Host=name).get("/v1/me")).status_code == 401, name
    assert (await house.client(Host="[2001:db8::1]:80").get("/v1/me")).status_code == 401
    refused = (await house.client(Host="evil.test").get("/v1/me")).json()
    assert refused["code"] == "wrong_host"


async def test_development_answers_to_this_machines_names(sqlite_url: str, tmp_path: Path) -> None:
    async with World.running(sqlite_url, tmp_path) as world:
        for name in ("localhost:1", "127.0.0.1", "[::1]:8000"):
            assert (await world.client(Host=name).get("/v1/me")).status_code == 401
        assert (await world.client(Host="evil.test").get("/v1/me")).status_code == 421
    async with World.running(sqlite_url, tmp_path, dev_remote=True) as world:
        assert (await world.client(Host="laptop.local").get("/v1/me")).status_code == 401


async def test_letters_of_development_are_shown_to_this_machine_alone(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with World.running(sqlite_url, tmp_path, dev_remote=True) as world:
        for client, status in (
            (world.client(), 200),
            (world.client(address="::1", Host="[::1]:8000"), 200),
            (world.client(address="192.0.2.7"), 404),
            (world.client(Host="laptop.local"), 404),
            (world.client(**{"X-Forwarded-For": "127.0.0.1"}), 404),
        ):
            assert (await client.get("/dev/mailbox")).status_code == status


async def test_what_came_to_the_proxy_in_clear_is_led_to_https(house: World) -> None:
    client = house.client(address=PROXY, **{"X-Forwarded-Proto": "http"})
    for asked, led in (
        ("/verify-email?token=a%20b&x=1", f"{OWN}/verify-email?token=a%20b&x=1"),
        ("/v1/me", f"{OWN}/v1/me"),
    ):
        answer = await client.get(f"{OWN}{asked}")
        assert answer.status_code == 308, asked
        assert answer.headers["Location"] == led
    refused = await client.post("/v1/login", json={"identifier": "a", "password": "b"})
    assert (refused.status_code, refused.json()["code"]) == (403, "https_required")
    assert (await client.get("/healthz")).status_code == 200
    safe = house.client(address=PROXY, **{"X-Forwarded-Proto": "https"})
    assert (await safe.get("/v1/me")).status_code == 401


async def test_only_our_proxies_word_counts(house: World) -> None:
    stranger = house.client(address="203.0.113.9", **{"X-Forwarded-Proto": "http"})
    assert (await stranger.get("/v1/me")).status_code == 401
    lied = house.client(address=PROXY, **{"X-Forwarded-Proto": "https, http"})
    assert (await lied.get("/v1/me")).status_code == 308, "the last word is the proxy's"


@pytest.mark.attack("A-046")
async def test_a_listed_origin_reads_everything(house: World) -> None:
    page = house.client(Origin=APP)
    for answer in (
        await page.get("/v1/me"),
        await page.log_in(),
        await page.post("/v1/login", content=b"{"),
    ):
        assert answer.status_code in (400, 401, 415)
        assert answer.headers["Access-Control-Allow-Origin"] == APP
        assert answer.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Retry-After" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"]
    asked = await page.options("/v1/login", headers={"Access-Control-Request-Method": "POST"})
    assert asked.status_code == 200
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in asked.headers["Access-Control-Allow-Headers"]
    assert "*" not in str(asked.headers)


@pytest.mark.attack("A-046")
@pytest.mark.parametrize("origin", UNLISTED)
async def test_an_origin_that_is_not_listed_reads_nothing(house: World, origin: str) -> None:
    page = house.client(Origin=origin)
    asked = {"Access-Control-Request-Method": "POST"}
    for answer in (await page.get("/v1/me"), await page.options("/v1/login", headers=asked)):
        assert not told(answer), origin
        assert "Origin" in answer.headers["Vary"], "a cache must not mix them up"


async def test_pages_and_health_are_for_no_other_origin(house: World) -> None:
    page = house.client(Origin=APP)
    for path in ("/verify-email?token=x", "/healthz"):
        assert not told(await page.get(path)), path


def told(answer: httpx.Response) -> list[str]:
    return [name for name in answer.headers if name.lower().startswith("access-control")]
