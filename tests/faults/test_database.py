"""The database is slow, gone, elsewhere, or takes a transaction back."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any  # Any: whatever the settings take

import httpx
import pytest
from sqlalchemy import func, select, text

from tests.pgbouncer import pgbouncer
from tests.postgres import Server
from tests.proxy import Proxy, proxy, socket_of
from tests.world import World
from vestibule.audit.log import Entry
from vestibule.kernel.errors import BadCredentials
from vestibule.kernel.unit import Unit
from vestibule.throttle.counters import Counter as Counted


def through(front: Proxy, database_url: str) -> str:
    """The URL of the same database, by way of the proxy."""
    name = database_url.partition("@/")[2].partition("?")[0]
    return f"postgresql://postgres@127.0.0.1:{front.port}/{name}"


@asynccontextmanager
async def behind_a_proxy(
    postgres: Server, postgres_url: str, folder: Path, **settings: Any
) -> AsyncIterator[tuple[World, Proxy]]:
    async with (
        proxy(socket_of(postgres.folder)) as front,
        World.running(through(front, postgres_url), folder, **settings) as world,
    ):
        yield world, front


async def timed(asking: object) -> tuple[httpx.Response, float]:
    start = time.perf_counter()
    answer = await asking  # type: ignore[misc] # whatever httpx's methods return
    return answer, time.perf_counter() - start


class TestTakenBack:
    @pytest.mark.fault("F-11")
    async def test_two_who_swap_usernames_at_once_are_both_answered(
        self, postgres_url: str, tmp_path: Path
    ) -> None:
        """Each waits for the name that the other has: a deadlock, and its loser tries again."""
        async with World.running(postgres_url, tmp_path, username_change=True) as world:
            ada = await world.member("ada@example.org", username="ada")
            bob = await world.member("bob@example.org", username="bob")
            for _ in range(20):
                answers = await asyncio.gather(
                    ada.patch("/v1/me", json={"username": "bob"}),
                    bob.patch("/v1/me", json={"username": "ada"}),
                )
                assert {each.status_code for each in answers} <= {200, 409}
                for client, name in ((ada, "ada"), (bob, "bob")):
                    restored = await client.patch("/v1/me", json={"username": name})
                    assert restored.status_code in (200, 409)

    @pytest.mark.fault("F-11")
    async def test_opposite_updates_end_with_each_applied_once(
        self, postgres_url: str, tmp_path: Path
    ) -> None:
        async with World.running(postgres_url, tmp_path) as world:
            async with world.vestibule.unit() as unit:
                for name in ("one", "two"):
                    unit.session.add(
                        Counted(limit_name=name, key_digest=b"x", count=0, resets_at=unit.now)
                    )
            met = asyncio.Barrier(2)

            async def add(unit: Unit, first: str, second: str) -> None:
                for name in (first, second):
                    await unit.session.execute(
                        text("UPDATE counters SET count = count + 1 WHERE limit_name = :name"),
                        {"name": name},
                    )
                    if name == first and not met.broken:
                        try:
                            async with asyncio.timeout(1):
                                await met.wait()
                        except (TimeoutError, asyncio.BrokenBarrierError):
                            await met.abort()

            await asyncio.gather(
                world.vestibule.run(lambda unit: add(unit, "one", "two")),
                world.vestibule.run(lambda unit: add(unit, "two", "one")),
            )
            rows = await world.rows(
                select(Counted.limit_name, Counted.count).order_by("limit_name")
            )
            assert rows == [("one", 2), ("two", 2)]

    @pytest.mark.fault("F-11")
    @pytest.mark.parametrize("state", ["40001", "40P01"])
    async def test_what_is_taken_back_twice_is_done_once(
        self, postgres_url: str, tmp_path: Path, state: str
    ) -> None:
        async with World.running(postgres_url, tmp_path) as world:
            ada = await world.member()
            async with world.vestibule.unit() as unit:
                for statement in fails_first(2, state):
                    await unit.session.execute(text(statement))
            answer = await ada.patch("/v1/me", json={"given_name": "Ada"})
            assert (answer.status_code, answer.json()["given_name"]) == (200, "Ada")
            changed = select(func.count()).where(Entry.event == "account.changed")
            assert await world.rows(changed) == [(1,)]

    async def test_what_is_taken_back_for_ever_is_told(
        self, postgres_url: str, tmp_path: Path
    ) -> None:
        async with World.running(postgres_url, tmp_path) as world:
            ada = await world.member()
            async with world.vestibule.unit() as unit:
                for statement in fails_first(1_000, "40001"):
                    await unit.session.execute(text(statement))
            answer = await ada.patch("/v1/me", json={"given_name": "Ada"})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert (await ada.get("/v1/me")).json()["given_name"] is None

    async def test_a_refusal_is_no_reason_to_try_again(
        self, database_url: str, tmp_path: Path
    ) -> None:
        async with World.running(database_url, tmp_path) as world:
            runs = []

            async def refuse(unit: Unit) -> None:
                runs.append(unit)
                raise BadCredentials

            with pytest.raises(BadCredentials):
                await world.vestibule.run(refuse)
            assert len(runs) == 1


def fails_first(times: int, state: str) -> Iterator[str]:
    """Have the first changes of accounts fail; a sequence counts what is rolled back too."""
    yield "CREATE SEQUENCE tried"
    yield f"""
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('tried') <= {times} THEN
                RAISE EXCEPTION 'taken back' USING ERRCODE = '{state}';
            END IF;
            RETURN NEW;
        END $$
    """
    yield "CREATE TRIGGER fail BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION fail()"


class TestGone:
    @pytest.mark.fault("F-09")
    async def test_a_network_that_swallows_everything_is_told_in_six_seconds(
        self, postgres: Server, postgres_url: str, tmp_path: Path
    ) -> None:
        async with behind_a_proxy(postgres, postgres_url, tmp_path, database_pool_size=2) as (
            world,
            front,
        ):
            ada = await world.member()
            front.swallow()
            asked = [
                *(asyncio.create_task(timed(ada.get("/v1/me"))) for _ in range(8)),
                *(asyncio.create_task(timed(world.client().log_in())) for _ in range(4)),
                *(
                    asyncio.create_task(timed(world.client().sign_up(f"{n}@x.org")))
                    for n in range(4)
                ),
            ]
            await asyncio.sleep(1)
            healthy, took = await timed(world.client().get("/healthz"))
            assert healthy.status_code == 200
            assert took < 1
            for answer, took in await asyncio.gather(*asked):
                assert answer.status_code == 503, answer.text
                assert "retry-after" in answer.headers
                assert took < 8  # six, and what a busy machine adds
            front.flow()
            await until_well(ada)
            assert front.connections <= 2 + 1

    @pytest.mark.fault("F-07")
    async def test_connections_that_died_while_they_rested_cost_nobody_an_answer(
        self, postgres: Server, postgres_url: str, tmp_path: Path
    ) -> None:
        async with behind_a_proxy(postgres, postgres_url, tmp_path) as (world, front):
            ada = await world.member()
            await asyncio.gather(*(ada.get("/v1/me/sessions") for _ in range(20)))
            front.cut()
            await asyncio.sleep(0.1)
            answers = await asyncio.gather(*(ada.get("/v1/me/sessions") for _ in range(20)))
            assert {each.status_code for each in answers} == {200}

    @pytest.mark.fault("F-07")
    async def test_a_database_that_refuses_is_told_at_once_and_comes_back(
        self, postgres: Server, postgres_url: str, tmp_path: Path
    ) -> None:
        async with behind_a_proxy(postgres, postgres_url, tmp_path) as (world, front):
            ada = await world.member()
            front.refuse()
            answers = await asyncio.gather(*(ada.get("/v1/me") for _ in range(20)))
            assert {each.status_code for each in answers} == {503}
            front.flow()
            await until_well(ada)

    @pytest.mark.fault("F-10")
    async def test_a_slow_network_ends_in_answers_and_every_connection_comes_back(
        self, postgres: Server, postgres_url: str, tmp_path: Path
    ) -> None:
        async with behind_a_proxy(postgres, postgres_url, tmp_path, database_pool_size=2) as (
            world,
            front,
        ):
            ada = await world.member()
            front.delay = 0.5
            answers = await asyncio.gather(*(ada.get("/v1/me") for _ in range(40)))
            statuses = Counter(each.status_code for each in answers)
            assert set(statuses) == {200, 503}
            front.flow()
            await until_well(ada)
            pool = world.vestibule.means.database.engine.pool
            assert pool.checkedout() == 0  # type: ignore[attr-defined] # of a pool that counts


async def until_well(client: httpx.AsyncClient, *, within: float = 5) -> None:
    """Ask until the service answers as if nothing had been."""
    end = time.perf_counter() + within
    while (answer := await client.get("/v1/me")).status_code != 200:
        assert answer.status_code == 503, answer.text
        assert time.perf_counter() < end, "it did not recover"
        await asyncio.sleep(0.1)


class TestElsewhere:
    @pytest.mark.fault("F-08")
    @pytest.mark.parametrize("several", [True, False], ids=["two hosts", "one that moves"])
    async def test_a_failover_is_followed(
        self, postgres: Server, postgres_url: str, tmp_path: Path, several: bool
    ) -> None:
        """The old primary answers on, but takes no writes; the new one has every row."""
        async with (
            proxy(socket_of(postgres.folder)) as one,
            proxy(socket_of(postgres.folder)) as two,
        ):
            name = through(one, postgres_url).rpartition("/")[2]
            ports = (one.port, two.port) if several else (one.port,)
            hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
            url = f"postgresql://postgres@{hosts}/{name}"
            if several:
                two.refuse()
            async with World.running(url, tmp_path) as world:
                ada = await world.member()
                old = f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'
                postgres.execute(old)
                if several:  # who is connected stays where they are: the old one is read-only
                    await set_read_only(world)
                else:
                    one.cut()
                statuses = Counter[int]()
                for number in range(5):
                    answer = await world.client().sign_up(f"{number}@example.org")
                    statuses[answer.status_code] += 1
                assert set(statuses) == {503}
                postgres.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
                two.flow()
                await until_well(ada)
                for number in range(5):
                    answer = await world.client().sign_up(f"{number}@example.org")
                    assert answer.status_code == 202, answer.text


async def set_read_only(world: World) -> None:
    """Have the connections that there are say what a server says that became a standby."""
    engine = world.vestibule.means.database.engine
    async with engine.connect() as one:
        await one.execute(text("SET default_transaction_read_only = on"))
        await one.commit()


class TestPooled:
    async def test_everything_works_through_pgbouncer(
        self, postgres: Server, postgres_url: str, tmp_path: Path
    ) -> None:
        name = postgres_url.partition("@/")[2].partition("?")[0]
        with pgbouncer(postgres) as folder:
            url = f"postgresql://postgres@/{name}?host={folder}&port=6432"
            async with World.running(url, tmp_path, pgbouncer=True) as world:
                people = [f"{number}@example.org" for number in range(12)]
                clients = await asyncio.gather(*(world.member(each) for each in people))
                for _ in range(3):
                    answers = await asyncio.gather(
                        *(each.get("/v1/me") for each in clients),
                        *(world.browser().log_in(each) for each in people),
                        *(world.browser().log_in(each, "wrong") for each in people),
                    )
                    counted = Counter(each.status_code for each in answers)
                    assert counted == {200: 24, 401: 12}
            assert await opened(postgres, name) == 12


async def opened(postgres: Server, database: str) -> int:
    return int(postgres.execute("SELECT count(*) FROM accounts", database=database))
