"""What happens to moved-in people when it happens at once; on PostgreSQL."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.moving.hashes import made_from
from tests.races.odds import Odds
from tests.world import NEW_PASSWORD, PASSWORD, World
from vestibule.accounts.models import Account
from vestibule.kernel.foreign import is_foreign
from vestibule.moving import arrival, people
from vestibule.moving.people import Newcomer, Reading, Row
from vestibule.sessions.models import Session


def newcomers(many: int) -> list[Newcomer]:
    reading = Reading(columns={each: each for each in ("id", "email", "password")}, all_proved=True)
    hashed = made_from(PASSWORD)["bcrypt"]
    rows = (
        Row("", {"id": number, "email": f"p{number}@example.org", "password": hashed})
        for number in range(many)
    )
    return [read for read, _ in (people.read(row, reading) for row in rows) if read is not None]


@pytest.mark.parametrize("rounds", [60, pytest.param(200, marks=pytest.mark.prove)])
async def test_a_log_in_that_hashes_anew_against_a_reset_brings_no_old_password_back(
    postgres_url: str, tmp_path: Path, rounds: int
) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        await world.vestibule.run(lambda unit: arrival.move_in(unit, newcomers(rounds)))
        odds = Odds()
        for number in range(rounds):
            address = f"p{number}@example.org"
            await world.browser().forget(address)
            [letter] = await world.mails(address)

            async def log_in(wait: float, address: str = address) -> int:
                await asyncio.sleep(wait)
                return (await world.browser().log_in(address)).status_code

            async def reset(wait: float, token: str = letter.token) -> int:
                await asyncio.sleep(wait)
                return (await world.browser().reset(token=token)).status_code

            first, second = odds.waits()
            entered, status = await asyncio.gather(log_in(first), reset(second))
            assert status in (204, 400), "the reset found another hash than its letter was for"
            assert entered in (200, 401)
            odds.told(first_won=entered == 200)
            if status == 400:
                assert entered == 200
                continue
            assert (await world.browser().log_in(address)).status_code == 401
            [(kept,)] = await world.rows(
                select(Account.password_hash).where(Account.email_key == address)
            )
            assert not is_foreign(kept)
            live = select(Session.id).join(Account, Account.id == Session.account_id)
            ours = (Account.email_key == address, Session.ended_at.is_(None))
            assert await world.rows(live.where(*ours)) == []
            new = await world.browser().log_in(address, NEW_PASSWORD)
            assert new.status_code == 200
        assert odds.were_even, "one side always won: nothing was raced"


async def test_two_imports_at_once_move_everybody_in_once(
    postgres_url: str, tmp_path: Path
) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        batches = [newcomers(600)[start : start + 100] for start in range(0, 600, 100)]

        async def move(order: list[list[Newcomer]]) -> int:
            came = 0
            for batch in order:
                arrived = await world.vestibule.run(partial(arrival.move_in, newcomers=batch))
                assert not arrived.problems
                came += arrived.came
            return came

        came = await asyncio.gather(move(batches), move(batches[::-1]), move(batches))
        assert sum(came) == 600
        assert len(await world.rows(select(Account.id))) == 600
