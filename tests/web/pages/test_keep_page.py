"""The page behind the link by which an account is kept, used as a browser without script would."""

from sqlalchemy import select

from tests.web.api.test_closing import closed
from tests.web.api.test_passwords import opened
from tests.web.pages.test_address_pages import post
from tests.world import PASSWORD, World
from vestibule.accounts.models import Account


async def test_looking_keeps_nothing_and_the_button_does(world: World) -> None:
    letter = await closed(world, await world.member())
    browser = world.client()
    assert letter.link is not None
    for _ in range(2):
        assert (await browser.get(letter.link)).status_code == 200
        assert (await browser.head(letter.link)).status_code == 200
    assert await world.rows(select(Account.state)) == [("closing",)]
    done = await post(browser, "/keep-account", token=letter.token)
    assert done.status_code == 200
    assert "Your account is kept" in done.text
    assert await opened(world, world.browser(), PASSWORD) == [200]
    again = await post(browser, "/keep-account", token=letter.token)
    assert again.status_code == 400
    assert "not closing" in again.text
