"""Who one is, as it is told before Quart to those who are remembered."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any  # Any: what a signal hands over

import pytest
from quart import request_started

from tests.feed.conftest import Two, listening
from tests.feed.test_feed import program, statements
from tests.feed.test_gate import key_of
from tests.world import World
from vestibule.accounts import queries
from vestibule.roles import grants

FRONT = "https://front.example.test"


@contextmanager
def asking_quart(world: World) -> Iterator[list[object]]:
    """The requests that come as far as Quart."""
    met: list[object] = []

    async def note(app: Any, **_: Any) -> None:
        met.append(app)

    with request_started.connected_to(note, world.app):
        yield met


async def test_who_is_remembered_is_told_the_same_before_quart(two: Two) -> None:
    world = two.here
    ada = await world.member(given_name="Ada", family_name="Lovelace \N{GREEK SMALL LETTER LAMDA}")
    for client in (ada, await program(ada, world)):
        world.vestibule.means.memory.forget_everything()
        with asking_quart(world) as met:
            first = await client.get("/v1/me")
        assert len(met) == 1
        with asking_quart(world) as met, statements(world) as said:
            again = [await client.get("/v1/me") for _ in range(3)]
        assert met == said == []
        assert [each.content for each in again] == [first.content] * 3
        for each in again:
            assert each.headers.pop("X-Request-Id") != first.headers["X-Request-Id"]
            assert dict(each.headers) == {
                name: value for name, value in first.headers.items() if name != "x-request-id"
            }


async def test_it_is_counted_and_timed_like_every_request(two: Two) -> None:
    world = two.here
    ada = await world.member()
    before = [number(world, *each) for each in COUNTED]
    for _ in range(3):
        assert (await ada.get("/v1/me")).status_code == 200
    assert [number(world, *each) for each in COUNTED] == [each + 3 for each in before]


COUNTED: tuple[tuple[str, dict[str, str]], ...] = (
    ("vestibule_requests_total", {"status": "2xx"}),
    ("vestibule_request_seconds_count", {}),
)


def number(world: World, name: str, labels: dict[str, str]) -> float:
    of_the_route = {"method": "GET", "route": "/v1/me"} | labels
    return world.vestibule.means.metrics.registry.get_sample_value(name, of_the_route) or 0


async def test_a_change_is_told_at_once(two: Two) -> None:
    world = two.here
    ada = await world.member()
    assert [(await ada.get("/v1/me")).json()["roles"] for _ in range(2)] == [["user"]] * 2
    assert (await ada.patch("/v1/me", json={"given_name": "Augusta"})).status_code == 200
    assert (await ada.get("/v1/me")).json()["given_name"] == "Augusta"
    async with world.vestibule.unit() as unit:
        found = await queries.by_identifier(unit, "ada@example.org")
        assert found is not None
        await grants.grant(unit, found.id, "editor", by=None)
    await listening(world)
    told = [(await ada.get("/v1/me")).json() for _ in range(2)]
    assert [(each["roles"], each["given_name"]) for each in told] == [
        (["editor", "user"], "Augusta")
    ] * 2
    copied = world.client()
    copied.cookies.update(ada.cookies)
    assert (await ada.post("/v1/logout")).status_code == 204
    assert (await copied.get("/v1/me")).status_code == 401


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST"])
async def test_other_methods_go_the_long_way(two: Two, method: str) -> None:
    ada = await two.here.member()
    assert (await ada.get("/v1/me")).status_code == 200
    with asking_quart(two.here) as met:
        answer = await ada.request(method, "/v1/me")
    assert len(met) == 1
    assert answer.content == b"" or answer.status_code == 405


async def test_nobody_reads_a_body(two: Two) -> None:
    ada = await two.here.member()
    for _ in range(2):
        answer = await ada.request("GET", "/v1/me", content=b"x" * 1_000_000)
        assert answer.status_code == 200


async def test_a_key_is_told_its_scopes_each_time(two: Two) -> None:
    ada = await two.here.member()
    key = two.here.client(**{"X-API-Key": await key_of(ada)})
    assert [(await key.get("/v1/me")).json()["scopes"] for _ in range(3)] == [[]] * 3


async def test_pages_of_listed_origins_may_read_it_and_caches_know(
    postgres_url: str, tmp_path: Path
) -> None:
    async with World.running(postgres_url, tmp_path, allowed_origins=FRONT) as world:
        await listening(world)
        ada = await program(await world.member(), world)
        for _ in range(3):
            read = await ada.get("/v1/me", headers={"Origin": FRONT})
            assert read.headers["Access-Control-Allow-Origin"] == FRONT
            plain = await ada.get("/v1/me")
            assert plain.headers["Vary"] == "Origin"
            assert "Access-Control-Allow-Origin" not in plain.headers


async def test_addresses_are_logged_where_they_are_wanted(
    postgres_url: str, tmp_path: Path
) -> None:
    async with World.running(postgres_url, tmp_path, log_addresses=True) as world:
        await listening(world)
        ada = await world.member()
        with asking_quart(world) as met:
            assert [(await ada.get("/v1/me")).status_code for _ in range(3)] == [200] * 3
        assert len(met) == 3  # Quart's side knows from where
