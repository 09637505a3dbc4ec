"""Servers and couriers killed while people sign up: nothing acknowledged is lost."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.faults.fleet import Fleet
from tests.faults.invariants import violations
from tests.faults.test_letters import all_sent, end_leases, mailgun
from tests.faults.traffic import Crowd, code_for, recipients
from tests.mailservers import MailgunStub
from vestibule.courier.models import Letter
from vestibule.courier.worker import AT_ONCE
from vestibule.kernel.database import Database

MANY = 200
AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(3000)]


async def sign_up_without_pause(
    crowd: Crowd, provider: MailgunStub, wanted: int, stop: asyncio.Event
) -> None:
    """Sign up one after the other, and prove every fourth address once its letter came."""
    while len(crowd.told.asked) < wanted or not stop.is_set():
        if not crowd.ports:  # the only server was killed
            await asyncio.sleep(0.02)
            continue
        if len(crowd.told.asked) >= wanted:
            await asyncio.sleep(0.05)
        address = await crowd.sign_up()
        earlier = f"{random.randrange(len(crowd.told.asked) + 1) // 4 * 4}@example.org"
        code = code_for(provider, earlier) if earlier in crowd.handles else None
        if code and earlier not in crowd.tried:
            await crowd.prove(earlier, code)
        if address not in crowd.told.asked:
            await asyncio.sleep(0.02)


async def nothing_queued(database: Database) -> None:
    """Wait until those who live have sent what they hold; what is left is held by the dead."""
    before, held = -1, 0
    async with asyncio.timeout(60):
        while before != held:
            await asyncio.sleep(1)
            before = held
            async with database.engine.begin() as connection:
                rows = (await connection.execute(select(Letter.state))).scalars().all()
            held = len(rows) if "queued" in rows else rows.count("sending")


@pytest.mark.fault("F-01")
@pytest.mark.fault("F-03")
@pytest.mark.parametrize("kills, sign_ups", [(1, 12), pytest.param(MANY, 2000, marks=AT_SIZE)])
async def test_servers_killed_while_people_sign_up_lose_no_letter(
    database_url: str, tmp_path: Path, kills: int, sign_ups: int
) -> None:
    database = Database(database_url)
    async with MailgunStub() as provider:
        count = 1 if database.is_sqlite else 3
        async with (
            Fleet(tmp_path, count, **mailgun(provider, database_url)) as fleet,
            AsyncExitStack() as stack,
        ):
            crowd = stack.enter_context(closing(Crowd(fleet.ports)))
            stop = asyncio.Event()
            people = [
                asyncio.create_task(sign_up_without_pause(crowd, provider, sign_ups, stop))
                for _ in range(6)
            ]
            while fleet.kills < kills:
                due = sign_ups * (fleet.kills + 1) // (kills + 1)
                while len(crowd.told.asked) < due:
                    await asyncio.sleep(0.002)
                await asyncio.sleep(random.uniform(0, 0.05))
                await fleet.kill_one()
            stop.set()
            await asyncio.gather(*people)
            if kills < 100:
                await nothing_queued(database)
                await end_leases(database)  # of the dead; the living have nothing to send
            await all_sent(database, within=120)
    copies = Counter(recipients(provider))
    broken = await violations(database, crowd.told, delivered=copies.elements())
    await database.close()
    lost = [address for address in crowd.told.asked if not copies[address]]
    again = sum(count - 1 for count in copies.values())
    print(  # noqa: T201
        f"\n  {'SQLite' if database.is_sqlite else 'PostgreSQL'}: {fleet.kills} kills, "
        f"{len(crowd.told.asked)} sign-ups answered, {len(crowd.told.unheard)} not, "
        f"{len(crowd.told.proved)} proved; {len(lost)} letters lost, {again} sent twice"
    )
    assert broken == []
    assert lost == []
    # A kill may meet all that its server has under way; most meet none of it.
    assert again <= fleet.kills * (AT_ONCE if kills < MANY else 1)
    assert len(crowd.told.asked) >= sign_ups
    assert set(crowd.counted()) <= {0, 200, 202}
