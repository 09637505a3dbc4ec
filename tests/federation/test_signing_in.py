"""Signing in with a provider, as a browser, a client with a code and a native app do it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any  # Any: claims
from urllib.parse import urlsplit

import pytest
from quart import Quart
from sqlalchemy import insert, select

from tests.embedding.host import Host, made
from tests.federation.conftest import OURS, House, opened
from tests.federation.provider import CLIENT, SECRET, providing, query
from tests.world import PASSWORD, World
from vestibule.accounts import address
from vestibule.accounts.models import Account, Identity
from vestibule.federation.choose import Providers
from vestibule.kernel.errors import DatabaseUnavailable
from vestibule.web.api import surface as api

VERIFIED: dict[str, Any] = {"email": "ada@example.org", "email_verified": True}


async def test_who_one_can_sign_in_with_is_told(house: House, world: World) -> None:
    offered = (await house.browser().get("/v1/oauth")).json()["providers"]
    assert [(each["name"], each["title"]) for each in offered] == [
        ("github", "GitHub"),
        ("op1", "Op1"),
        ("op2", "Op2"),
    ]
    assert offered[0]["start"] == "http://localhost:8000/v1/oauth/github/start"
    [demo] = (await world.client().get("/v1/oauth")).json()["providers"]
    assert demo["name"] == "demo", "where there is no other"
    assert (await world.client().get("/v1/oauth/op1/start")).status_code == 404


async def test_somebody_new_gets_an_account_and_comes_back_to_it(house: House) -> None:
    ada = house.browser()
    names = {"given_name": "Ada", "family_name": "Lovelace", "picture": "https://a.test/a.png"}
    done = await house.sign_in(ada, **VERIFIED, **names)
    assert (done.status_code, done.headers["Location"]) == (303, "http://localhost:8000/signed-in")
    first = await house.who(ada)
    assert first is not None
    assert (first["email"], first["email_verified"]) == ("ada@example.org", True)
    assert {name: first[name] for name in names} == names
    assert "ada@example.org" in (await ada.get("/signed-in")).text
    again = house.browser()
    await house.sign_in(again, **VERIFIED)
    second = await house.who(again)
    assert second is not None
    assert second["id"] == first["id"]
    assert not [each for each in again.cookies if each.startswith("vestibule_oauth")]


async def test_what_is_asked_is_the_least_and_by_the_book(house: House) -> None:
    asked = [query(await house.begin(house.browser())) for _ in range(20)]
    for each in asked:
        assert each["response_type"] == "code"
        assert each["scope"] == "openid email profile"
        assert each["code_challenge_method"] == "S256"
        assert each["redirect_uri"] == "http://localhost:8000/v1/oauth/op1/callback"
        assert each["client_id"] == CLIENT
    for secret in ("state", "nonce", "code_challenge"):
        assert len({each[secret] for each in asked}) == 20
    ada = house.browser()
    await house.sign_in(ada)
    [call] = house.op1.to("/token")
    assert call.basic == (CLIENT, SECRET)
    assert call.form["grant_type"] == "authorization_code"
    assert re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", call.form["code_verifier"])
    [told] = house.op1.to("/userinfo")
    assert told.headers["authorization"].startswith("Bearer ")


async def test_secrets_go_into_the_form_where_the_provider_wants_that(house: House) -> None:
    house.op1.published["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await house.sign_in(house.browser())
    [call] = house.op1.to("/token")
    assert call.basic is None
    assert (call.form["client_id"], call.form["client_secret"]) == (CLIENT, SECRET)


async def test_whoever_only_logs_in_opens_no_account(house: House) -> None:
    ada = house.browser()
    refused = await house.sign_in(ada, intent="login", **VERIFIED)
    assert (refused.status_code, refused.json()["code"]) == (403, "no_account")
    assert await house.who(ada) is None
    await house.sign_in(ada, intent="signup", **VERIFIED)
    assert (await house.sign_in(house.browser(), intent="login")).status_code == 303


async def test_a_page_is_shown_to_people_and_holds_nothing_of_the_address(house: House) -> None:
    ada = house.browser()
    url = await house.begin(ada)
    brought = {
        "error": "access_denied",
        "error_description": "<b>x</b>",
        "iss": house.op1.issuer,
        "state": query(url)["state"],
    }
    page = {"Accept": "text/html,application/xhtml+xml"}
    sent = await ada.get("/v1/oauth/op1/callback", params=brought, headers=page)
    assert sent.status_code == 303
    assert sent.headers["Location"] == (
        "http://localhost:8000/sign-in-failed?error=provider_refused"
    )
    shown = await ada.get(sent.headers["Location"])
    assert (shown.status_code, "Try again, and agree" in shown.text) == (400, True)
    assert "<b>" not in (await ada.get("/sign-in-failed?error=<b>x</b>")).text


@pytest.mark.parametrize(
    "wanted,met",
    [
        ("/welcome?a=b", "http://localhost:8000/welcome?a=b"),
        ("http://localhost:8000/x", "http://localhost:8000/x"),
        ("https://app.example.test/in", "https://app.example.test/in"),
        ("https://evil.test/", None),
        ("//evil.test/", None),
        ("/\\evil.test/", None),
        ("\\/evil.test", None),
        ("https:evil.test", None),
        ("https://app.example.test@evil.test/", None),
        ("https://app.example.test.evil.test/", None),
        ("javascript:alert(1)", None),
        ("welcome", None),
        ("", None),
        ("/a b", None),
        ("/\t/evil.test", None),
        ("/" + "a" * 2000, None),
    ],
)
async def test_nobody_is_sent_elsewhere(
    sqlite_url: str, tmp_path: Path, wanted: str, met: str | None
) -> None:
    async with opened(sqlite_url, tmp_path, allowed_origins="https://app.example.test") as house:
        ada = house.browser()
        left = await ada.get("/v1/oauth/op1/start", params={"next": wanted})
        if met is None:
            assert (left.status_code, left.json()["code"]) == (422, "invalid_fields")
            return
        brought = house.op1.agree(left.headers["Location"])
        assert (await house.come_back(ada, brought)).headers["Location"] == met


async def test_a_browser_may_be_under_way_four_times(house: House) -> None:
    ada = house.browser()
    urls = []
    for _ in range(6):
        urls.append(await house.begin(ada))
        house.world.clock.move(timedelta(seconds=1))
    assert len([each for each in ada.cookies if each.startswith("vestibule_oauth_")]) == 4
    done = [(await house.come_back(ada, house.op1.agree(url))).status_code for url in urls]
    assert done == [400, 400, 303, 303, 303, 303]


async def test_a_client_with_a_code_of_its_own_gets_tokens(house: House) -> None:
    client = house.world.client()
    verifier, nonce = "v" * 43, "a nonce"
    from authlib.oauth2.rfc7636 import create_s256_code_challenge  # noqa: PLC0415

    def asked() -> dict[str, str]:
        challenge = create_s256_code_challenge(verifier)
        url = f"{house.op1.issuer}/authorize?redirect_uri={OURS}&state=s&nonce={nonce}"
        return house.op1.agree(f"{url}&code_challenge={challenge}", **VERIFIED)

    body = {"code_verifier": verifier, "redirect_uri": OURS, "nonce": nonce}
    body["iss"] = house.op1.issuer
    met = await client.post("/v1/oauth/op1/exchange", json=body | {"code": asked()["code"]})
    assert met.status_code == 200, met.text
    assert "Set-Cookie" not in met.headers
    bearer = {"Authorization": f"Bearer {met.json()['access_token']}"}
    assert (await client.get("/v1/me", headers=bearer)).json()["email"] == "ada@example.org"
    for wrong, status, code in (
        ({"nonce": "another"}, 424, "provider_failed"),
        ({"nonce": None}, 422, "invalid_fields"),
        ({"redirect_uri": "https://evil.test/cb"}, 422, "invalid_fields"),
        ({"code_verifier": "w" * 43}, 424, "provider_failed"),
        ({"code_verifier": "short"}, 422, "invalid_fields"),
    ):
        sent = body | {"code": asked()["code"]} | wrong
        refused = await client.post("/v1/oauth/op1/exchange", json=sent)
        assert (refused.status_code, refused.json()["code"]) == (status, code), wrong


async def test_a_native_app_sends_an_id_token_once(house: House) -> None:
    client, nonce = house.world.client(), "a nonce"
    token = house.op1.id_token(nonce=nonce, **VERIFIED)
    body = {"id_token": token, "nonce": nonce}
    met = await client.post("/v1/oauth/op1/id-token", json=body)
    assert met.status_code == 200, met.text
    assert met.json()["account"]["email"] == "ada@example.org"
    again = await client.post("/v1/oauth/op1/id-token", json=body)
    assert (again.status_code, again.json()["code"]) == (400, "state_refused")
    other = {"id_token": house.op1.id_token(nonce="x"), "nonce": "y"}
    assert (await client.post("/v1/oauth/op1/id-token", json=other)).status_code == 424
    assert (await client.post("/v1/oauth/github/id-token", json=body)).status_code == 424
    assert house.op1.to("/userinfo") == []


async def test_identities_are_linked_listed_and_removed(house: House) -> None:
    ada = await house.world.member()
    url = (await ada.post("/v1/me/identities/op2/link", json={"next": "/mine"})).json()["url"]
    done = await house.come_back(ada, house.op2.agree(url, "7", email="x@y.test"), "op2")
    assert done.headers["Location"] == "http://localhost:8000/mine"
    [linked] = (await ada.get("/v1/me/identities")).json()["identities"]
    assert (linked["provider"], linked["email"]) == ("op2", "x@y.test")
    assert (await house.world.mails("ada@example.org"))[-1].subject.endswith("with Op2")
    other = house.browser()
    await house.sign_in(other, "7", "op2")
    assert (await house.who(other) or {})["email"] == "ada@example.org"
    assert (await ada.delete("/v1/me/identities/op2")).status_code == 204
    assert (await ada.delete("/v1/me/identities/op2")).status_code == 404
    stranger = house.browser()
    await house.sign_in(stranger, "7", "op2")
    assert (await house.who(stranger) or {})["email"] is None


@contextmanager
def gone(house: House, name: str) -> Iterator[None]:
    """A provider that the settings name no more."""
    providers = house.world.vestibule.means.part(Providers)
    provider = providers.pop(name)
    yield
    providers[name] = provider


async def test_the_last_way_in_stays(house: House) -> None:
    ada = house.browser()
    await house.sign_in(ada, **VERIFIED)
    own = {"Origin": house.world.vestibule.settings.base_url}
    refused = await ada.delete("/v1/me/identities/op1", headers=own)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_way_in")
    url = (await ada.post("/v1/me/identities/op2/link", json={}, headers=own)).json()["url"]
    await house.come_back(ada, house.op2.agree(url), "op2")
    with gone(house, "op2"):
        assert (await ada.delete("/v1/me/identities/op1", headers=own)).status_code == 409
    assert (await ada.delete("/v1/me/identities/op1", headers=own)).status_code == 204
    assert (await ada.delete("/v1/me/identities/op2", headers=own)).status_code == 409


async def test_an_identity_of_a_provider_that_is_set_up_no_longer_is_removed_by_its_host(
    house: House,
) -> None:
    long = f"https://{'a' * 60}.example.org/realms/x"
    ada = await house.world.member()
    url = (await ada.post("/v1/me/identities/op1/link", json={})).json()["url"]
    await house.come_back(ada, house.op1.agree(url))
    [(owner,)] = await house.world.rows(select(Account.id))
    async with house.world.vestibule.unit() as unit:
        for issuer in (house.op2.issuer, long):
            values = {"issuer": issuer, "subject": "7", "account_id": owner, "linked_at": unit.now}
            await unit.session.execute(insert(Identity).values(values))
    with gone(house, "op2"):
        listed = (await ada.get("/v1/me/identities")).json()["identities"]
        names = [each["provider"] for each in listed]
        assert sorted(names) == sorted(
            ["op1", urlsplit(house.op2.issuer).netloc, f"{'a' * 60}.example.org"]
        )
        for name in ("op2", "", "example.org", "127.0.0.1"):
            assert (await ada.delete(f"/v1/me/identities/{name}")).status_code == 404
        for name in names:
            assert (await ada.delete(f"/v1/me/identities/{name}")).status_code == 204, name
        assert (await ada.get("/v1/me/identities")).json()["identities"] == []


async def test_linking_wants_a_recent_log_in_and_an_identity_that_is_free(house: House) -> None:
    bob = house.browser()
    await house.sign_in(bob, "7", "op2")
    ada = await house.world.member()
    url = (await ada.post("/v1/me/identities/op2/link", json={})).json()["url"]
    taken = await house.come_back(ada, house.op2.agree(url, "7"), "op2")
    assert (taken.status_code, taken.json()["code"]) == (409, "identity_taken")
    house.world.clock.move(timedelta(minutes=11))
    for asked in (
        ada.post("/v1/me/identities/op2/link", json={}),
        ada.delete("/v1/me/identities/op2"),
    ):
        assert (await asked).json()["code"] == "reauthentication_required"


async def test_the_password_still_works_beside_an_identity(house: House) -> None:
    ada = await house.world.member()
    await house.sign_in(house.browser(), **VERIFIED)
    assert (await ada.log_in(password=PASSWORD)).status_code == 200
    assert (await house.world.mails("ada@example.org"))[-1].subject.endswith("with Op1")


@pytest.mark.fault("F-05")
async def test_a_proof_that_was_cut_off_is_posted_at_the_next_sign_in_and_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_args: object, **_named: object) -> None:
        raise DatabaseUnavailable(1)

    monkeypatch.setattr(address, "ask_to_change", gone)
    bob = house.browser()
    assert (await house.sign_in(bob, "7", "op2", **VERIFIED)).status_code == 503
    monkeypatch.undo()
    assert await house.world.mails("ada@example.org") == []
    for _ in range(3):
        assert (await house.sign_in(bob, "7", "op2", **VERIFIED)).status_code == 303
        assert len(await house.world.mails("ada@example.org")) == 1
    house.world.clock.move(timedelta(hours=25))  # the proof is over
    times = {"iat": int(house.world.clock.now().timestamp())}
    house.op2.claims = times | {"exp": times["iat"] + 60}
    assert (await house.sign_in(house.browser(), "7", "op2", **VERIFIED)).status_code == 303
    assert len(await house.world.mails("ada@example.org")) == 2


async def test_an_account_that_a_provider_opens_was_logged_in_to(house: House) -> None:
    for name in ("op1", "op2"):
        await house.sign_in(house.browser(), "7", name, **VERIFIED)
    seen = await house.world.rows(select(Account.last_login_at, Account.created_at))
    assert len(seen) == 2
    assert all(last == created for last, created in seen)


async def test_a_sign_in_takes_the_place_of_the_session_that_the_browser_had(
    house: House,
) -> None:
    bob, other = house.browser(), house.browser()
    for name in ("7", "8"):  # their own anew, and another's
        await house.sign_in(bob, "7")
        former = dict(bob.cookies)["vestibule"]
        await house.sign_in(other, "7")
        assert (await house.sign_in(bob, name)).status_code == 303
        left = house.world.client(Cookie=f"vestibule={former}")
        assert (await left.get("/v1/me")).status_code == 401
        assert await house.who(bob) is not None
        assert await house.who(other) is not None, "a browser ends its own alone"


async def test_an_address_that_nobody_vouches_for_is_proved_by_letter(house: House) -> None:
    bob = house.browser()
    await house.sign_in(bob, "7", "op2", **VERIFIED)
    first = await house.who(bob)
    assert first is not None
    assert first["email"] is None
    letter = (await house.world.mails("ada@example.org"))[-1]
    own = {"Origin": house.world.vestibule.settings.base_url}
    proved = await bob.post("/v1/email/confirmation", json={"code": letter.code}, headers=own)
    assert proved.status_code == 200, proved.text
    assert (await house.who(bob) or {})["email"] == "ada@example.org"
    again = house.browser()
    await house.sign_in(again, "7", "op2", **VERIFIED)
    assert (await house.who(again) or {})["id"] == first["id"]
    count = len(await house.world.mails("ada@example.org"))
    await house.sign_in(house.browser(), "8", "op2", **VERIFIED)
    told = await house.world.mails("ada@example.org")
    assert len(told) == count + 1
    assert told[-1].code is None


@pytest.mark.parametrize(
    "prefix", ["/oauth-service/v1", "/oauth/v1", "/me/auth", "/oauth", "/a/me/"]
)
async def test_ways_back_are_right_wherever_a_host_mounts_us(
    database_url: str, tmp_path: Path, prefix: str
) -> None:
    async with providing() as op1:
        oidc = {"op1": {"issuer": op1.issuer, "client_id": CLIENT, "client_secret": SECRET}}
        vestibule, app = made(database_url, tmp_path, oidc=oidc), Quart("host")
        vestibule.init_app(app)
        app.register_blueprint(api.blueprint(), url_prefix=prefix)
        async with Host.serving(app, vestibule) as host:
            below = f"{vestibule.settings.base_url}{prefix.rstrip('/')}/oauth"
            browser = host.client(**{"Sec-Fetch-Site": "none"})
            [offered] = (await browser.get(below)).json()["providers"]
            assert offered["start"] == f"{below}/op1/start"
            left = (await browser.get(offered["start"])).headers["Location"]
            assert query(left)["redirect_uri"] == f"{below}/op1/callback"
            done = await browser.get(f"{below}/op1/callback", params=op1.agree(left))
            assert done.status_code == 303, done.text
