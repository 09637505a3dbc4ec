"""Times, as ratios against something in the same run. `make prove` prints them."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from tests.processes import serving
from tests.world import PASSWORD
from vestibule.kernel.database_url import dialect_url
from vestibule.kernel.pool import FairPool

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600)]

Asking = Callable[[], Awaitable[httpx.Response]]


async def timed(ask: Asking, status: int) -> float:
    start = time.perf_counter()
    answer = await ask()
    assert answer.status_code == status, answer.text
    return time.perf_counter() - start


def p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98]


def say(what: str, **figures: float) -> None:
    print(f"\n  {what}: " + ", ".join(f"{name} {value:.3f}" for name, value in figures.items()))  # noqa: T201


async def test_who_am_i_is_answered_while_64_clients_log_in(
    postgres_url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, VESTIBULE_DATABASE_URL=postgres_url) as served:
        await served.open_account("ada", PASSWORD)
        async with served.client() as ada:
            body = {"identifier": "ada", "password": PASSWORD}
            alone = statistics.median(
                [await timed(lambda: ada.post("/v1/login", json=body), 200) for _ in range(20)]
            )
            quiet = [await timed(lambda: ada.get("/v1/me"), 200) for _ in range(300)]
            stop = asyncio.Event()

            async def log_in_again_and_again() -> int:
                entered = 0
                async with served.client() as client:
                    while not stop.is_set():
                        answer = await client.post("/v1/login", json=body)
                        assert answer.status_code in (200, 503)
                        entered += answer.status_code == 200
                return entered

            storm = [asyncio.create_task(log_in_again_and_again()) for _ in range(64)]
            await asyncio.sleep(1)
            start = time.perf_counter()
            busy = [await timed(lambda: ada.get("/v1/me"), 200) for _ in range(300)]
            lasted = time.perf_counter() - start
            stop.set()
            entered = sum(await asyncio.gather(*storm))
    say(
        "who-am-I while 64 log in",
        quiet_p99_ms=p99(quiet) * 1e3,
        busy_p99_ms=p99(busy) * 1e3,
        one_log_in_ms=alone * 1e3,
        p99_in_log_ins=p99(busy) / alone,
        log_ins=entered,
        storm_s=lasted,
    )
    assert p99(busy) < 4 * alone, "it queued behind the hashing"


async def test_the_pool_is_fair(postgres_url: str) -> None:
    async def slowest(engine: AsyncEngine) -> float:
        times: list[float] = []

        async def ask() -> None:
            for _ in range(40):
                start = time.perf_counter()
                async with engine.connect() as connection:
                    await connection.execute(text("SELECT pg_sleep(0.002)"))
                times.append(time.perf_counter() - start)

        await asyncio.gather(*(ask() for _ in range(64)))
        await engine.dispose()
        return p99(times) / statistics.median(times)

    made = {
        pool: create_async_engine(
            dialect_url(postgres_url), poolclass=pool, pool_size=10, max_overflow=0
        )
        for pool in (AsyncAdaptedQueuePool, FairPool)
    }
    stock = await slowest(made[AsyncAdaptedQueuePool])
    fair = await slowest(made[FairPool])
    say("p99 : median of 64 on 10 connections", stock=stock, fair=fair)
    assert fair < 0.75 * stock
