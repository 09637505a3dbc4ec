"""Redis down, slow, full, flushed or started again: limits hold, and nobody gets a 5xx."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner

from tests.redis_server import Redis
from tests.throttle.counting import give_back, take
from tests.world import CHEAP, GENEROUS, World
from vestibule import Settings, Vestibule
from vestibule.cli import main
from vestibule.kernel.errors import CannotStart
from vestibule.throttle import fallback

WRONG = "not the password"
LIMITS = GENEROUS.replace("log_in_identifier=1000000/1h", "log_in_identifier=10/15m")

pytestmark = pytest.mark.fault("F-24")


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A Redis for this test alone."""
    with TemporaryDirectory(prefix="vestibule-") as folder:
        own = Redis(Path(folder))
        own.start()
        yield own
        own.kill()


@pytest.fixture
async def world(
    redis: Redis, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Log-ins are limited to ten; Redis is tried again after a fifth of a second."""
    monkeypatch.setattr(fallback.Fallback.__init__, "__kwdefaults__", {"rest": 0.2})
    async with World.running(sqlite_url, tmp_path, redis_url=redis.url, limits=LIMITS) as made:
        yield made


async def guess(world: World, times: int) -> Counter[int]:
    client = world.client()
    found = Counter([(await client.log_in("v@x.test", WRONG)).status_code for _ in range(times)])
    assert set(found) <= {401, 429}, found
    return found


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.name == "vestibule.throttle"]


def fill(redis: Redis) -> None:
    redis.say("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis.say("CONFIG", "SET", "maxmemory", "1")


def empty(redis: Redis) -> None:
    redis.say("CONFIG", "SET", "maxmemory", "0")


def follow(redis: Redis) -> None:
    redis.say("REPLICAOF", "127.0.0.1", "1")


def lead(redis: Redis) -> None:
    redis.say("REPLICAOF", "NO", "ONE")


def lock(redis: Redis) -> None:
    redis.say("CLIENT", "KILL", "TYPE", "normal")
    redis.say("CONFIG", "SET", "requirepass", "of-somebody-else")


MENDED: dict[Callable[[Redis], None], Callable[[Redis], None]] = {
    Redis.kill: Redis.start,
    Redis.pause: Redis.go_on,
    fill: empty,
    follow: lead,
}


@pytest.mark.parametrize("break_it", [Redis.kill, Redis.pause, fill, follow, lock])
async def test_a_limit_holds_while_redis_does_not(
    world: World,
    redis: Redis,
    caplog: pytest.LogCaptureFixture,
    break_it: Callable[[Redis], None],
) -> None:
    assert await guess(world, 5) == {401: 5}
    break_it(redis)
    began = time.monotonic()
    found = await guess(world, 30)
    took = time.monotonic() - began
    if break_it is Redis.pause:
        redis.go_on()
    assert found == {401: 10, 429: 20}, "ten in the database, not one more"
    assert took < 8, "one of many requests waits for Redis, and that for a second"
    [line] = told(caplog)
    assert line.startswith("Redis does not count (")
    assert "v@x.test" not in caplog.text


@pytest.mark.parametrize("break_it", MENDED)
async def test_it_counts_in_redis_again_without_a_restart(
    world: World,
    redis: Redis,
    caplog: pytest.LogCaptureFixture,
    break_it: Callable[[Redis], None],
) -> None:
    before = await guess(world, 4)
    break_it(redis)
    during = await guess(world, 12)
    MENDED[break_it](redis)
    await asyncio.sleep(0.3)
    await guess(world, 1)
    assert redis.say("DBSIZE") != "0"
    assert told(caplog)[1:] == ["Redis counts again"]
    after = await guess(world, 30)
    assert before[401] + during[401] + after[401] <= 20, "twice the limit at most"
    assert after[429] >= 20


async def test_what_is_flushed_counts_from_nothing(world: World, redis: Redis) -> None:
    assert await guess(world, 12) == {401: 10, 429: 2}
    redis.say("FLUSHALL")
    redis.say("SCRIPT", "FLUSH")
    assert await guess(world, 12) == {401: 10, 429: 2}


async def test_a_restart_between_two_log_ins_is_noticed_by_nobody(
    world: World, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await guess(world, 3)
    redis.kill()
    redis.start()
    assert await guess(world, 12) == {401: 10, 429: 2}
    assert told(caplog) == [], "connections that died while they rested are made anew"


async def test_many_at_once_are_told_of_in_one_line(
    world: World, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis.pause()
    answers = await asyncio.gather(*(guess(world, 1) for _ in range(60)))
    redis.go_on()
    assert sum(answers, Counter()) == {401: 10, 429: 50}
    assert len([line for line in told(caplog) if "does not" in line]) == 1


async def test_it_starts_while_redis_is_away(sqlite_url: str, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/nothing.sock"
    async with World.running(sqlite_url, tmp_path, redis_url=nowhere, limits=LIMITS) as world:
        assert await guess(world, 12) == {401: 10, 429: 2}


async def test_what_was_taken_in_redis_is_not_given_back_in_the_database(
    redis: Redis, sqlite_url: str, tmp_path: Path
) -> None:
    given = {"database_url": sqlite_url, "data_dir": tmp_path / "data", "redis_url": redis.url}
    vestibule = Vestibule(Settings.load(**given), hasher=CHEAP)
    database = Vestibule(
        Settings.load(**{name: given[name] for name in given if name != "redis_url"}), hasher=CHEAP
    )
    assert all([await take(database) for _ in range(10)])
    assert await take(vestibule)
    redis.pause()
    await give_back(vestibule)
    redis.go_on()
    assert not await take(database)
    await vestibule.stop()
    await database.stop()


def test_a_missing_client_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "vestibule.throttle.in_redis", raising=False)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(CannotStart) as caught:
        Vestibule(Settings.load(data_dir=tmp_path, redis_url="redis://:hush@127.0.0.1"))
    [line] = caught.value.problems
    assert line.startswith("VESTIBULE_REDIS_URL: needs")
    assert "pip install 'vestibule[redis]'" in line


@pytest.mark.parametrize(
    "url", ["http://:hush@x", "hush", "redis://:hush@x/0?socket_timeout=hush", "redis://:hush@x:y"]
)
def test_a_url_that_is_none_is_told_without_its_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        Vestibule(Settings.load(data_dir=tmp_path, redis_url=url))
    [line] = caught.value.problems
    assert line.startswith("VESTIBULE_REDIS_URL: ")
    assert "hush" not in line


@pytest.mark.parametrize("works", [True, False])
def test_the_doctor_asks_redis(redis: Redis, works: bool) -> None:
    if not works:
        redis.say("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis.say("CONFIG", "SET", "maxmemory", "1")
    result = CliRunner(env={"VESTIBULE_REDIS_URL": redis.url}).invoke(main, ["doctor"])
    said = "good   redis: answers" if works else "wrong  redis: does not answer (OutOfMemoryError)"
    assert said in result.stdout
    assert result.exit_code == (0 if works else 1)
    assert str(redis.url) not in result.stdout
