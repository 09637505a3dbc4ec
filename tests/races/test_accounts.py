"""What happens when it happens at once; on PostgreSQL unless said otherwise."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from tests.races.odds import Odds
from tests.world import PASSWORD, World
from vestibule.accounts import state
from vestibule.accounts.models import Account, Challenge
from vestibule.sessions.models import Session


@pytest.fixture(params=[60, pytest.param(200, marks=pytest.mark.prove)])
def rounds(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
async def postgres_world(postgres_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(postgres_url, tmp_path) as made:
        yield made


async def test_a_log_in_against_disabling_leaves_no_live_session(
    postgres_world: World, rounds: int
) -> None:
    world = postgres_world
    ada = await world.member()
    odds = Odds()

    async def log_in(wait: float) -> httpx.Response:
        await asyncio.sleep(wait)
        return await ada.log_in()

    async def disable(wait: float) -> None:
        await asyncio.sleep(wait)
        async with world.vestibule.unit() as unit:
            assert await state.disable(unit, account)

    [(account,)] = await world.rows(select(Account.id))
    for _ in range(rounds):
        first, second = odds.waits()
        answer, _ = await asyncio.gather(log_in(first), disable(second))
        assert answer.status_code in (200, 401)
        odds.told(first_won=answer.status_code == 200)
        live = await world.rows(select(Session.id).where(Session.ended_at.is_(None)))
        assert live == []
        async with world.vestibule.unit() as unit:
            assert await state.enable(unit, account)
    assert odds.were_even, "one side always won: nothing was raced"


async def test_proving_one_challenge_twice_succeeds_once(
    postgres_world: World, rounds: int
) -> None:
    world = postgres_world
    browser = world.browser()
    for number in range(rounds):
        address = f"ada{number}@example.org"
        handle = (await browser.sign_up(address)).json()["sign_up"]
        letter = (await world.mails(address))[-1]
        answers = await asyncio.gather(
            browser.prove(sign_up=handle, code=letter.code),
            browser.prove(token=letter.token, password=PASSWORD),
        )
        assert sorted(each.status_code for each in answers) == [200, 400]
    assert len(await world.rows(select(Account.id))) == rounds


async def test_of_many_proofs_of_one_address_one_opens_the_account(world: World) -> None:
    """Each sign-up has a password of its own; only that of the one that opened works."""
    browser = world.browser()
    letters = []
    for number in range(12):
        spelled = "ada@example.org" if number % 2 else "ADA@Example.ORG"
        asked = await browser.sign_up(spelled, password=f"password number {number}")
        assert asked.status_code == 202
        letters.append((asked.json()["sign_up"], f"password number {number}"))
    codes = [mail.code for mail in await world.mails()]
    answers = await asyncio.gather(
        *(
            browser.prove(sign_up=handle, code=code)
            for (handle, _), code in zip(letters, codes, strict=True)
        )
    )
    outcomes = Counter(each.status_code for each in answers)
    assert outcomes[200] == 1
    assert set(outcomes) <= {200, 400, 429}
    [(account,)] = await world.rows(select(Account.id))
    assert account is not None
    works = [
        password
        for _, password in letters
        if (await world.browser().log_in(password=password)).status_code == 200
    ]
    assert len(works) == 1
    assert await world.rows(select(Challenge.id).where(Challenge.used_at.is_(None))) == []


async def test_a_name_wanted_by_many_goes_to_one(world: World) -> None:
    answers = await asyncio.gather(
        *(world.browser().sign_up(None, username=name) for name in ("ada", "ADA", "Ada", "aDa") * 4)
    )
    assert Counter(each.status_code for each in answers) == {201: 1, 409: 15}


async def test_another_letter_against_the_proof_never_reopens_it(
    postgres_world: World, rounds: int
) -> None:
    world = postgres_world
    browser = world.browser()
    for number in range(rounds // 4):
        address = f"ada{number}@example.org"
        handle = (await browser.sign_up(address)).json()["sign_up"]
        letter = (await world.mails(address))[-1]
        proof, again = await asyncio.gather(
            browser.prove(sign_up=handle, code=letter.code),
            browser.post("/v1/accounts/verification/letters", json={"sign_up": handle}),
        )
        assert again.status_code == 202
        assert proof.status_code in (200, 400)
        later = (await world.mails(address))[-1]
        if proof.status_code == 200 and later.code is not None:
            assert (await browser.prove(sign_up=handle, code=later.code)).status_code == 400
        elif proof.status_code == 400:
            assert (await browser.prove(sign_up=handle, code=later.code)).status_code == 200
    assert len(await world.rows(select(Account.id))) == rounds // 4
