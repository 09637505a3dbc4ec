"""Nobody is locked out of their own device by what strangers try, whichever dialect it speaks."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.web.dialects.conftest import DEVICE
from tests.world import GENEROUS, NEW_PASSWORD, PASSWORD, Client, World

NAME, ADDRESS = "ann", "ann@example.com"
ROUTES = {
    "classic": "/api/auth/login",
    "jwt_extended": "/token",
    "openrank": "/api/users/login/",
    "praetorian": "/api/login",
}
FEW = GENEROUS.replace("log_in_identifier=1000000/1h", "log_in_identifier=3/15m")


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    dialects = ",".join(ROUTES)
    async with World.running(database_url, tmp_path, dialects=dialects, limits=FEW) as made:
        yield made


async def log_in(client: Client, dialect: str, password: str = PASSWORD) -> httpx.Response:
    field = "username" if dialect in ("classic", "praetorian") else "email"
    body = {field: ADDRESS, "password": password}
    return await client.post(ROUTES[dialect], json=body)


async def guess(world: World, dialect: str) -> None:
    """Use up the log-ins of the address, from elsewhere."""
    for _ in range(4):
        last = await log_in(world.browser(address="198.51.100.7"), dialect, "wrong")
    assert last.status_code == 429


@pytest.mark.attack("A-052")
@pytest.mark.parametrize("dialect", ROUTES)
async def test_strangers_lock_nobody_out_of_a_device_that_was_logged_in_on(
    world: World, dialect: str
) -> None:
    await world.member(ADDRESS, username=NAME)
    own = world.browser()
    entered = await log_in(own, dialect)
    assert entered.status_code == 200
    [line] = [each for each in entered.headers.get_list("Set-Cookie") if DEVICE in each]
    assert "HttpOnly" in line
    await guess(world, dialect)
    assert (await log_in(own, dialect)).status_code == 200
    assert (await log_in(world.browser(), dialect)).status_code == 429


@pytest.mark.parametrize("further", [False, True], ids=["signed up", "activated"])
async def test_a_sign_up_and_an_activation_make_a_device_known_to_openrank(
    world: World, further: bool
) -> None:
    own = world.browser()
    said = {"email": ADDRESS, "password": PASSWORD}
    assert (await own.post("/api/users/signup/", json=said)).status_code == 200
    if further:
        own = world.browser()
        link = (await world.mails(ADDRESS))[-1].link
        assert link is not None
        token = link.partition("user_uuid=")[2]
        answer = await own.post("/api/users/activate/", json={"user_uuid": token})
        assert answer.status_code == 200
    await guess(world, "openrank")
    assert (await log_in(own, "openrank")).status_code == 200


async def test_a_letters_links_make_a_device_known_to_praetorian(world: World) -> None:
    said = {"username": NAME, "email": ADDRESS, "password": PASSWORD}
    assert (await world.browser().post("/api/registration", json=said)).status_code == 201
    own = world.browser()
    bearer = {"Authorization": f"Bearer {(await world.mails(ADDRESS))[-1].token}"}
    assert (await own.get("/api/finalize", headers=bearer)).status_code == 200
    await guess(world, "praetorian")
    assert (await log_in(own, "praetorian")).status_code == 200
    assert (await own.post("/api/reset", json={"email": ADDRESS})).status_code == 200
    renewed = world.browser()
    bearer = {"Authorization": f"Bearer {(await world.mails(ADDRESS))[-1].token}"}
    said = {"password": NEW_PASSWORD}
    answer = await renewed.post("/api/reset_finalize", json=said, headers=bearer)
    assert answer.status_code == 200
    await guess(world, "praetorian")
    assert (await log_in(renewed, "praetorian", NEW_PASSWORD)).status_code == 200


async def test_the_simple_registration_makes_a_device_known(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(
        database_url,
        tmp_path,
        dialects="praetorian",
        praetorian_registration="simple",
        limits=FEW,
    ) as world:
        own, said = world.browser(), {"username": NAME, "password": PASSWORD}
        assert (await own.post("/api/registration", json=said)).status_code == 200
        for _ in range(4):
            wrong = said | {"password": "wrong"}
            await world.browser(address="198.51.100.7").post("/api/registration", json=wrong)
        assert (await world.browser().post("/api/registration", json=said)).status_code == 429
        assert (await own.post("/api/registration", json=said)).status_code == 200
