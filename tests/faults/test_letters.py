"""Letters through kills and through what mail providers do: at least once, never zero."""

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from tests.mailservers import DROP, HANG, Answer, MailgunStub
from tests.processes import Served, serving
from tests.world import PASSWORD, World
from vestibule.accounts.models import Challenge
from vestibule.courier.models import Letter
from vestibule.kernel.database import Database

ROUNDS = [1, pytest.param(200, marks=[pytest.mark.prove, pytest.mark.timeout(3000)])]


def mailgun(stub: MailgunStub, database_url: str) -> dict[str, str]:
    return {
        "VESTIBULE_DATABASE_URL": database_url,
        "VESTIBULE_MAIL_TRANSPORT": "mailgun",
        "VESTIBULE_MAIL_FROM": "no-reply@example.test",
        "VESTIBULE_MAILGUN_API_KEY": "key",
        "VESTIBULE_MAILGUN_DOMAIN": "example.test",
        "VESTIBULE_MAILGUN_BASE_URL": stub.url,
    }


async def sign_up(served: Served, email: str) -> None:
    async with served.client() as client:
        body = {"email": email, "password": PASSWORD}
        answer = await client.post("/v1/accounts", json=body)
        assert answer.status_code == 202, answer.text


async def end_leases(database: Database) -> None:
    """Let time pass for the letters of the dead."""
    async with database.engine.begin() as connection:
        at = Letter.created_at
        await connection.execute(
            update(Letter).where(Letter.state == "sending").values(next_try_at=at)
        )


async def all_sent(database: Database, *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while True:
            async with database.engine.begin() as connection:
                waiting = await connection.scalar(
                    select(func.count()).select_from(Letter).where(Letter.state != "sent")
                )
            if waiting == 0:
                return
            await asyncio.sleep(0.05)


@pytest.mark.fault("F-01")
@pytest.mark.parametrize("rounds", ROUNDS)
async def test_a_kill_after_the_commit_loses_no_letter(
    database_url: str, tmp_path: Path, rounds: int
) -> None:
    database = Database(database_url)
    async with MailgunStub() as stub:
        variables = mailgun(stub, database_url)
        for number in range(rounds):
            async with serving(tmp_path, **variables) as served:
                await sign_up(served, f"{number}@example.org")
                await asyncio.sleep(random.uniform(0, 0.05))
                await served.kill()
        await end_leases(database)
        async with serving(tmp_path, **variables):
            await all_sent(database)
    async with database.engine.begin() as connection:
        asked = await connection.scalar(select(func.count()).select_from(Challenge))
    await database.close()
    assert asked == rounds, "each that was answered is there, once"
    for number in range(rounds):
        copies = [post for post in stub.letters if post.fields["to"] == [f"{number}@example.org"]]
        assert len(copies) in (1, 2)
        assert len({str(copy.fields) for copy in copies}) == 1


@pytest.mark.fault("F-02")
async def test_a_kill_after_the_provider_took_a_letter_sends_the_same_letter_again(
    database_url: str, tmp_path: Path
) -> None:
    database = Database(database_url)
    async with MailgunStub([HANG]) as stub:
        variables = mailgun(stub, database_url)
        async with serving(tmp_path, **variables) as served:
            await sign_up(served, "ada@example.org")
            async with asyncio.timeout(10):
                while not stub.posted:
                    await asyncio.sleep(0.01)
            await served.kill()
        await end_leases(database)
        async with serving(tmp_path, **variables):
            await all_sent(database)
        first, second = stub.posted
        assert first.fields == second.fields
        assert first.fields["h:Message-Id"] == second.fields["h:Message-Id"]
    await database.close()


@pytest.mark.fault("F-20")
async def test_a_provider_that_hangs_holds_up_neither_requests_nor_other_letters(
    database_url: str, tmp_path: Path
) -> None:
    async with (
        MailgunStub([HANG, HANG]) as stub,
        serving(tmp_path, **mailgun(stub, database_url)) as served,
    ):
        for number in range(12):
            await sign_up(served, f"{number}@example.org")
        await stub.wait_for(10)
        tried = {post.fields["to"][0] for post in stub.posted}
        assert len(tried - {post.fields["to"][0] for post in stub.letters}) == 2
        await served.kill()  # a stop would wait for the two


@pytest.mark.fault("F-21")
@pytest.mark.parametrize(
    "answers, state, attempts",
    [
        ([Answer(status=429, headers={"Retry-After": "7"})], "sent", 2),
        ([Answer(status=500), Answer(status=503), DROP], "sent", 4),
        ([Answer(body="<html>Welcome to the hotel network</html>")], "sent", 2),
        ([Answer(status=404, body="{}")], "sent", 2),
        ([Answer(status=401, body="Forbidden")], "sent", 2),
        (
            [Answer(status=400, body='{"message": "to parameter is not a valid address"}')],
            "failed",
            1,
        ),
        ([Answer(status=302, headers={"Location": "http://evil.test/"})], "sent", 2),
    ],
    ids=["429", "5xx and a reset", "html", "404", "401", "400", "redirect"],
)
async def test_each_letter_ends_sent_or_failed_whatever_the_provider_answers(
    database_url: str, tmp_path: Path, answers: list[Answer | str], state: str, attempts: int
) -> None:
    async with (
        MailgunStub(answers) as stub,
        World.running(
            database_url,
            tmp_path,
            mail_transport="mailgun",
            mail_from="no-reply@example.test",
            mailgun_api_key="key",
            mailgun_domain="example.test",
            mailgun_base_url=stub.url,
        ) as world,
    ):
        await world.browser().sign_up()
        for _ in range(attempts):
            assert await world.vestibule.courier.send_due() == 1
            world.clock.move(timedelta(minutes=2))
        assert await world.vestibule.courier.send_due() == 0
        [(found, tried, error)] = await world.rows(
            select(Letter.state, Letter.attempts, Letter.last_error)
        )
    assert (found, tried) == (state, attempts)
    assert (error is None) == (state == "sent")
    assert len({post.fields["h:Message-Id"][0] for post in stub.posted}) == 1


@pytest.mark.fault("F-21")
async def test_a_link_that_is_out_of_date_is_not_sent_after_an_outage(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path) as world:
        await world.browser().sign_up()
        world.clock.move(timedelta(hours=25))
        assert await world.mails() == []
        assert await world.rows(select(Letter.state, Letter.payload)) == [("dropped", None)]
