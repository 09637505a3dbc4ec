"""Whoever starts the service for the first time becomes its administrator by a link."""

import asyncio

import pytest

from tests.world import PASSWORD, World
from vestibule.web.pages.first import link

ADA = {"email": "ada@example.org", "password": PASSWORD}


def path(world: World) -> str:
    return link(world.vestibule.means).removeprefix(world.vestibule.settings.base_url)


async def test_the_link_opens_one_administrator(world: World) -> None:
    client = world.client()
    asked = await client.get(path(world))
    assert (asked.status_code, "<form" in asked.text) == (200, True)
    assert (await client.post(path(world), data=ADA)).status_code == 200
    browser = world.browser()
    said = {"identifier": ADA["email"], "password": PASSWORD}
    assert (await browser.post("/v1/login", json=said)).status_code == 200
    me = (await browser.get("/v1/me")).json()
    assert (me["roles"], me["email_verified"]) == (["admin", "user"], True)
    assert (await browser.get("/v1/admin/accounts")).status_code == 200
    bob = ADA | {"email": "bob@example.org"}
    refused = await client.post(path(world), data=bob)
    assert (refused.status_code, "There is an administrator already" in refused.text) == (400, True)


async def test_of_ten_at_once_one_becomes_it(world: World) -> None:
    client, here = world.client(), path(world)
    each = [client.post(here, data=ADA | {"email": f"a{n}@example.org"}) for n in range(10)]
    statuses = [answer.status_code for answer in await asyncio.gather(*each)]
    assert sorted(statuses) == [200] + [400] * 9


@pytest.mark.parametrize("proof", ["x", "é", "%00", "A" * 48, ""])
async def test_no_other_link_opens_anything(world: World, proof: str) -> None:
    refused = await world.client().post(f"/dev/first-administrator/{proof}", data=ADA)
    assert refused.status_code in (400, 404)
    assert (await world.client().post(path(world), data=ADA)).status_code == 200


@pytest.mark.parametrize(
    "wrong,status",
    [({"email": "ada"}, 422), ({"password": "short"}, 422), ({"password": ""}, 422)],
)
async def test_what_is_wrong_is_told_and_may_be_typed_again(
    world: World, wrong: dict[str, str], status: int
) -> None:
    assert (await world.client().post(path(world), data=ADA | wrong)).status_code == status
    assert (await world.client().post(path(world), data=ADA)).status_code == 200


async def test_it_is_for_this_machine_and_its_own_pages(world: World) -> None:
    far = await world.client(address="10.0.0.7").post(path(world), data=ADA)
    assert far.status_code == 404
    site = {"Sec-Fetch-Site": "cross-site"}
    assert (await world.client(**site).post(path(world), data=ADA)).status_code == 403
