"""API keys that are made and removed while something else happens to their owner."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from tests.world import Client, World
from vestibule.accounts import state
from vestibule.accounts.models import Account
from vestibule.api_keys.models import ApiKey

ROUNDS = 60


@pytest.fixture(
    params=[ROUNDS, pytest.param(200, marks=[pytest.mark.prove, pytest.mark.timeout(900)])]
)
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
async def postgres_world(postgres_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(postgres_url, tmp_path) as made:
        yield made


async def make(client: Client) -> int:
    await asyncio.sleep(random.uniform(0, 0.006))
    return (await client.post("/v1/me/api-keys", json={"name": "x"})).status_code


async def test_no_key_is_made_once_its_owner_is_disabled(
    postgres_world: World, rounds: int
) -> None:
    """Whatever the answer says: what is there was there before."""
    world = postgres_world
    ada = await world.member()
    [(account,)] = await world.rows(select(Account.id))
    before = after = 0
    began = time.monotonic()
    assert await make(ada) == 201
    took = time.monotonic() - began  # as fast as this machine is at this moment

    async def disable() -> set[object]:
        await asyncio.sleep(random.uniform(0, 2 * took))
        async with world.vestibule.unit() as unit:
            assert await state.disable(unit, account)
        return {each for (each,) in await world.rows(select(ApiKey.id))}

    async with world.vestibule.unit() as unit:
        await unit.session.execute(delete(ApiKey))
    for _ in range(rounds):
        statuses, there = await asyncio.gather(
            asyncio.gather(*(make(ada) for _ in range(2))), disable()
        )
        assert set(statuses) <= {201, 401}
        assert {each for (each,) in await world.rows(select(ApiKey.id))} == there
        before += statuses.count(201)
        after += statuses.count(401)
        async with world.vestibule.unit() as unit:
            assert await state.enable(unit, account)
        async with world.vestibule.unit() as unit:
            await unit.session.execute(delete(ApiKey))
        assert (await ada.log_in()).status_code == 200
    assert before, "nothing was made: nothing was raced"
    assert after, "nothing was refused: nothing was raced"
    print(f"\n  {rounds} rounds: {before} keys made before, {after} refused after")  # noqa: T201


async def test_a_key_that_is_removed_while_it_is_used_opens_nothing_afterwards(
    world: World,
) -> None:
    ada = await world.member()
    for _ in range(ROUNDS // 4):
        made = (await ada.post("/v1/me/api-keys", json={"name": "x"})).json()
        program = world.client(**{"X-API-Key": made["key"]})
        writing = asyncio.create_task(world.vestibule.write_touches())
        removed, *used = await asyncio.gather(
            ada.delete(f"/v1/me/api-keys/{made['id']}"),
            *(program.get("/v1/me") for _ in range(3)),
        )
        await writing
        assert removed.status_code == 204
        assert {each.status_code for each in used} <= {200, 401}
        assert (await program.get("/v1/me")).status_code == 401
        await world.vestibule.write_touches()
    assert await world.rows(select(ApiKey.id)) == []


async def test_of_many_that_make_a_key_at_once_no_more_than_fifty_get_one(world: World) -> None:
    ada = await world.member()
    for _ in range(46):
        await ada.post("/v1/me/api-keys", json={"name": "x"})
    statuses = await asyncio.gather(*(make(ada) for _ in range(10)))
    assert sorted(statuses) == [201] * 4 + [409] * 6


async def test_of_many_that_remove_one_key_at_once_one_does(world: World) -> None:
    ada = await world.member()
    made = (await ada.post("/v1/me/api-keys", json={"name": "x"})).json()
    answers = await asyncio.gather(*(ada.delete(f"/v1/me/api-keys/{made['id']}") for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [204] + [404] * 4
