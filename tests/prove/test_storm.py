"""A log-in storm: what it costs those who are signed in, those who log in, and the machine."""

from pathlib import Path

import pytest

from bench.storm import Figures, measure, on_fastapi_users, on_postgresql, vestibule
from vestibule.kernel.cores import cores

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600), pytest.mark.fault("F-14")]


def hold(figures: Figures) -> None:
    print(f"\n  {figures}")  # noqa: T201
    assert figures.broken == 0
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


async def test_the_same_storm_beside_fastapi_users(tmp_path: Path) -> None:
    async with vestibule("Vestibule, SQLite", tmp_path) as subject:
        ours = await measure(subject)
    async for theirs in on_fastapi_users("fastapi-users, SQLite"):
        print(f"\n  {ours}\n  {theirs}")  # noqa: T201
        print(f"  who-am-I in the storm, theirs : ours {theirs.storm_p99 / ours.storm_p99:.0f}")  # noqa: T201
        assert ours.storm_p99 / ours.quiet_p99 < theirs.storm_p99 / theirs.quiet_p99
