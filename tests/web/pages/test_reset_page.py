"""The page behind the link to a new password, used as a browser without script would."""

import re

import httpx
import pytest
from sqlalchemy import select

from tests.web.api.test_passwords import ADA, forgotten, opened
from tests.world import NEW_PASSWORD, PASSWORD, Client, World
from vestibule.accounts.models import Challenge


async def post(browser: Client, token: str, **fields: str) -> httpx.Response:
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    return await browser.post(f"/reset-password/{token}", data=fields, headers=headers)


async def test_the_link_shows_a_form_and_the_form_sets_the_password(world: World) -> None:
    ada, browser = await world.member(), world.client()
    letter = await forgotten(world)
    assert letter.link is not None
    shown = await browser.get(letter.link)
    assert shown.status_code == 200
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    action = re.search(r'action="([^"]+)"', shown.text)
    assert action
    assert action[1] == letter.token
    done = await post(browser, letter.token, password=NEW_PASSWORD)
    assert done.status_code == 200
    assert "Your password is changed" in done.text
    assert "vestibule" not in browser.cookies, "it signs nobody in"
    assert "vestibule_device" in browser.cookies
    assert (await ada.get("/v1/me")).status_code == 401
    assert await opened(world, world.browser(), PASSWORD, NEW_PASSWORD) == [401, 200]


async def test_looking_at_the_link_spends_nothing(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    assert letter.link is not None
    for _ in range(3):
        assert (await world.client().get(letter.link)).status_code == 200
        assert (await world.client().head(letter.link)).status_code == 200
    is_open = select(Challenge.id).where(
        Challenge.purpose == "password_reset", Challenge.used_at.is_(None)
    )
    assert len(await world.rows(is_open)) == 1
    assert await opened(world, world.browser(), PASSWORD) == [200]
    assert (await post(world.client(), letter.token, password=NEW_PASSWORD)).status_code == 200


@pytest.mark.parametrize("password, words", [("short", "at least 8"), (ADA, "no password")])
async def test_a_weak_password_is_told_on_the_page_and_spends_nothing(
    world: World, password: str, words: str
) -> None:
    await world.member()
    letter = await forgotten(world)
    weak = await post(world.client(), letter.token, password=password)
    assert weak.status_code == 422
    assert words in weak.text
    assert 'name="password"' in weak.text
    assert (await post(world.client(), letter.token, password=NEW_PASSWORD)).status_code == 200
    again = await post(world.client(), letter.token, password="yet another one")
    assert again.status_code == 400
    assert "used or out of date" in again.text
