"""A log-in storm: what it costs those who are signed in, those who log in, and the machine."""

from pathlib import Path

import pytest

from bench.storm import Figures, measure, on_postgresql, vestibule
from vestibule.kernel.cores import cores

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600), pytest.mark.fault("F-14")]


def hold(figures: Figures) -> None:
    print(f"\n  {figures}")  # noqa: T201
    assert figures.storm_p99 <= 50
    assert figures.storm_p99 <= 5 * figures.quiet_p99
    assert figures.log_ins >= 0.7 * figures.bare
    assert figures.grown <= cores() * 64


async def test_a_storm_on_sqlite_holds_nobody_up(tmp_path: Path) -> None:
    async with vestibule("Vestibule, SQLite", tmp_path) as subject:
        hold(await measure(subject))


async def test_a_storm_on_postgresql_holds_nobody_up(tmp_path: Path) -> None:
    async for figures in on_postgresql("Vestibule, PostgreSQL", tmp_path):
        hold(figures)
