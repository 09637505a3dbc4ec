"""What the kernel's tests share: a Vestibule that is wired but serves nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.world import CHEAP
from vestibule import Settings, Vestibule
from vestibule.kernel.clock import MovableClock


@pytest.fixture
async def vestibule(database_url: str, tmp_path: Path) -> AsyncIterator[Vestibule]:
    settings = Settings.load(database_url=database_url, data_dir=tmp_path / "data", courier=False)
    made = Vestibule(settings, hasher=CHEAP, clock=MovableClock())
    yield made
    await made.stop()
