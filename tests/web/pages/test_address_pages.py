"""The pages behind the links about addresses, used as a browser without script would."""

import httpx
from sqlalchemy import select

from tests.web.api.test_address import NEW, address_of, asked, changed, former
from tests.web.api.test_passwords import ADA
from tests.world import PASSWORD, Client, World
from vestibule.accounts.models import Challenge


async def post(browser: Client, path: str, **fields: str) -> httpx.Response:
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    return await browser.post(path, data=fields, headers=headers)


async def open_ones(world: World) -> int:
    found = select(Challenge.id).where(Challenge.used_at.is_(None))
    return len(await world.rows(found))


async def test_looking_at_the_links_spends_nothing(world: World) -> None:
    ada = await world.member()
    links = [(await asked(world, ada)).link, (await former(world)).link]
    before = await open_ones(world)
    for link in links:
        assert link is not None
        for client in (world.client(), ada):
            assert (await client.get(link)).status_code == 200
            assert (await client.head(link)).status_code == 200
    assert await open_ones(world) == before == 2
    assert await address_of(ada) == ADA


async def test_the_button_proves_the_address_of_who_is_signed_in(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    assert letter.link is not None
    shown = await ada.get(letter.link)
    assert 'name="password"' not in shown.text
    done = await post(ada, "/confirm-email", token=letter.token)
    assert done.status_code == 200
    assert NEW in done.text
    assert await address_of(ada) == NEW


async def test_who_is_signed_out_sends_the_password(world: World) -> None:
    ada, bob = await world.member(), await world.member("bob@example.org")
    letter = await asked(world, ada)
    assert letter.link is not None
    browser = world.client()
    assert 'name="password"' in (await browser.get(letter.link)).text
    for somebody in (browser, bob):
        nothing = await post(somebody, "/confirm-email", token=letter.token)
        assert nothing.status_code == 401
        assert 'name="password"' in nothing.text
    wrong = await post(browser, "/confirm-email", token=letter.token, password="a guess")
    assert wrong.status_code == 400
    done = await post(browser, "/confirm-email", token=letter.token, password=PASSWORD)
    assert done.status_code == 200
    assert "vestibule" not in browser.cookies, "it signs nobody in"
    assert await address_of(ada) == NEW


async def test_the_button_brings_the_former_address_back(world: World) -> None:
    ada = await world.member()
    await changed(world, ada)
    letter = await former(world)
    browser = world.client()
    done = await post(browser, "/undo-email", token=letter.token)
    assert done.status_code == 200
    assert ADA in done.text
    assert (await ada.get("/v1/me")).status_code == 401
    again = await post(browser, "/undo-email", token=letter.token)
    assert again.status_code == 400
    assert "used, out of date" in again.text


async def test_an_address_taken_meanwhile_is_told_on_the_page(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    await world.member(NEW)
    answer = await post(ada, "/confirm-email", token=letter.token)
    assert answer.status_code == 409
    assert "Another account has this address" in answer.text
