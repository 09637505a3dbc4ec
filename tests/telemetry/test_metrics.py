"""`/metrics`: who may see it, and that its numbers are true."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, cast  # Any: whatever the settings take

import httpx
import pytest

from tests.postgres import Server, server
from tests.proxy import proxy, socket_of
from tests.world import Held, World
from vestibule import pruning
from vestibule.kernel import migrations
from vestibule.kernel.database import Database

TOKEN = "a token for the scraper"
PRODUCTION: dict[str, Any] = {
    "mode": "production",
    "base_url": "https://auth.example.org",
    "sqlite_in_production": True,
    "secrets": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "mail_transport": "smtp",
    "mail_from": "no-reply@example.org",
    "smtp_host": "127.0.0.1",
}


LOG_IN = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/v1/login",
    "raw_path": b"/v1/login",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost:8000"), (b"content-type", b"application/json")],
    "client": ("127.0.0.1", 50_000),
    "server": ("127.0.0.1", 8000),
    "extensions": {},
}


class Numbers:
    """What a scrape brought."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for name, labels, value in re.findall(r"^(\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
            told = dict(re.findall(r'(\w+)="([^"]*)"', labels))
            assert told.pop("worker").isdecimal()
            self._values.setdefault(name, {})[frozenset(told.items())] = float(value)

    def get(self, name: str, **labels: str) -> float | None:
        return self._values.get(name, {}).get(frozenset(labels.items()))

    def all(self, name: str) -> Mapping[frozenset[tuple[str, str]], float]:
        return self._values.get(name, {})


async def scrape(world: World) -> Numbers:
    answer = await world.client().get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return Numbers(answer.text)


async def test_requests_are_counted_by_route_and_kind_of_answer(world: World) -> None:
    ada = await world.member()
    for _ in range(3):
        await ada.get("/v1/me?token=hunter2")
        await ada.delete("/v1/me/sessions/hunter2")
    await world.client().get("/v1/me")
    await world.client().request("HUNTER2", "/hunter2")
    numbers = await scrape(world)
    counted = {
        (dict(labels)["method"], dict(labels)["route"], dict(labels)["status"]): value
        for labels, value in numbers.all("vestibule_requests_total").items()
    }
    assert counted["GET", "/v1/me", "2xx"] == 3
    assert counted["GET", "/v1/me", "4xx"] == 1
    assert counted["DELETE", "/v1/me/sessions/<session_id>", "4xx"] == 3
    assert counted["other", "none", "4xx"] == 1
    assert "hunter2" not in repr(counted).lower()
    seconds = numbers.get("vestibule_request_seconds_count", method="GET", route="/v1/me")
    assert seconds == 4
    took = numbers.get("vestibule_request_seconds_sum", method="POST", route="/v1/login")
    assert took is not None
    assert 0 < took < 10


async def test_log_ins_are_counted_by_what_became_of_them(
    database_url: str, tmp_path: Path
) -> None:
    limits = "log_in_identifier=2/15m, log_in_account=1/1d"
    async with World.running(database_url, tmp_path, limits=limits) as world:
        await world.member()
        assert (await world.browser().log_in(password="wrong")).status_code == 401
        assert (await world.browser().log_in(password="wrong")).status_code == 401
        assert (await world.browser().log_in(password="wrong")).status_code == 429
        numbers = await scrape(world)
    outcomes = {
        dict(each)["outcome"]: n for each, n in numbers.all("vestibule_log_ins_total").items()
    }
    assert outcomes == {"succeeded": 1, "refused": 2, "limited": 1, "busy": 0}
    assert numbers.get("vestibule_limit_refusals_total", limit="log_in_identifier") == 1
    assert numbers.get("vestibule_limit_refusals_total", limit="log_in_account") == 1


async def test_the_queue_of_hashes_is_seen_while_it_stands(sqlite_url: str, tmp_path: Path) -> None:
    hasher = Held()
    async with World.running(sqlite_url, tmp_path, hasher=hasher, hash_threads=1) as world:
        world.vestibule.means.passwords.patience = 60
        waiting = [asyncio.create_task(world.browser().log_in()) for _ in range(83)]
        while sum(task.done() for task in waiting) != 2:
            await asyncio.sleep(0.01)
        numbers = await scrape(world)
        hasher.may_go.set()
        await asyncio.gather(*waiting)
        after = await scrape(world)
    assert numbers.get("vestibule_hashes", state="running") == 1
    assert numbers.get("vestibule_hashes", state="waiting") == 80
    assert numbers.get("vestibule_hashes_refused_total") == 2
    assert numbers.get("vestibule_log_ins_total", outcome="busy") == 2
    assert after.get("vestibule_hashes", state="running") == 0
    assert after.get("vestibule_hashes", state="waiting") == 0


async def test_a_client_that_hung_up_is_counted_and_logged_as_that(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "vestibule.requests")
    hasher = Held()
    async with World.running(sqlite_url, tmp_path, hasher=hasher) as world:
        body = json.dumps({"identifier": "ada", "password": "wrong"}).encode()
        arriving = iter([{"type": "http.request", "body": body}])

        async def receive() -> Any:  # Any: ASGI's messages
            if (message := next(arriving, None)) is not None:
                return message
            while not world.vestibule.means.passwords.load().running:
                await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:  # Any: the same
            raise AssertionError(message)

        await world.app(cast(Any, LOG_IN), receive, cast(Any, send))
        hasher.may_go.set()
        numbers = await scrape(world)
    kind = {"method": "POST", "route": "/v1/login", "status": "aborted"}
    assert numbers.get("vestibule_requests_total", **kind) == 1
    told = [vars(each) for each in caplog.records if each.name == "vestibule.requests"]
    assert [each["status"] for each in told if each["route"] == "/v1/login"] == [None]


async def test_the_pool_is_seen_while_it_is_used_up(postgres_url: str, tmp_path: Path) -> None:
    async with World.running(postgres_url, tmp_path, database_pool_size=2) as world:
        await scrape(world)
        async with AsyncExitStack() as stack:
            for _ in range(2):
                unit = await stack.enter_async_context(world.vestibule.unit())
                await unit.session.connection()
            asked = asyncio.create_task(world.browser().sign_up())
            while not world.vestibule.means.database.pools()["all"].waiting:
                await asyncio.sleep(0.01)
            numbers = await scrape(world)
        assert (await asked).status_code == 202
        after = await scrape(world)
    assert numbers.get("vestibule_database_connections", pool="all", state="in_use") == 2
    assert numbers.get("vestibule_database_connections", pool="all", state="most") == 2
    waiting = numbers.get("vestibule_database_waiting", pool="all")
    assert waiting in (1, 2), "the sign-up, and perhaps the look into the outbox"
    assert after.get("vestibule_database_waiting", pool="all") == 0
    assert after.get("vestibule_database_connections", pool="all", state="in_use") == 0


async def test_letters_are_counted_by_state_and_the_oldest_by_its_age(world: World) -> None:
    await world.browser().sign_up("one@example.org")
    await world.mails()
    await world.browser().sign_up("two@example.org")
    world.clock.move(timedelta(hours=1))
    await world.browser().sign_up("three@example.org")
    numbers = await scrape(world)
    assert numbers.get("vestibule_letters", state="queued") == 2
    assert numbers.get("vestibule_letters", state="sent") == 1
    assert numbers.get("vestibule_letters", state="failed") == 0
    age = numbers.get("vestibule_oldest_letter_seconds")
    assert age is not None
    assert 3600 <= age < 3660


async def test_what_is_removed_is_counted(world: World) -> None:
    await world.browser().sign_up()
    world.clock.move(timedelta(days=400))
    await pruning.prune(world.vestibule.means)
    numbers = await scrape(world)
    assert numbers.get("vestibule_pruned_rows_total", table="challenges") == 1


@pytest.fixture
async def own_postgres() -> AsyncIterator[Server]:
    with server() as own:
        own.create("own")
        database = Database(own.url("own"))
        await migrations.upgrade(database)
        await database.close()
        yield own


async def test_while_the_database_is_away_the_rest_is_shown(
    own_postgres: Server, tmp_path: Path
) -> None:
    async with World.running(own_postgres.url("own"), tmp_path) as world:
        own_postgres.stop()
        numbers = await scrape(world)
        assert numbers.get("vestibule_database_up") == 0
        assert numbers.get("vestibule_letters", state="queued") is None
        assert numbers.get("vestibule_hashes", state="running") == 0
        own_postgres.start()
        assert (await scrape(world)).get("vestibule_database_up") == 1


async def test_a_database_that_never_answers_holds_a_scrape_up_for_a_second(
    postgres: Server, postgres_url: str, tmp_path: Path
) -> None:
    async with proxy(socket_of(postgres.folder)) as front:
        through = f"postgresql://postgres@127.0.0.1:{front.port}/{postgres_url.split('/')[3]}"
        async with World.running(through.partition("?")[0], tmp_path) as world:
            front.swallow()
            began = time.monotonic()
            numbers = await scrape(world)
            assert time.monotonic() - began < 2
            assert numbers.get("vestibule_database_up") == 0
            front.flow()


async def test_two_apps_in_one_process_have_numbers_of_their_own(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    async with (
        World.running(sqlite_url, tmp_path / "one") as one,
        World.running(postgres_url, tmp_path / "two") as two,
    ):
        await one.member()
        ones, twos = await scrape(one), await scrape(two)
    assert ones.get("vestibule_log_ins_total", outcome="succeeded") == 1
    assert twos.get("vestibule_log_ins_total", outcome="succeeded") == 0


@pytest.mark.parametrize(
    "headers,status",
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": b"Bearer \xfc"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"Bearer {TOKEN}", "Host": "10.0.0.7:8000"}, 200),
    ],
)
@pytest.mark.parametrize("mode", ["production", "development"])
async def test_with_a_token_only_who_sends_it_sees_anything(
    sqlite_url: str, tmp_path: Path, mode: str, headers: dict[str, Any], status: int
) -> None:
    settings = {"metrics_token": TOKEN} | (PRODUCTION if mode == "production" else {})
    async with World.running(sqlite_url, tmp_path, **settings) as world:
        if mode == "development" and "Host" in headers:
            status = 421  # a page elsewhere may name this machine as it likes
        answer = await world.client().get("/metrics", headers=httpx.Headers(headers))
        assert answer.status_code == status
        assert ("vestibule_log_ins_total" in answer.text) == (status == 200)
        if status == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert TOKEN not in answer.text


async def test_production_without_a_token_has_no_such_route(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with World.running(sqlite_url, tmp_path, **PRODUCTION) as world:
        answer = await world.client().get("/metrics", headers={"Authorization": "Bearer "})
        assert answer.status_code == 404
        assert answer.json()["code"] == "not_found"
