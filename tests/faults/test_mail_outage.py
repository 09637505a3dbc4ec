"""The mail provider is away for hours, a letter cannot be sent, couriers are killed."""

import random
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.faults.invariants import Told, violations
from tests.faults.test_letters import all_sent, end_leases, mailgun
from tests.faults.traffic import recipients
from tests.mailservers import DROP, Answer, MailgunStub
from tests.processes import serving
from tests.world import CHEAP, World
from vestibule import Settings, Vestibule
from vestibule.courier import letters, outbox
from vestibule.courier.models import Letter
from vestibule.kernel.database import Database

AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(3000)]
AWAY = (Answer(status=503, body="{}"), DROP, Answer(status=502, body="<html>Bad Gateway</html>"))


class Unreliable(MailgunStub):
    """A provider that is away for as long as it is told."""

    away = False

    def next_answer(self) -> object:
        return random.choice(AWAY) if self.away else super().next_answer()


def through_mailgun(stub: MailgunStub) -> dict[str, Any]:  # Any: settings
    return {
        "mail_transport": "mailgun",
        "mail_from": "no-reply@example.test",
        "mailgun_api_key": "key",
        "mailgun_domain": "example.test",
        "mailgun_base_url": stub.url,
    }


@pytest.mark.fault("F-22")
@pytest.mark.fault("F-21")
@pytest.mark.parametrize(
    "hours, an_hour",
    [(1, 24), pytest.param(1, 600, marks=AT_SIZE), pytest.param(6, 800, marks=AT_SIZE)],
)
async def test_after_an_outage_all_letters_leave_oldest_first_and_none_that_is_out_of_date(
    database_url: str, tmp_path: Path, hours: int, an_hour: int
) -> None:
    lifetime = timedelta(hours=hours) - timedelta(minutes=10)
    async with (
        Unreliable() as provider,
        World.running(
            database_url, tmp_path, sign_up_lifetime=lifetime, **through_mailgun(provider)
        ) as world,
    ):
        told, people = Told(), []
        provider.away = True
        for number in range(hours * an_hour):
            address = f"{number}@example.org"
            assert (await world.client().sign_up(address)).status_code == 202
            told.asked[address] += 1
            people.append((address, world.clock.now()))
            world.clock.move(timedelta(hours=1) / an_hour)
            if number % (an_hour // 12) == 0:
                await world.vestibule.courier.send_due()
        assert provider.letters == []
        assert (await world.client().sign_up(None, username="meanwhile")).status_code == 201
        assert (await world.browser().log_in("meanwhile")).status_code == 200
        provider.away = False
        world.clock.move(timedelta(minutes=20))  # longer than any letter waits for its next try
        back = world.clock.now()
        while await world.vestibule.courier.send_due():
            pass
        left = recipients(provider)
        states = Counter(state for (state,) in await world.rows(select(Letter.state)))
        print(f"\n  away for {hours} h, {len(people)} sign-ups: {dict(states)}")  # noqa: T201
        wanted = [address for address, asked_at in people if asked_at + lifetime > back]
        assert 0 < len(wanted) < len(people)
        assert [each for each in left if each in wanted] == wanted, "all of them, oldest first"
        assert len(left) == len(set(left))
        late = set(left) - set(wanted)
        assert len(late) <= 1, "one may run out between our look at the clock and theirs"
        assert (
            await violations(world.vestibule.means.database, told, delivered=left, now=back) == []
        )


@pytest.mark.fault("F-23")
@pytest.mark.parametrize(
    "count, kills", [(60, 2), *(pytest.param(10_000, n, marks=AT_SIZE) for n in (0, 40))]
)
async def test_four_couriers_share_one_outbox(
    database_url: str, tmp_path: Path, count: int, kills: int
) -> None:
    database = Database(database_url)
    async with MailgunStub() as provider:
        variables = mailgun(provider, database_url) | {"VESTIBULE_DATA_DIR": str(tmp_path / "data")}
        await post(database_url, tmp_path, count)
        command = ("courier", "run")
        killed = 0
        async with AsyncExitStack() as stack:
            couriers = [
                await stack.enter_async_context(
                    serving(tmp_path, *command, says="Sending", **variables)
                )
                for _ in range(2 if count < 1000 else 4)
            ]
            while killed < kills:
                await provider.wait_for(count * (killed + 1) // (kills + 2), within=600)
                await couriers.pop(0).kill()
                killed += 1
                couriers.append(
                    await stack.enter_async_context(
                        serving(tmp_path, *command, says="Sending", **variables)
                    )
                )
            if kills:
                await provider.wait_for(count // 2, within=600)
                await end_leases(database)
            await all_sent(database, within=600)
    copies = Counter(recipients(provider))
    broken = await violations(database, Told(), delivered=copies.elements())
    await database.close()
    again = sum(number - 1 for number in copies.values())
    print(  # noqa: T201
        f"\n  {'SQLite' if database.is_sqlite else 'PostgreSQL'}: {count} letters, {killed} kills: "
        f"{count - len(copies)} lost, {again} sent twice"
    )
    assert len(copies) == count
    assert again <= killed
    assert [each for each in broken if "about nothing" not in each] == []


async def post(database_url: str, folder: Path, count: int) -> None:
    """Put letters into the outbox that are about nothing."""
    vestibule = Vestibule(
        Settings.load(database_url=database_url, data_dir=folder / "data"), hasher=CHEAP
    )
    for start in range(0, count, 100):
        async with vestibule.unit() as unit:
            for number in range(start, min(count, start + 100)):
                draft = letters.custom(
                    to=f"{number}@example.org",
                    subject="Hello",
                    text="Good day",
                    expires_at=unit.now + timedelta(hours=1),
                )
                await outbox.post(unit, draft)
    await vestibule.stop()
