"""How often somebody may try: never more than the limit, in whatever window one looks."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

from tests.redis_server import Redis
from tests.throttle.counting import HOUR, TEN, give_back, take
from tests.world import CHEAP
from vestibule import Settings, Vestibule
from vestibule.kernel.clock import MovableClock
from vestibule.kernel.counting import Count
from vestibule.kernel.errors import TooManyAttempts
from vestibule.kernel.limits import SIGN_UP_CODES, SIGN_UP_PASSWORDS, Limit
from vestibule.throttle import counters
from vestibule.throttle.in_memory import InMemory

THREE = Limit("three", most=3, within=HOUR)


async def test_the_limit_is_reached_exactly(vestibule: Vestibule) -> None:
    assert [await take(vestibule) for _ in range(13)] == [True] * 10 + [False] * 3


@pytest.mark.parametrize("seed", range(4))
async def test_no_window_holds_more_than_the_limit(
    vestibule: Vestibule, clock: MovableClock, seed: int
) -> None:
    random = Random(seed)
    let_through: list[datetime] = []
    for _ in range(60):
        clock.move(random.choice([0.01, 0.1, 0.3, 0.9, 1.1]) * HOUR * random.random())
        if await take(vestibule, THREE):
            let_through.append(clock.now())
    for first, fourth in zip(let_through, let_through[3:], strict=False):
        assert fourth - first >= THREE.within
    assert len(let_through) > 3, "nobody is shut out for ever"


async def test_attempts_made_at_once_are_counted_one_by_one(vestibule: Vestibule) -> None:
    let_through = await asyncio.gather(*(take(vestibule) for _ in range(50)))
    assert sum(let_through) == 10


async def test_what_is_refused_is_not_counted(vestibule: Vestibule, clock: MovableClock) -> None:
    assert all([await take(vestibule) for _ in range(10)])
    clock.move(23 * HOUR)
    assert not any([await take(vestibule) for _ in range(10)]), "still within the span"
    clock.move(1.1 * HOUR)
    assert await take(vestibule), "the refused ones have not prolonged it"


async def test_every_count_begins_the_span_anew(vestibule: Vestibule, clock: MovableClock) -> None:
    for _ in range(10):
        assert await take(vestibule)
        clock.move(3 * HOUR)
    assert not await take(vestibule)
    clock.move(22 * HOUR)
    assert await take(vestibule)


async def test_what_is_given_back_does_not_count(vestibule: Vestibule) -> None:
    for _ in range(30):
        assert await take(vestibule)
        await give_back(vestibule)
    assert [await take(vestibule) for _ in range(11)] == [True] * 10 + [False]
    await give_back(vestibule)
    assert [await take(vestibule) for _ in range(2)] == [True, False]


async def test_nothing_can_be_given_back_twice(vestibule: Vestibule) -> None:
    await give_back(vestibule)
    assert await take(vestibule)
    for _ in range(5):
        await give_back(vestibule)
    assert [await take(vestibule) for _ in range(11)] == [True] * 10 + [False]


async def test_given_back_at_once_counts_are_right(vestibule: Vestibule) -> None:
    async def right() -> bool:
        taken = await take(vestibule)
        if taken:
            await give_back(vestibule)
        return taken

    assert any(await asyncio.gather(*(right() for _ in range(40))))
    assert [await take(vestibule) for _ in range(11)] == [True] * 10 + [False]


async def test_who_waits_as_long_as_told_gets_through(
    vestibule: Vestibule, clock: MovableClock
) -> None:
    for _ in range(3):
        assert await take(vestibule, THREE)
    clock.move(HOUR / 3)
    with pytest.raises(TooManyAttempts) as caught:
        async with vestibule.unit() as unit:
            await counters.take(unit, (THREE, "ada@example.org"))
    wait = timedelta(seconds=caught.value.retry_after)
    clock.move(wait - timedelta(minutes=5))
    assert not await take(vestibule, THREE), "not much more than needed"
    clock.move(timedelta(minutes=5))
    assert await take(vestibule, THREE), "and not less"


async def test_keys_and_limits_do_not_meet(vestibule: Vestibule) -> None:
    assert [await take(vestibule, THREE) for _ in range(4)] == [True, True, True, False]
    assert await take(vestibule, THREE, "grace@example.org")
    assert await take(vestibule, TEN)


async def test_a_key_may_be_long(vestibule: Vestibule) -> None:
    assert await take(vestibule, TEN, "x" * 100_000)


async def test_no_database_keeps_a_key_in_clear_text(database_url: str, tmp_path: Path) -> None:
    settings = Settings.load(database_url=database_url, data_dir=tmp_path / "data", courier=False)
    vestibule = Vestibule(settings, hasher=CHEAP)
    assert await take(vestibule)
    async with vestibule.unit(reading=True) as unit:
        stored = await unit.session.scalar(select(counters.Counter.key_digest))
    await vestibule.stop()
    assert stored is not None
    assert len(stored) == 32


async def test_redis_keeps_no_key_in_clear_text_and_none_for_ever(
    redis: Redis, sqlite_url: str, tmp_path: Path
) -> None:
    given = {"database_url": sqlite_url, "data_dir": tmp_path / "data", "redis_url": redis.url}
    vestibule = Vestibule(Settings.load(**given), hasher=CHEAP)
    assert await take(vestibule)
    await vestibule.stop()
    [key] = redis.say("KEYS", "*").split()
    assert "ada" not in key
    assert 0 < int(redis.say("PTTL", key)) <= TEN.within.total_seconds() * 1000


async def test_the_memory_forgets_what_rested() -> None:
    memory, now = InMemory(), datetime.now(UTC)
    for number in range(5000):
        at = now + number * timedelta(seconds=1)
        await memory.count([Count(Limit("short", most=1, within=HOUR / 60), str(number))], now=at)
    assert memory.size <= 1001
    assert await memory.count([Count(Limit("short", most=1, within=HOUR), "4999")], now=at)


async def test_it_counts_whatever_becomes_of_the_unit(vestibule: Vestibule) -> None:
    for _ in range(10):
        with pytest.raises(ValueError, match="afterwards"):  # noqa: PT012 - it ends the unit
            async with vestibule.unit() as unit:
                await counters.take(unit, (TEN, "ada@example.org"))
                raise ValueError("afterwards")
    assert not await take(vestibule)


def test_the_limits_of_a_sign_up_are_ten_a_day() -> None:
    for limit in (SIGN_UP_CODES, SIGN_UP_PASSWORDS):
        assert (limit.most, limit.within) == (10, timedelta(days=1))
