"""How many devices an account is signed in on at once."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any  # Any: a log-in's fields

import pytest
from sqlalchemy import func, select

from tests.feed.test_feed import statements
from tests.world import PASSWORD, Client, World
from vestibule.audit.log import Entry
from vestibule.sessions.models import Session

FEW = 3
OPEN = select(func.count()).where(Session.ended_at.is_(None))


async def entered(world: World, **fields: Any) -> Client:
    """Somebody on a device of their own, a minute after the one before."""
    world.clock.move(timedelta(minutes=2))
    device = world.browser()
    answer = await device.log_in(**fields)
    assert answer.status_code == 200
    if fields.get("deliver") == "tokens":
        device.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    return device


async def who(device: Client) -> int:
    return (await device.get("/v1/me")).status_code


@pytest.mark.parametrize("deliver", ["cookie", "tokens"])
async def test_one_too_many_ends_the_one_that_was_unused_for_longest(
    database_url: str, tmp_path: Path, deliver: str
) -> None:
    async with World.running(database_url, tmp_path, sessions_per_account=FEW) as world:
        first = await world.member()
        second = await entered(world, deliver=deliver)
        await entered(world)
        world.clock.move(timedelta(minutes=2))
        assert await who(first) == 200
        await world.vestibule.write_touches()  # the first is used again, and written down
        bob = await world.member("bob@example.org")

        fourth = await entered(world)
        assert [await who(each) for each in (first, second, fourth)] == [200, 401, 200]
        reasons = select(Session.id).where(Session.end_reason == "evicted")
        told = select(Entry.session_id).where(Entry.event == "session.evicted")
        assert len(await world.rows(reasons)) == 1
        assert await world.rows(told) == await world.rows(reasons)
        assert await who(bob) == 200, "somebody else"


async def test_sessions_that_are_over_take_no_room(database_url: str, tmp_path: Path) -> None:
    async with World.running(database_url, tmp_path, sessions_per_account=FEW) as world:
        await world.member()
        remembered = await entered(world, remember=True)
        world.clock.move(timedelta(days=8))
        left = await entered(world)
        assert (await left.post("/v1/logout")).status_code == 204
        devices = [remembered, await entered(world), await entered(world)]
        assert [await who(each) for each in devices] == [200] * FEW
        told = select(Entry.id).where(Entry.event == "session.evicted")
        assert await world.rows(told) == [], "nobody had to go"


async def test_the_session_that_is_replaced_makes_the_room(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, sessions_per_account=FEW) as world:
        devices = [await world.member(), await entered(world), await entered(world)]
        assert (await devices[-1].log_in()).status_code == 200
        assert [await who(each) for each in devices] == [200] * FEW


async def test_many_that_log_in_at_once_open_no_more_than_there_may_be(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, sessions_per_account=FEW) as world:
        await world.member()
        answers = await asyncio.gather(*(world.browser().log_in() for _ in range(24)))
        assert {each.status_code for each in answers} == {200}
        [(left,)] = await world.rows(OPEN)
        assert left <= FEW + 1, "one may have been held by somebody else"
        await entered(world)
        assert await world.rows(OPEN) == [(FEW,)]


async def test_a_log_in_with_room_left_asks_for_no_session(world: World) -> None:
    await world.member()
    with statements(world) as said:
        await world.browser().log_in()
    assert said
    assert not any("UPDATE sessions" in each for each in said)


async def test_a_lower_bound_is_reached_step_by_step(database_url: str, tmp_path: Path) -> None:
    async with World.running(database_url, tmp_path) as world:
        await world.member()
        for _ in range(60):
            await world.browser().log_in()
    async with World.running(database_url, tmp_path, sessions_per_account=1) as world:
        await entered(world)
        await entered(world)
        assert await world.rows(OPEN) == [(1,)]


async def test_the_sessions_of_every_surface_count_together(
    database_url: str, tmp_path: Path
) -> None:
    running = World.running(
        database_url, tmp_path, dialects="jwt_extended", sessions_per_account=FEW
    )
    async with running as world:
        first = await world.member()
        for _ in range(FEW):
            world.clock.move(timedelta(minutes=2))
            fields = {"email": "ada@example.org", "password": PASSWORD}
            answer = await world.client().post("/token", json=fields)
            assert answer.status_code == 200, answer.text
        assert await who(first) == 401
        assert await world.rows(OPEN) == [(FEW,)]
