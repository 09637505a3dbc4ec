"""Google's rows of the contract of Open Rank Tracker, with a provider that does what it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal  # Any: claims are JSON

import httpx
import pytest
from quart import Quart
from sqlalchemy import func, select

from tests.embedding.host import Host, made
from tests.federation.provider import CLIENT, SECRET, Provider, Raw, providing, query
from tests.web.dialects.test_openrank import (
    NAME,
    WRONG,
    account_of,
    activation,
    below,
    claims_of,
    cookie_of,
    entered,
    is_cleared,
    log_in,
    refused,
    say,
    sign_up,
)
from tests.world import Client, World
from vestibule.accounts import state
from vestibule.accounts.models import Account
from vestibule.federation import fetching
from vestibule.sessions.models import Session
from vestibule.web.dialects import openrank

Intent = Literal["login", "signup"]

ROOT = "http://localhost:8000/"
UNKNOWN = f"{ROOT}welcome/oauth/unknown"
EMAIL = "Ann@gmail.com"
# Google itself gives out addresses of gmail.com, so it is who says whose they are.
ANN: dict[str, Any] = {"email": EMAIL, "email_verified": True, "given_name": "Ann"}
ELSEWHERE = ANN | {"email": "ann@example.com"}


def failed(code: str) -> str:
    return f"{ROOT}welcome/login?error={code}"


def led(answer: httpx.Response) -> str:
    """Return where an answer leads that lets nobody in."""
    assert answer.status_code == 302, answer.text
    assert cookie_of(answer) is None
    return str(answer.headers["Location"])


@dataclass
class House:
    world: World
    google: Provider

    def browser(self) -> Client:
        return self.world.browser()

    async def leave(self, browser: Client, intent: Intent) -> str:
        """Press the button; return where the browser is sent."""
        left = await browser.post(
            f"/api/users/oauth2{intent}/",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        return led(left)

    async def come_back(
        self, browser: Client, intent: Intent, brought: dict[str, str]
    ) -> httpx.Response:
        return await browser.get(f"/api/users/oauth2callback/{intent}/", params=brought)

    async def sign_in(
        self, browser: Client, intent: Intent, subject: str = "1000", **claims: Any
    ) -> httpx.Response:
        """The whole way of a browser."""
        url = await self.leave(browser, intent)
        return await self.come_back(browser, intent, self.google.agree(url, subject, **claims))

    async def accounts(self) -> int:
        [(count,)] = await self.world.rows(select(func.count()).select_from(Account))
        return int(count)


def let_in(answer: httpx.Response) -> dict[str, Any]:
    """Return the claims of whom a callback lets in."""
    assert (answer.status_code, answer.headers["Location"]) == (302, ROOT)
    morsel = cookie_of(answer)
    assert morsel is not None
    return claims_of(morsel.value)


@asynccontextmanager
async def opened(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[House]:
    async with providing() as google:
        given = {
            "dialects": NAME,
            "google_client_id": CLIENT,
            "google_client_secret": SECRET,
            "google_issuer": google.issuer,
        }
        async with World.running(database_url, folder, **given | settings) as world:
            yield House(world, google)


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(database_url, tmp_path) as made:
        yield made


async def test_a_sign_in_takes_the_place_of_the_session_that_the_browser_had(
    house: House,
) -> None:
    ann = house.browser()
    former, again = [cookie_of(await house.sign_in(ann, "signup", **ANN)) for _ in range(2)]
    assert former is not None
    assert again is not None
    ends = await house.world.rows(select(Session.end_reason).order_by(Session.id))
    assert [reason for (reason,) in ends] == ["replaced", None]


@pytest.mark.parametrize("intent", ["login", "signup"])
async def test_the_buttons_lead_to_google_by_the_book(house: House, intent: Intent) -> None:
    browsers = [house.browser() for _ in range(5)]
    urls = [await house.leave(each, intent) for each in browsers]
    for url in urls:
        assert url.startswith(f"{house.google.issuer}/authorize?")
        asked = query(url)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["scope"] == "openid email profile"
        assert asked["redirect_uri"] == f"{ROOT}api/users/oauth2callback/{intent}/"
        assert asked["code_challenge_method"] == "S256"
    async with below(house.world) as client:
        left = await client.post(f"/below/api/users/oauth2{intent}/")
    assert query(led(left))["redirect_uri"] == f"{ROOT}below/api/users/oauth2callback/{intent}/"
    for secret in ("state", "nonce", "code_challenge"):
        assert len({query(url)[secret] for url in urls}) == 5
    let_in(await house.sign_in(house.browser(), "signup", **ANN))
    [call] = house.google.to("/token")
    assert call.basic == (CLIENT, SECRET)
    assert call.form["grant_type"] == "authorization_code"
    [told] = house.google.to("/userinfo")
    assert told.headers["authorization"].startswith("Bearer ")


async def test_a_sign_up_opens_an_account_once_and_a_log_in_finds_it(house: House) -> None:
    picture = "https://a.test/a.png"
    first = let_in(await house.sign_in(house.browser(), "signup", **ANN, picture=picture))
    theirs = ("google_id", "given_name", "picture", "email", "email_verified")
    assert [first[name] for name in theirs] == ["1000", "Ann", picture, EMAIL, True]
    assert (await account_of(house.world, EMAIL)).email_verified_at is not None
    for intent in ("signup", "login"):
        browser = house.browser()
        again = let_in(await house.sign_in(browser, intent, **ANN))
        assert again["id"] == first["id"]
        assert [each for each in browser.cookies if "oauth" in each] == []
        assert not is_cleared(await browser.put("/api/users/login/")), "it is good"
    assert await house.accounts() == 1


async def test_a_log_in_of_somebody_unknown_opens_nothing(house: House) -> None:
    browser = house.browser()
    assert led(await house.sign_in(browser, "login", **ANN)) == UNKNOWN
    assert await house.accounts() == 0
    assert dict(browser.cookies) == {}


@pytest.mark.parametrize("intent", ["login", "signup"])
async def test_an_activated_account_is_linked_and_keeps_its_password(
    house: House, intent: Intent
) -> None:
    browser = house.browser()
    await sign_up(browser, EMAIL)
    token = await activation(house.world, EMAIL)
    first = entered(await say(browser, "activate", user_uuid=token))
    linked = let_in(await house.sign_in(house.browser(), intent, **ANN))
    assert (linked["id"], linked["google_id"], linked["given_name"]) == (first["id"], "1000", "Ann")
    letter = (await house.world.mails(EMAIL))[-1]
    assert letter.subject.startswith("[OpenRankTracker] ")
    again = entered(await log_in(house.browser(), EMAIL))
    assert again["google_id"] == "1000"
    other = house.browser()
    assert led(await house.sign_in(other, "login", "2000", **ANN)) == UNKNOWN


async def test_an_account_that_was_never_activated_is_its_owners_from_then_on(house: House) -> None:
    """Whoever signed up with somebody else's address keeps no way in."""
    planted = house.browser()
    await sign_up(planted, EMAIL)
    linked = let_in(await house.sign_in(house.browser(), "login", **ANN))
    assert linked["email_verified"] is True
    answer = await log_in(planted, EMAIL)
    assert refused(answer) == (401, WRONG)
    assert is_cleared(answer)


@pytest.mark.parametrize("claims", [ELSEWHERE, ANN | {"email_verified": False}])
async def test_an_address_that_google_does_not_vouch_for_opens_nobodys_account(
    house: House, claims: dict[str, Any]
) -> None:
    email = claims["email"]
    browser = house.browser()
    await sign_up(browser, email)
    entered(await say(browser, "activate", user_uuid=await activation(house.world, email)))
    assert led(await house.sign_in(house.browser(), "login", **claims)) == UNKNOWN
    new = let_in(await house.sign_in(house.browser(), "signup", **claims))
    assert new["email"] is None
    assert new["id"] != str((await account_of(house.world, email)).id)


@pytest.mark.parametrize("intent", ["login", "signup"])
async def test_a_disabled_account_is_not_entered(house: House, intent: Intent) -> None:
    let_in(await house.sign_in(house.browser(), "signup", **ANN))
    gone = await account_of(house.world, EMAIL)
    await house.world.vestibule.run(lambda unit: state.disable(unit, gone.id))
    where = UNKNOWN if intent == "login" else failed("no_account")
    assert led(await house.sign_in(house.browser(), intent, **ANN)) == where


async def test_a_state_works_once_in_its_browser_for_its_own_way_back(house: House) -> None:
    ann = house.browser()
    brought = house.google.agree(await house.leave(ann, "signup"), **ANN)
    assert led(await house.come_back(house.browser(), "signup", brought)) == failed("state_refused")
    other = house.browser()
    other.cookies.update(ann.cookies)
    kept = house.browser()
    kept.cookies.update(ann.cookies)
    assert led(await house.come_back(other, "login", brought)) == failed("state_refused")
    api = await kept.get("/v1/oauth/google/callback", params=brought)
    assert api.status_code == 400
    let_in(await house.come_back(ann, "signup", brought))
    assert led(await house.come_back(kept, "signup", brought)) == failed("state_refused")
    late = house.browser()
    brought = house.google.agree(await house.leave(late, "signup"), **ANN)
    house.world.clock.move(timedelta(minutes=11))
    assert led(await house.come_back(late, "signup", brought)) == failed("state_refused")


async def test_what_was_begun_at_the_api_does_not_end_here(house: House) -> None:
    browser = house.browser()
    left = await browser.get("/v1/oauth/google/start")
    brought = house.google.agree(left.headers["Location"], **ANN)
    for intent in ("login", "signup"):
        answer = await house.come_back(browser, intent, brought)
        assert led(answer) == failed("state_refused")
    assert await house.accounts() == 0


async def test_what_was_begun_for_one_intent_does_not_end_at_the_way_back_of_the_other(
    house: House,
) -> None:
    browser = house.browser()
    brought = house.google.agree(await house.leave(browser, "signup"), **ANN)
    assert led(await house.come_back(browser, "login", brought)) == failed("state_refused")
    assert await house.accounts() == 0


@pytest.mark.parametrize("intent", ["login", "signup"])
async def test_whatever_goes_wrong_leads_to_the_page(house: House, intent: Intent) -> None:
    refusal = failed("state_refused")
    for brought in ({}, {"code": "x"}, {"state": "x"}, {"state": "\0" * 500, "code": "x"}):
        assert led(await house.come_back(house.browser(), intent, brought)) == refusal
    path = f"/api/users/oauth2callback/{intent}/"
    assert led(await house.browser().get(f"{path}?state=a&state=b&code=x")) == refusal

    browser = house.browser()
    url = await house.leave(browser, intent)
    said_no = {"error": "access_denied", "state": query(url)["state"], "iss": house.google.issuer}
    assert led(await house.come_back(browser, intent, said_no)) == failed("provider_refused")
    assert dict(browser.cookies) == {}, "it is finished"

    for changed in ({"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.example"}):
        house.google.claims = changed
        assert led(await house.sign_in(house.browser(), intent, **ANN)) == failed("provider_failed")
    house.google.claims = {}
    for raw in (Raw(b"<html>", 200), Raw(b"{}", 500), Raw(b"[]")):
        house.google.said["/token"] = raw
        assert led(await house.sign_in(house.browser(), intent, **ANN)) == failed("provider_failed")
    assert await house.accounts() == 0


async def test_a_verifier_that_does_not_fit_gets_nothing(house: House) -> None:
    browser = house.browser()
    brought = house.google.agree(await house.leave(browser, "signup"), **ANN)
    house.google.agreed[brought["code"]]["code_challenge"] = "another"
    assert led(await house.come_back(browser, "signup", brought)) == failed("provider_failed")


async def test_a_google_that_hangs_or_is_away_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = house.browser()
    brought = house.google.agree(await house.leave(browser, "login"), **ANN)
    monkeypatch.setattr(fetching, "WITHIN", 0.2)
    house.google.holding = asyncio.Event()
    assert led(await house.come_back(browser, "login", brought)) == failed("provider_failed")
    house.google.holding.set()
    house.world.clock.move(timedelta(days=2))  # what it published is forgotten
    house.google.said["/.well-known/openid-configuration"] = Raw(b"", 503)
    assert await house.leave(browser, "login") == failed("provider_failed")


async def test_too_many_who_come_back_are_led_to_the_page(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, limits="provider_client=1/1h") as house:
        let_in(await house.sign_in(house.browser(), "signup", **ANN))
        answer = await house.sign_in(house.browser(), "signup", **ANN)
        assert led(answer) == failed("too_many_attempts")


async def test_a_host_of_its_own_has_its_own_ways_back(database_url: str, tmp_path: Path) -> None:
    root = "http://legacy.example.org:8000/"
    alone = f"{NAME}@legacy.example.org"
    async with opened(database_url, tmp_path, dialects=alone) as house:
        browser = house.world.client(Host="legacy.example.org")
        url = await house.leave(browser, "signup")
        assert query(url)["redirect_uri"] == f"{root}api/users/oauth2callback/signup/"
        back = await house.come_back(browser, "signup", house.google.agree(url, **ANN))
        assert (back.status_code, back.headers["Location"]) == (302, root)
        assert cookie_of(back) is not None


async def test_under_a_prefix_the_ways_back_are_there(database_url: str, tmp_path: Path) -> None:
    async with providing() as google:
        app = Quart(__name__)
        vestibule = made(
            database_url,
            tmp_path,
            google_client_id=CLIENT,
            google_client_secret=SECRET,
            google_issuer=google.issuer,
        )
        vestibule.init_app(app)
        app.register_blueprint(openrank.blueprint(), url_prefix="/rank")
        async with Host.serving(app, vestibule) as host:
            browser = host.browser()
            url = led(await browser.post("/rank/api/users/oauth2signup/"))
            way_back = f"{ROOT}rank/api/users/oauth2callback/signup/"
            assert query(url)["redirect_uri"] == way_back
            brought = google.agree(url, **ANN)
            assert let_in(await browser.get(way_back, params=brought))["google_id"] == "1000"


async def test_where_google_is_not_set_up_its_buttons_lead_to_the_page(
    database_url: str, tmp_path: Path
) -> None:
    others = {"op": {"issuer": "https://login.example.com", "client_id": "x"}}
    async with World.running(database_url, tmp_path, dialects=NAME, oidc=others) as world:
        browser = world.browser()
        assert led(await browser.post("/api/users/oauth2login/")) == failed("provider_unknown")
        assert (await sign_up(browser))["google_id"] is None
