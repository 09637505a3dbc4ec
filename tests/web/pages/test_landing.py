"""The page behind the link of a sign-up letter, used as a browser without script would."""

import re
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest
from quart import Quart
from sqlalchemy import select

from tests.world import CHEAP, PASSWORD, Client, World
from vestibule import Settings, Vestibule
from vestibule.accounts.models import Account, Challenge
from vestibule.audit.log import Entry
from vestibule.web.pages import landing


async def post(browser: Client, **fields: str) -> httpx.Response:
    # What browsers send from a page with Referrer-Policy: no-referrer.
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    return await browser.post("/verify-email", data=fields, headers=headers)


async def test_the_link_shows_a_button_and_the_button_signs_in(world: World) -> None:
    program, browser = world.browser(), world.client()
    await program.sign_up()
    [letter] = await world.mails()
    assert letter.link is not None
    shown = await browser.get(letter.link)
    assert shown.status_code == 200
    token = re.search(r'name="token" value="([^"]+)"', shown.text)
    assert token
    assert token[1] == letter.token
    entered = await post(browser, token=token[1], password=PASSWORD)
    assert (entered.status_code, entered.headers["location"]) == (303, "verify-email")
    done = await browser.get("/verify-email")
    assert "signed in as ada@example.org" in done.text
    assert (await browser.get("/v1/me")).json()["email_verified"] is True


async def test_looking_at_the_link_spends_nothing(world: World) -> None:
    await world.browser().sign_up()
    [letter] = await world.mails()
    assert letter.link is not None
    before = await world.rows(select(Challenge))
    for _ in range(3):
        assert (await world.client().get(letter.link)).status_code == 200
        assert (await world.client().head(letter.link)).status_code == 200
    assert len(await world.rows(select(Challenge))) == len(before)
    assert await world.rows(select(Account.id)) == []
    assert (await post(world.client(), token=letter.token, password=PASSWORD)).status_code == 303


async def test_a_wrong_password_keeps_the_form_and_ten_close_the_link(world: World) -> None:
    await world.browser().sign_up()
    [letter] = await world.mails()
    browser = world.client()
    for _ in range(10):
        wrong = await post(browser, token=letter.token, password="not this one")
        assert wrong.status_code == 400
        assert letter.token in wrong.text
        assert "If you have confirmed already, log in." in wrong.text
        assert "If the link is older than 24 hours, sign up again." in wrong.text
        assert "<header>Vestibule</header>" in wrong.text
    closed = await post(browser, token=letter.token, password=PASSWORD)
    assert closed.status_code == 429
    assert int(closed.headers["retry-after"]) > 0
    assert "vestibule" not in browser.cookies


async def test_a_name_taken_meanwhile_can_be_chosen_anew_on_the_page(world: World) -> None:
    await world.browser().sign_up(username="ada")
    [letter] = await world.mails()
    await world.browser().sign_up(None, username="ada")
    browser = world.client()
    asked = await post(browser, token=letter.token, password=PASSWORD)
    assert asked.status_code == 409
    assert 'name="username"' in asked.text
    bad = await post(browser, token=letter.token, password=PASSWORD, username="!")
    assert bad.status_code == 422
    fine = await post(browser, token=letter.token, password=PASSWORD, username="ada.l")
    assert fine.status_code == 303
    assert (await browser.get("/v1/me")).json()["username"] == "ada.l"


async def test_the_page_without_a_token_says_what_to_do(world: World) -> None:
    answer = await world.client().get("/verify-email")
    assert answer.status_code == 200
    assert "Open the link in your letter" in answer.text


@pytest.mark.parametrize(
    "content, media_type, status",
    [
        (b'{"token": "x"}', "application/json", 415),
        (b"token=x&token=y&password=z", "application/x-www-form-urlencoded", 400),
        (b"token=x%00&password=z", "application/x-www-form-urlencoded", 400),
        (b"token=%ff%fe&password=z", "application/x-www-form-urlencoded", 400),
        (b"", "application/x-www-form-urlencoded", 400),
    ],
)
async def test_a_broken_form_is_answered_by_a_page(
    world: World, content: bytes, media_type: str, status: int
) -> None:
    answer = await world.client().post(
        "/verify-email",
        content=content,
        headers={"Content-Type": media_type, "Sec-Fetch-Site": "same-origin"},
    )
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")


async def test_another_site_cannot_post_the_form(world: World) -> None:
    await world.browser().sign_up()
    [letter] = await world.mails()
    for headers in ({"Origin": "https://evil.test"}, {"Origin": "null"}):
        answer = await world.client().post(
            "/verify-email",
            data={"token": letter.token, "password": PASSWORD},
            headers=headers,
        )
        assert answer.status_code == 403
    assert (await post(world.client(), token=letter.token, password=PASSWORD)).status_code == 303


async def test_the_page_works_under_a_path_of_a_proxy(database_url: str, tmp_path: Path) -> None:
    async with World.running(
        database_url, tmp_path, base_url="http://localhost:8000/auth"
    ) as world:
        await world.client(Origin="http://localhost:8000").post(
            "http://localhost:8000/v1/accounts",
            json={"email": "ada@example.org", "password": PASSWORD},
        )
        while await world.vestibule.courier.send_due():
            pass
        mailbox = await world.client().get(
            "http://localhost:8000/dev/mailbox", headers={"Accept": "application/json"}
        )
        [link] = mailbox.json()[0]["links"]
        assert link.startswith("http://localhost:8000/auth/verify-email?token=")
        shown = await world.client().get(f"http://localhost:8000{link.partition('/auth')[2]}")
        action = re.search(r'action="([^"]+)"', shown.text)
        assert action
        assert urljoin(link, action[1]) == "http://localhost:8000/auth/verify-email"


async def test_signing_in_by_the_link_is_a_log_in(world: World) -> None:
    bob = await world.member("bob@example.org")
    former = bob.cookies["vestibule"]
    await world.browser().sign_up()
    letter = (await world.mails("ada@example.org"))[-1]
    assert (await post(bob, token=letter.token, password=PASSWORD)).status_code == 303
    assert (await bob.get("/v1/me")).json()["email"] == "ada@example.org"
    old = world.client(Cookie=f"vestibule={former}")
    assert (await old.get("/v1/me")).status_code == 401, "one browser, one session"
    noted = select(Account.last_login_at).where(Account.email == "ada@example.org")
    assert (await world.rows(noted))[0][0] is not None
    events = [event for (event,) in await world.rows(select(Entry.event).order_by(Entry.id))]
    assert events[-3:] == ["address.proved", "session.ended", "login.succeeded"]


async def test_the_landing_pages_stand_alone(sqlite_url: str, tmp_path: Path) -> None:
    host = Quart("host")
    settings = Settings.load(database_url=sqlite_url, data_dir=tmp_path / "data", courier=False)
    Vestibule(settings, hasher=CHEAP).init_app(host)
    host.register_blueprint(landing.blueprint())
    async with host.test_app() as app:
        answer = await app.test_client().get("/verify-email?token=x")
        assert answer.status_code == 200
        wrong = await app.test_client().post(
            "/verify-email",
            form={"token": "x", "password": "y"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        assert wrong.status_code == 400
    async with host.test_app() as app:  # started again
        assert (await app.test_client().get("/verify-email")).status_code == 200
