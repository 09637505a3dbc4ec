"""Three servers whose database stops, crashes, or is out of reach for a while."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from tests.faults.fleet import Fleet
from tests.faults.invariants import violations
from tests.faults.test_database import through
from tests.faults.test_letters import mailgun
from tests.faults.traffic import Crowd, Outcome, figures
from tests.mailservers import MailgunStub
from tests.postgres import Server
from tests.proxy import proxy, socket_of
from vestibule.kernel.database import Database
from vestibule.kernel.memory import TRUST

AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(600)]
AFTERWARDS = 5.0  # seconds in which a server may still notice that its database is back
POOL = 5
AN_AGE = 60


async def connections(postgres: Server, database_url: str) -> int:
    """How many clients a database has, besides the psql of the tests."""
    name = database_url.partition("@/")[2].partition("?")[0]
    counting = (
        "SELECT count(*) FROM pg_stat_activity "
        f"WHERE datname = '{name}' AND application_name <> 'psql'"
    )
    return int(await asyncio.to_thread(postgres.execute, counting))


async def all_well(crowd: Crowd, *, times: int) -> None:
    """Ask every server; a connection that is dead would be met."""
    crowd.outcomes.clear()
    await asyncio.gather(*(crowd.who_am_i() for _ in range(times)))
    assert set(crowd.counted()) == {200}


def failed(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [each for each in outcomes if each.status not in (200, 201, 202, 204)]


@pytest.mark.fault("F-07")
@pytest.mark.parametrize(
    "a_second, before, after, restarts",
    [(40, 0.5, 2, 1), pytest.param(200, 5, 8, 2, marks=AT_SIZE)],
)
async def test_a_crash_of_the_database_is_over_when_the_database_is_back(
    postgres: Server,
    postgres_url: str,
    tmp_path: Path,
    a_second: float,
    before: float,
    after: float,
    restarts: int,
) -> None:
    async with MailgunStub() as provider:
        variables = mailgun(provider, postgres_url) | {"VESTIBULE_DATABASE_POOL_SIZE": f"{POOL}"}
        async with Fleet(tmp_path, 3, **variables) as fleet, AsyncExitStack() as stack:
            processes = [served.process.pid for served in fleet.servers]
            crowd = stack.enter_context(closing(Crowd(fleet.ports)))
            await crowd.settle()
            stop = asyncio.Event()
            traffic = asyncio.create_task(crowd.at_a_rate(a_second, until=stop))
            gaps = []
            for _ in range(restarts):
                await asyncio.sleep(before)
                gone = time.perf_counter()
                await asyncio.to_thread(postgres.restart, "QUIT")
                gaps.append((gone, time.perf_counter()))
                await asyncio.sleep(after)
            stop.set()
            await traffic
            told = list(crowd.outcomes)
            assert [served.process.pid for served in fleet.servers] == processes
            assert all(served.process.returncode is None for served in fleet.servers)
            await all_well(crowd, times=60)
            assert await connections(postgres, postgres_url) <= 3 * (POOL + 1)
    bad = failed(told)
    last = max((each.at + each.took - gaps[-1][1] for each in bad), default=0)
    print(  # noqa: T201
        f"\n  database away for {', '.join(f'{end - gone:.2f}' for gone, end in gaps)} s: "
        f"{figures(told)}; the last refusal {last:+.2f} s after it was back"
    )
    assert {each.status for each in bad} <= {503}
    for each in bad:
        assert any(
            each.at + each.took >= gone and each.at <= end + AFTERWARDS for gone, end in gaps
        ), each
    assert [each for each in told if each.took >= 10] == []
    database = Database(postgres_url)
    assert await violations(database, crowd.told) == []
    await database.close()


@pytest.mark.fault("F-09")
@pytest.mark.parametrize("seconds", [2, pytest.param(AN_AGE, marks=AT_SIZE)])
async def test_a_server_that_cannot_reach_its_database_says_so_and_lives(
    postgres: Server, postgres_url: str, tmp_path: Path, seconds: float
) -> None:
    async with MailgunStub() as provider, proxy(socket_of(postgres.folder)) as front:
        variables = mailgun(provider, through(front, postgres_url))
        async with Fleet(tmp_path, 1, **variables) as fleet, AsyncExitStack() as stack:
            crowd = stack.enter_context(closing(Crowd(fleet.ports)))
            await crowd.settle()
            crowd.outcomes.clear()
            front.swallow()
            start, stop = time.perf_counter(), asyncio.Event()
            traffic = asyncio.create_task(crowd.at_a_rate(10, until=stop))
            healthy = []
            while time.perf_counter() - start < seconds:
                await asyncio.sleep(0.1)
                healthy.append(await crowd.healthz())
            stop.set()
            await traffic
            told = list(crowd.outcomes)
            front.flow()
            async with asyncio.timeout(AFTERWARDS):
                while await crowd.who_am_i() != 200:
                    await asyncio.sleep(0.1)
            await all_well(crowd, times=20)
    bad = [each for each in told if each.what != "healthz"]
    print(  # noqa: T201
        f"\n  packets dropped for {seconds} s: {figures(bad)}; "
        f"healthz {len(healthy)} times, the slowest {max(healthy) * 1000:.0f} ms"
    )
    # Who was known a moment ago is known for a second.
    assert 503 in {each.status for each in bad} <= {200, 503}
    assert {each.status for each in bad if each.at > start + TRUST + 0.1} == {503}
    if seconds == AN_AGE:
        assert max(each.took for each in bad) <= 6
        assert max(healthy) < 0.1
    database = Database(postgres_url)
    assert await violations(database, crowd.told) == []
    await database.close()
