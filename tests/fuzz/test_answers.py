"""Whatever is sent: an answer as it is described, the same process, the same memory."""

import asyncio
from pathlib import Path

import pytest

from tests.fuzz.document import Promised
from tests.fuzz.house import OWN, Subject, fuzzed
from tests.fuzz.shapes import Shapes
from tests.fuzz.wire import Wire

KEPT_ALIVE = 30  # seconds
FEW, MANY = 300, 12_500  # of each kind; many on each database


async def bend(subject: Subject, requests: int, *, seed: int) -> None:
    """Send requests bent byte by byte."""
    promised = Promised(subject.document)
    host = OWN.removeprefix("https://")
    wire = Wire(subject.port, host=host, cookie=await subject.log_in(), promised=promised)
    found = await wire.storm(requests, seed=seed)
    print(f"\n  bytes, seed {seed}: {dict(found.statuses)}, unanswered {found.unanswered}")  # noqa: T201
    assert found.wrong == []
    assert {200, 400, 401, 404, 405, 415, 422} <= set(found.statuses)
    assert found.unanswered < requests / 2


async def shape(subject: Subject, requests: int) -> None:
    """Send requests made from the description."""
    promised = Promised(subject.document)
    shapes = await asyncio.to_thread(Shapes, subject.served.base_url, promised, {"Origin": OWN})
    operations = shapes.operations()
    for each in operations:  # one of them logs out
        cookie = await subject.log_in()
        await asyncio.to_thread(shapes.storm, each, requests // len(operations), cookie=cookie)
    shapes.close()
    print(f"\n  shapes: {dict(shapes.statuses)}")  # noqa: T201
    assert shapes.wrong == []
    assert {200, 202, 204, 400, 401, 422} <= set(shapes.statuses)


async def settled(subject: Subject) -> int:
    """Return the MiB that it holds once connections that were left alone have been closed."""
    await asyncio.sleep(KEPT_ALIVE + 3)
    return subject.memory


@pytest.mark.attack("A-079")
@pytest.mark.attack("A-080")
async def test_what_is_sent_at_random_is_answered_as_described(
    postgres_url: str, tmp_path: Path
) -> None:
    async with fuzzed(postgres_url, tmp_path) as subject:
        await bend(subject, FEW, seed=1)
        await shape(subject, FEW // 2)
        await subject.check()


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.attack("A-079")
@pytest.mark.attack("A-080")
async def test_fifty_thousand_requests_at_random_leave_it_as_it_was(
    database_url: str, tmp_path: Path
) -> None:
    async with fuzzed(database_url, tmp_path) as subject:
        await bend(subject, MANY // 5, seed=2)
        await shape(subject, MANY // 5)
        before = await settled(subject)
        await bend(subject, MANY - MANY // 5, seed=3)
        await shape(subject, MANY - MANY // 5)
        await subject.check()
        after = await settled(subject)
    print(f"\n  memory: {before} MiB, at the end {after} MiB")  # noqa: T201
    assert after - before < 16
