"""A row that nobody can work with: it ends where it can be seen, and everybody else goes on."""

import resource
import time

import pytest
from sqlalchemy import select, update

from tests.world import World
from vestibule.accounts.models import Account
from vestibule.courier.models import Letter


@pytest.mark.fault("F-41")
async def test_a_letter_that_can_never_be_written_is_parked_and_the_others_leave(
    world: World,
) -> None:
    for number in range(12):
        await world.client().sign_up(f"{number}@example.org")
    async with world.vestibule.unit() as unit:
        spoilt = (f"{number}@example.org" for number in range(9))
        await unit.session.execute(
            update(Letter).where(Letter.recipient.in_(spoilt)).values(payload=b"nonsense")
        )
    left = [mail.to for mail in await world.mails()]
    assert left == ["9@example.org", "10@example.org", "11@example.org"]
    parked = await world.rows(
        select(Letter.attempts, Letter.last_error).where(Letter.state == "failed")
    )
    assert len(parked) == 9
    assert {attempts for attempts, _ in parked} == {1}
    assert all(error for _, error in parked)


@pytest.mark.fault("F-41")
@pytest.mark.parametrize(
    "corrupt",
    [
        "$argon2id$v=19$m=1048576,t=1,p=4$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=8,t=10000000,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=99999999999999999999,t=1,p=1$c2FsdHNhbHRzYWx0$AAAA",
        "not a hash",
    ],
    ids=["memory", "passes", "no number of a machine's", "nonsense"],
)
async def test_a_corrupt_hash_is_a_wrong_password_and_costs_no_more(
    world: World, corrupt: str
) -> None:
    await world.member()
    await world.member("bob@example.org")
    async with world.vestibule.unit() as unit:
        await unit.session.execute(
            update(Account).where(Account.email == "ada@example.org").values(password_hash=corrupt)
        )
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    answer = await world.client().log_in()
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert time.perf_counter() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024  # KiB
    assert (await world.client().log_in("bob@example.org")).status_code == 200
