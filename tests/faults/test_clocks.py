"""Clocks that differ between servers, and clocks that jump while people are signed in."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.faults.invariants import Told, violations
from tests.world import PASSWORD, World


@pytest.fixture
async def two(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    """Two servers on one database and under one secret."""
    async with (
        World.running(database_url, tmp_path) as one,
        World.running(database_url, tmp_path) as other,
    ):
        yield one, other


@pytest.mark.fault("F-18")
@pytest.mark.parametrize("seconds", [30, -30, 300, -300])
async def test_servers_whose_clocks_differ_serve_the_same_people(
    two: tuple[World, World], seconds: int
) -> None:
    here, there = two
    there.clock.move(timedelta(seconds=seconds))
    ada, elsewhere = here.browser(), there.browser()
    handle = (await ada.sign_up()).json()["sign_up"]
    [mail] = await here.mails()
    proved = await elsewhere.prove(sign_up=handle, code=mail.code)
    assert proved.status_code == 200, proved.text
    assert (await ada.log_in()).status_code == 200
    for name, value in ada.cookies.items():
        elsewhere.cookies.set(name, value)
    assert (await elsewhere.get("/v1/me")).status_code == 200
    assert (await elsewhere.post("/v1/logout")).status_code == 204
    assert (await ada.get("/v1/me")).status_code == 401
    told = Told(proved={"ada@example.org"}, entered=1, left=1)
    told.asked["ada@example.org"] = 1
    later = max(here.clock.now(), there.clock.now())
    assert await violations(here.vestibule.means.database, told, now=later) == []


@pytest.mark.fault("F-18")
@pytest.mark.parametrize("hours", [1, -1])
async def test_a_clock_that_jumps_signs_nobody_out_and_revives_nothing(
    world: World, hours: int
) -> None:
    ada = await world.member()
    gone = await world.member("bob@example.org")
    copied = dict(gone.cookies)
    await gone.post("/v1/logout")
    asked = await world.browser().sign_up("cleo@example.org")
    [mail] = await world.mails("cleo@example.org")
    world.clock.move(timedelta(hours=hours))
    assert (await ada.get("/v1/me")).status_code == 200
    gone.cookies.update(copied)
    assert (await gone.get("/v1/me")).status_code == 401
    assert (await world.browser().log_in("bob@example.org")).status_code == 200
    late = await world.browser().prove(sign_up=asked.json()["sign_up"], code=mail.code)
    assert late.status_code == (200 if hours < 0 else 400), "codes are good for half an hour"
    by_link = await world.browser().prove(token=mail.token, password=PASSWORD)
    assert by_link.status_code == (400 if hours < 0 else 200), "used once"
    world.clock.move(timedelta(hours=-hours))
    assert (await ada.get("/v1/me")).status_code == 200
    await world.vestibule.write_touches()
    world.clock.move(timedelta(hours=24, minutes=1))
    assert (await ada.get("/v1/me")).status_code == 401, "nor does anybody stay for ever"
