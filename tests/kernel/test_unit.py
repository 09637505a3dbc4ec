"""One transaction for one flow: what stays, what goes, and what it gives back."""

# A unit ends by what is raised inside it, so that is where the raising stands.
# ruff: noqa: PT012

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import QueuePool

from tests.postgres import Server, server
from tests.world import CHEAP
from vestibule import Settings, Vestibule
from vestibule.kernel import migrations
from vestibule.kernel.clock import MovableClock
from vestibule.kernel.errors import (
    BadCredentials,
    DatabaseUnavailable,
    NotSignedIn,
    Refusal,
    TryLater,
)
from vestibule.kernel.uninterrupted import uninterrupted
from vestibule.kernel.unit import Unit
from vestibule.throttle.counters import Counter


def a_row(unit: Unit, name: str = "x") -> Counter:
    return Counter(limit_name=name, key_digest=b"x", count=0, resets_at=unit.now)


def writing(unit: Unit, name: str = "x"):  # type: ignore[no-untyped-def] # SQLAlchemy's to name
    return insert(Counter).values(limit_name=name, key_digest=b"x", count=0, resets_at=unit.now)


async def names(vestibule: Vestibule) -> list[str]:
    async with vestibule.unit() as unit:
        return sorted((await unit.session.scalars(select(Counter.limit_name))).all())


def held(vestibule: Vestibule) -> int:
    """How many connections are out of the pools."""
    database = vestibule.means.database
    pools = {database.engine.pool, database.reading_engine.pool}
    return sum(pool.checkedout() for pool in pools if isinstance(pool, QueuePool))


class TestWhatStays:
    async def test_what_was_written_is_there_afterwards(self, vestibule: Vestibule) -> None:
        async with vestibule.unit() as unit:
            await unit.session.execute(writing(unit))
        assert await names(vestibule) == ["x"]
        assert held(vestibule) == 0

    async def test_a_refusal_keeps_what_was_written(self, vestibule: Vestibule) -> None:
        with pytest.raises(BadCredentials):
            async with vestibule.unit() as unit:
                await unit.session.execute(writing(unit))
                raise BadCredentials
        assert await names(vestibule) == ["x"]

    @pytest.mark.parametrize(
        "error", [NotSignedIn(), TryLater(1), ValueError(), asyncio.CancelledError()]
    )
    async def test_every_other_error_takes_everything_back(
        self, vestibule: Vestibule, error: BaseException
    ) -> None:
        assert not isinstance(error, Refusal)
        with pytest.raises(type(error)):
            async with vestibule.unit() as unit:
                await unit.session.execute(writing(unit))
                unit.session.add(a_row(unit, "y"))
                await unit.session.flush()
                raise error
        assert await names(vestibule) == []
        assert held(vestibule) == 0

    async def test_an_error_of_the_database_takes_everything_back(
        self, vestibule: Vestibule
    ) -> None:
        with pytest.raises(IntegrityError):
            async with vestibule.unit() as unit:
                await unit.session.execute(writing(unit))
                await unit.session.execute(writing(unit))
        assert await names(vestibule) == []
        assert held(vestibule) == 0

    async def test_what_is_done_aside_stays_whatever_happens(self, vestibule: Vestibule) -> None:
        with pytest.raises(ValueError, match="after"):
            async with vestibule.unit() as unit:
                async with unit.aside() as connection:
                    await connection.execute(writing(unit, "aside"))
                await unit.session.execute(writing(unit, "inside"))
                raise ValueError("after")
        assert await names(vestibule) == ["aside"]

    async def test_what_fails_aside_holds_nothing(self, vestibule: Vestibule) -> None:
        with pytest.raises(ValueError, match="aside"):
            async with vestibule.unit() as unit, unit.aside():
                raise ValueError("aside")
        assert held(vestibule) == 0

    async def test_aside_holds_one_connection_only(self, vestibule: Vestibule) -> None:
        async with vestibule.unit() as unit:
            await unit.session.execute(select(Counter))
            async with unit.aside() as connection:
                await connection.execute(select(Counter))
                assert held(vestibule) == 1


class TestPause:
    async def test_it_gives_the_connection_back(self, vestibule: Vestibule) -> None:
        async with vestibule.unit() as unit:
            await unit.session.execute(select(Counter))
            assert held(vestibule) == 1
            await unit.pause()
            assert held(vestibule) == 0
            await unit.session.execute(select(Counter))
            assert held(vestibule) == 1
        assert held(vestibule) == 0

    async def test_it_gives_nothing_back_where_nothing_was_taken(
        self, vestibule: Vestibule
    ) -> None:
        async with vestibule.unit() as unit:
            await unit.pause()
            await unit.pause()
            assert held(vestibule) == 0

    async def test_what_was_read_can_still_be_looked_at(self, vestibule: Vestibule) -> None:
        async with vestibule.unit() as unit:
            unit.session.add(a_row(unit))
        async with vestibule.unit() as unit:
            row = await unit.session.scalar(select(Counter))
            await unit.pause()
            assert row is not None
            assert row.limit_name == "x"

    async def test_it_renews_the_time(self, vestibule: Vestibule) -> None:
        clock = vestibule.means.clock
        assert isinstance(clock, MovableClock)
        async with vestibule.unit() as unit:
            before = unit.now
            clock.move(timedelta(hours=1))
            assert unit.now == before
            await unit.pause()
            assert unit.now - before >= timedelta(hours=1)

    @pytest.mark.parametrize("way", ["statement", "add", "flush", "change", "delete", "text"])
    async def test_it_refuses_after_a_write(self, vestibule: Vestibule, way: str) -> None:
        async with vestibule.unit() as unit:
            unit.session.add(a_row(unit, "before"))
        with pytest.raises(RuntimeError, match="cannot pause"):
            async with vestibule.unit() as unit:
                row = (await unit.session.scalars(select(Counter))).one()
                match way:
                    case "statement":
                        await unit.session.execute(update(Counter).values(count=1))
                    case "text":
                        await unit.session.execute(text("UPDATE counters SET count = 1"))
                    case "add":
                        unit.session.add(a_row(unit))
                    case "flush":
                        unit.session.add(a_row(unit))
                        await unit.session.flush()
                    case "change":
                        row.count = 1
                    case "delete":
                        await unit.session.delete(row)
                await unit.pause()
        async with vestibule.unit() as unit:
            rows = (await unit.session.scalars(select(Counter))).all()
            assert [(row.limit_name, row.count) for row in rows] == [("before", 0)]

    async def test_aside_refuses_after_a_write_too(self, vestibule: Vestibule) -> None:
        with pytest.raises(RuntimeError, match="cannot pause"):
            async with vestibule.unit() as unit:
                await unit.session.execute(writing(unit))
                async with unit.aside():
                    pass
        assert await names(vestibule) == []


class TestReading:
    async def test_it_reads(self, vestibule: Vestibule) -> None:
        async with vestibule.unit() as unit:
            await unit.session.execute(writing(unit))
        async with vestibule.unit(reading=True) as unit:
            assert await unit.session.scalar(select(func.count()).select_from(Counter)) == 1
        assert held(vestibule) == 0

    @pytest.mark.parametrize("way", ["statement", "text", "add", "flush"])
    async def test_it_refuses_to_write_and_nothing_is_written(
        self, vestibule: Vestibule, way: str
    ) -> None:
        with pytest.raises(RuntimeError, match="cannot write"):
            async with vestibule.unit(reading=True) as unit:
                match way:
                    case "statement":
                        await unit.session.execute(writing(unit))
                    case "text":
                        await unit.session.execute(text("DELETE FROM counters"))
                    case "add":
                        unit.session.add(a_row(unit))
                    case "flush":
                        unit.session.add(a_row(unit))
                        await unit.session.flush()
        assert await names(vestibule) == []


class TestAfterwards:
    async def test_it_happens_once_the_change_is_there(self, vestibule: Vestibule) -> None:
        happened: list[str] = []
        async with vestibule.unit() as unit:
            await unit.session.execute(writing(unit))
            unit.after_commit(lambda: happened.append("first"))
            unit.after_commit(lambda: happened.append("second"))
            assert happened == []
        assert happened == ["first", "second"]

    async def test_it_happens_after_a_refusal(self, vestibule: Vestibule) -> None:
        happened: list[str] = []
        with pytest.raises(BadCredentials):
            async with vestibule.unit() as unit:
                unit.after_commit(lambda: happened.append("x"))
                raise BadCredentials
        assert happened == ["x"]

    async def test_it_does_not_happen_without_a_commit(self, vestibule: Vestibule) -> None:
        happened: list[str] = []
        with pytest.raises(NotSignedIn):
            async with vestibule.unit() as unit:
                unit.after_commit(lambda: happened.append("x"))
                raise NotSignedIn
        with pytest.raises(IntegrityError):
            async with vestibule.unit() as unit:
                unit.session.add_all([a_row(unit, "y"), a_row(unit, "z")])
                await unit.session.execute(writing(unit, "z"))
                unit.after_commit(lambda: happened.append("y"))
        assert happened == []


class TestCancelled:
    @pytest.mark.fault("F-12")
    async def test_a_commit_under_way_is_seen_through(self, vestibule: Vestibule) -> None:
        """Whenever a client hangs up: everything is written, or nothing, and nothing is held."""
        kept = 0
        for rest in range(40):
            happened: list[int] = []
            leaving = asyncio.Event()

            async def request(
                rest: int = rest, happened: list[int] = happened, leaving: asyncio.Event = leaving
            ) -> None:
                async with vestibule.unit() as unit:
                    await unit.session.execute(writing(unit, f"{rest}"))
                    unit.after_commit(lambda: happened.append(rest))
                    leaving.set()

            task = asyncio.create_task(request())
            await leaving.wait()
            for _ in range(rest):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            there = f"{rest}" in await names(vestibule)
            assert there, "the commit had begun when the client left"
            assert happened == [rest]
            kept += there
        assert kept == 40
        assert held(vestibule) == 0

    async def test_being_cancelled_is_told_once_the_work_is_done(self) -> None:
        may_go, done = asyncio.Event(), []

        async def work() -> None:
            await may_go.wait()
            done.append(True)

        task = asyncio.create_task(uninterrupted(work()))
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        may_go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done == [True]

    async def test_an_error_of_the_work_is_told(self) -> None:
        async def work() -> None:
            raise NotSignedIn

        with pytest.raises(NotSignedIn):
            await uninterrupted(work())


@pytest.fixture
def own_server() -> Iterator[Server]:
    with server() as made:
        yield made


@pytest.mark.fault("F-07")
async def test_while_the_database_is_away_callers_are_told_and_afterwards_all_is_well(
    own_server: Server, tmp_path: Path
) -> None:
    own_server.create("own")
    settings = Settings.load(
        database_url=own_server.url("own"), data_dir=tmp_path / "data", courier=False
    )
    vestibule = Vestibule(settings, hasher=CHEAP)
    await migrations.upgrade(vestibule.means.database)

    async def write(name: str) -> None:
        async with vestibule.unit() as unit:
            await unit.session.execute(writing(unit, name))

    async def read() -> None:
        async with vestibule.unit(reading=True) as unit:
            await unit.session.scalar(select(Counter.limit_name).limit(1))

    async def aside() -> None:
        async with vestibule.unit() as unit, unit.aside() as connection:
            await connection.execute(writing(unit, "aside"))

    await asyncio.gather(write("before"), *(read() for _ in range(4)))
    with pytest.raises(DatabaseUnavailable):
        async with vestibule.unit() as unit:
            await unit.session.execute(writing(unit, "half"))
            own_server.stop()
            await unit.session.execute(writing(unit, "done"))
    with pytest.raises(DatabaseUnavailable):
        async with vestibule.unit() as unit:
            await unit.session.execute(writing(unit, "while away"))
    for _ in range(3):
        results = await asyncio.gather(
            *(write("away") for _ in range(15)),
            *(read() for _ in range(15)),
            aside(),
            return_exceptions=True,
        )
        assert {type(each) for each in results} == {DatabaseUnavailable}
        assert all(isinstance(each, TryLater) and each.retry_after > 0 for each in results)
    assert held(vestibule) == 0

    own_server.start()
    await asyncio.gather(write("after"), *(read() for _ in range(15)), aside())
    assert await names(vestibule) == ["after", "aside", "before"]
    assert held(vestibule) == 0
    await vestibule.stop()


@pytest.mark.fault("F-07")
async def test_a_commit_that_breaks_is_told_and_the_next_request_works(
    own_server: Server, tmp_path: Path
) -> None:
    own_server.create("own")
    settings = Settings.load(
        database_url=own_server.url("own"), data_dir=tmp_path / "data", courier=False
    )
    vestibule = Vestibule(settings, hasher=CHEAP)
    await migrations.upgrade(vestibule.means.database)
    happened: list[str] = []
    with pytest.raises(DatabaseUnavailable):
        async with vestibule.unit() as unit:
            await unit.session.execute(writing(unit, "x"))
            unit.after_commit(lambda: happened.append("x"))
            own_server.restart()
    assert happened == []
    assert await names(vestibule) == []
    await vestibule.stop()


async def test_a_mistake_of_ours_is_not_called_the_databases(vestibule: Vestibule) -> None:
    with pytest.raises(DBAPIError) as caught:
        async with vestibule.unit() as unit:
            await unit.session.execute(text("SELECT * FROM nowhere"))
    assert "nowhere" in str(caught.value)
