"""What the limits' tests share: a Vestibule whose clock can be moved."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import CHEAP
from vestibule import Settings, Vestibule
from vestibule.kernel.clock import MovableClock


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def settings_given() -> dict[str, str]:
    """What the settings say otherwise than by default."""
    return {}


@pytest.fixture
async def vestibule(
    database_url: str, tmp_path: Path, clock: MovableClock, settings_given: dict[str, str]
) -> AsyncIterator[Vestibule]:
    settings = Settings.load(
        database_url=database_url, data_dir=tmp_path / "data", courier=False, **settings_given
    )
    made = Vestibule(settings, hasher=CHEAP, clock=clock)
    yield made
    await made.stop()
