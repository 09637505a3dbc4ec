"""Three workers renewed at 300 requests a second; one of them killed again and again."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.postgres import Server
from tests.test_workers import manning

pytestmark = [pytest.mark.prove, pytest.mark.timeout(300)]


@pytest.mark.fault("F-32")
async def test_three_workers_are_renewed_at_300_requests_a_second_without_a_failed_one(
    tmp_path: Path, postgres: Server, postgres_template: str
) -> None:
    async with (
        manning(tmp_path, postgres, postgres_template, count=3) as crew,
        crew.under_load(300) as report,
    ):
        for _ in range(2):
            await crew.renewed()
    failed, asked, answered = report["failed"], report["asked"], report["answered"]
    print(f"\n  {asked} at {report['rate']:.0f}/s: {answered}, failed: {failed[:5]}")  # noqa: T201
    assert failed == []
    assert report["rate"] > 290
    assert min(answered.values()) > 1000
    assert report["opened"] < 0.6 * asked, "connections were kept"


@pytest.mark.fault("F-41")
async def test_workers_that_are_killed_cost_their_own_requests_and_no_others(
    tmp_path: Path, postgres: Server, postgres_template: str
) -> None:
    kills = 6
    async with (
        manning(tmp_path, postgres, postgres_template, count=3) as crew,
        crew.under_load(100) as report,
    ):
        for kill in range(kills):
            os.kill(min(crew.workers()), signal.SIGKILL)
            await crew.says("serves instead", times=kill + 1)
            await asyncio.sleep(0.5)
    failed, asked = report["failed"], report["asked"]
    print(f"\n  {kills} kills, {asked} requests, failed: {failed}")  # noqa: T201
    # What is lost is what was under way in the one that died.
    assert len(failed) <= kills * 16
    assert not any("Timeout" in each or "Refused" in each for each in failed)
