"""A new password against whatever else happens to the account at the same moment; on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from tests.races.odds import Odds
from tests.web.api.test_address import NEW, asked, changed, former
from tests.web.api.test_passwords import ADA, forgotten
from tests.world import PASSWORD, Client, World
from vestibule.accounts.models import Account
from vestibule.sessions.models import Session

STALE = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)  # hashed anew at a log-in


@pytest.fixture(params=[20, pytest.param(200, marks=[pytest.mark.prove, pytest.mark.timeout(900)])])
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
async def world(postgres_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(postgres_url, tmp_path) as made:
        yield made


async def together(*acts: Awaitable[httpx.Response], odds: Odds | None = None) -> list[int]:
    """Begin two, or one, at about this moment, and return what each is answered."""

    async def later(act: Awaitable[httpx.Response], wait: float) -> int:
        await asyncio.sleep(wait)
        return (await act).status_code

    waits = (odds or Odds()).waits()
    return await asyncio.gather(*(later(act, wait) for act, wait in zip(acts, waits, strict=False)))


async def live(world: World) -> int:
    return len(await world.rows(select(Session.id).where(Session.ended_at.is_(None))))


async def good(world: World, identifier: str, password: str) -> bool:
    """Whether a password opens a session, which is ended again."""
    client = world.browser()
    entered = (await client.log_in(identifier, password)).status_code == 200
    if entered:
        assert (await client.post("/v1/logout")).status_code == 204
    return entered


async def test_a_log_in_against_a_reset_leaves_no_session(world: World, rounds: int) -> None:
    ada = await world.member()
    assert (await ada.post("/v1/logout")).status_code == 204
    old = PASSWORD
    odds = Odds()
    for number in range(rounds):
        letter, new = await forgotten(world), f"the password, {number}"
        log_in, reset = await together(
            world.browser().log_in(ADA, old),
            world.browser().reset(new, token=letter.token),
            odds=odds,
        )
        assert (log_in in (200, 401), reset) == (True, 204)
        odds.told(first_won=log_in == 200)
        assert await live(world) == 0
        assert not await good(world, ADA, old)
        old = new
    assert await good(world, ADA, old)
    assert odds.were_even, "one side always won: nothing was raced"


async def test_a_hash_made_anew_against_a_reset_never_brings_the_old_password_back(
    world: World, rounds: int
) -> None:
    await world.member()
    odds = Odds()
    for number in range(rounds):
        old, new = f"the old one, {number}", f"the new one, {number}"
        async with world.vestibule.unit() as unit:
            stale = STALE.hash(old)
            await unit.session.execute(update(Account).values(password_hash=stale))
        letter = await forgotten(world)
        log_in, reset = await together(
            world.browser().log_in(ADA, old),
            world.browser().reset(new, token=letter.token),
            odds=odds,
        )
        assert (log_in in (200, 401), reset) == (True, 204)
        odds.told(first_won=log_in == 200)
        assert await live(world) == 0
        assert not await good(world, ADA, old)
        assert await good(world, ADA, new)
    assert odds.were_even, "one side always won: nothing was raced"


async def test_of_many_who_have_a_hash_made_anew_at_once_none_is_sent_away(world: World) -> None:
    await world.member()
    for number in range(5):
        async with world.vestibule.unit() as unit:
            stale = STALE.hash(f"the old one, {number}")
            await unit.session.execute(update(Account).values(password_hash=stale))
        tabs = [world.browser().log_in(ADA, f"the old one, {number}") for _ in range(8)]
        answers = await asyncio.gather(*tabs)
        assert [each.status_code for each in answers] == [200] * 8


async def test_a_log_in_against_a_change_leaves_the_callers_session_alone(
    world: World, rounds: int
) -> None:
    ada, old = await world.member(), PASSWORD
    for number in range(rounds):
        new = f"the password, {number}"
        log_in, change = await together(
            world.browser().log_in(ADA, old), ada.change_password(new, old)
        )
        assert (log_in in (200, 401), change) == (True, 200)
        assert await live(world) == 1
        assert (await ada.get("/v1/me")).status_code == 200
        old = new


async def make_key(client: Client) -> httpx.Response:
    return await client.post("/v1/me/api-keys", json={"name": "planted"})


async def test_a_key_against_a_reset_is_never_good_afterwards(world: World, rounds: int) -> None:
    await world.member()
    old, made = PASSWORD, 0
    for number in range(rounds):
        thief = world.browser()
        assert (await thief.log_in(ADA, old)).status_code == 200
        letter, new = await forgotten(world), f"the password, {number}"
        key = asyncio.create_task(make_key(thief))
        [reset] = await together(world.browser().reset(new, token=letter.token))
        answer = await key
        assert reset == 204
        assert answer.status_code in (201, 401)
        if answer.status_code == 201:
            made += 1
            robot = world.client(**{"X-API-Key": answer.json()["key"]})
            assert (await robot.get("/v1/me")).status_code == 401
        old = new
    assert made > 0


async def test_a_change_of_address_against_a_reset_is_one_or_the_other(
    world: World, rounds: int
) -> None:
    await world.member()
    old = PASSWORD
    address, other = ADA, NEW
    odds = Odds()
    for number in range(rounds):
        thief = world.browser()
        assert (await thief.log_in(address, old)).status_code == 200
        proof = await asked(world, thief, other)
        letter, new = await forgotten(world, address), f"the password, {number}"
        confirm, reset = await together(
            thief.post("/v1/email/confirmation", json={"token": proof.token}),
            world.browser().reset(new, token=letter.token),
            odds=odds,
        )
        assert (confirm == 200) != (reset == 204), (confirm, reset)
        odds.told(first_won=confirm == 200)
        if confirm == 200:
            address, other = other, address
        else:
            old = new
        assert await world.rows(select(Account.email)) == [(address,)]
        assert await good(world, address, old)
    assert odds.were_even, "one side always won: nothing was raced"


async def test_an_account_taken_back_against_the_thiefs_reset_is_never_the_thiefs(
    world: World, rounds: int
) -> None:
    thief = await world.member()
    for number in range(rounds):
        await changed(world, thief)
        hers = await former(world)
        his, mine = await forgotten(world, NEW), f"the thief's own, {number}"
        undo, reset = await together(
            world.browser().post("/v1/email/undo", json={"token": hers.token}),
            world.browser().reset(mine, token=his.token),
        )
        assert (undo, reset in (204, 400)) == (200, True)
        assert await world.rows(select(Account.email, Account.password_hash)) == [(ADA, None)]
        assert await live(world) == 0
        letter = await former(world)
        assert (await world.browser().reset(token=letter.token)).status_code == 204
        assert not await good(world, ADA, mine)
        thief = world.browser()
        assert (await thief.log_in(ADA, "a staple of wrong horses")).status_code == 200
