"""What the limits' tests share: a Vestibule whose clock can be moved."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.world import CHEAP
from vestibule import Settings, Vestibule
from vestibule.kernel.clock import MovableClock
from vestibule.throttle.counters import Counter
from vestibule.throttle.in_memory import InMemory


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings_given() -> dict[str, str]:
    """What the settings say otherwise than by default."""
    return {}


@pytest.fixture(params=["memory", "sqlite", "postgresql", "redis"])
def counted_in(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings for each place where attempts may be counted."""
    database = "postgres_url" if request.param == "postgresql" else "sqlite_url"
    given = {"database_url": request.getfixturevalue(database)}
    if request.param == "redis":
        given["redis_url"] = request.getfixturevalue("patient_redis").url
    return given


@pytest.fixture
async def vestibule(
    request: pytest.FixtureRequest,
    counted_in: dict[str, str],
    tmp_path: Path,
    clock: MovableClock,
    settings_given: dict[str, str],
) -> AsyncIterator[Vestibule]:
    """A Vestibule for each of them."""
    in_memory = "memory" in request.node.callspec.id
    given = counted_in | settings_given
    settings = Settings.load(data_dir=tmp_path / "data", courier=False, **given)
    counters = InMemory() if in_memory else None
    made = Vestibule(settings, hasher=CHEAP, clock=clock, counters=counters)
    yield made
    if in_memory:
        async with made.unit(reading=True) as unit:
            assert not (await unit.session.scalars(select(Counter))).all()
    await made.stop()
