"""Signing in with a provider, attacked: from other browsers, by others, by the provider."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any  # Any: claims

import pytest

from tests.federation.conftest import House, opened
from tests.federation.provider import CLIENT, MISSING, Raw, elliptic, query, rsa
from tests.world import NEW_PASSWORD, PASSWORD, Client

V: dict[str, Any] = {"email": "v@victim.test", "email_verified": True}
EVIL = "https://evil.test"


@pytest.fixture
async def one(sqlite_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """On one database: for what is decided before any is asked."""
    async with opened(sqlite_url, tmp_path) as made:
        yield made


async def nobody(house: House, browser: Client) -> bool:
    return await house.who(browser) is None


async def works(house: House) -> bool:
    """The positive control: the same way is open to whoever goes it honestly."""
    ada = house.browser()
    done = await house.sign_in(ada, "honest", email="ada@honest.test", email_verified=True)
    return done.status_code == 303 and not await nobody(house, ada)


@pytest.mark.attack("A-001")
async def test_a_sign_in_is_finished_in_the_browser_that_began_it(house: House) -> None:
    attacker, victim = house.browser(), house.browser()
    brought = house.op1.agree(await house.begin(attacker), "evil")
    refused = await house.come_back(victim, brought)
    assert (refused.status_code, refused.json()["code"]) == (400, "state_refused")
    await house.begin(victim)
    assert (await house.come_back(victim, brought)).status_code == 400
    assert await nobody(house, victim)
    assert house.op1.to("/token") == []
    assert (await house.come_back(attacker, brought)).status_code == 303


@pytest.mark.attack("A-002")
async def test_nobody_links_an_identity_to_anothers_account(house: House) -> None:
    victim = await house.world.member("v@victim.test")
    attacker = await house.world.member("a@evil.test")
    url = (await attacker.post("/v1/me/identities/op1/link", json={})).json()["url"]
    brought = house.op1.agree(url, "evil")
    assert (await house.come_back(victim, brought)).status_code == 400
    # Nor with the attacker's cookie of this very sign-in, planted.
    for name, value in attacker.cookies.items():
        if name.startswith("vestibule_oauth"):
            victim.cookies.set(name, value)
    assert (await house.come_back(victim, brought)).status_code == 400
    assert (await victim.get("/v1/me/identities")).json() == {"identities": []}
    foreign = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    for path in ("/v1/me/identities/op1/link", "/v1/me/identities/op1"):
        for method in ("POST", "DELETE"):
            sent = await victim.request(method, path, json={}, headers=foreign)
            assert sent.status_code in (403, 405)
    assert (await victim.get("/v1/me/identities/op1/link")).status_code == 405
    assert (await victim.get("/v1/oauth/op1/start?link=1")).status_code == 422
    assert (await house.come_back(attacker, brought)).status_code == 303


@pytest.mark.attack("A-002")
async def test_a_link_that_was_begun_is_nothing_after_another_log_in(house: House) -> None:
    ada = await house.world.member("v@victim.test")
    await house.world.member("a@evil.test")
    url = (await ada.post("/v1/me/identities/op1/link", json={})).json()["url"]
    await ada.log_in("a@evil.test")
    assert (await house.come_back(ada, house.op1.agree(url))).status_code == 400
    assert (await ada.get("/v1/me/identities")).json() == {"identities": []}


@pytest.mark.attack("A-003")
async def test_what_somebody_planted_is_gone_when_the_owner_comes(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, login_before_proof=True) as house:
        attacker = house.world.browser()
        await attacker.sign_up("v@victim.test")
        assert (await attacker.log_in("v@victim.test")).status_code == 200
        tokens = (await house.world.browser().log_in("v@victim.test", deliver="tokens")).json()
        made = await attacker.post("/v1/me/api-keys", json={"name": "x"})
        key = house.world.client(**{"X-API-Key": made.json()["key"]})
        url = (await attacker.post("/v1/me/identities/op2/link", json={})).json()["url"]
        await house.come_back(attacker, house.op2.agree(url, "evil"), "op2")
        assert [
            each.status_code for each in (await attacker.get("/v1/me"), await key.get("/v1/me"))
        ] == [200, 200]
        victim = house.browser()
        assert (await house.sign_in(victim, **V)).status_code == 303
        me = await house.who(victim) or {}
        assert (me["email"], me["email_verified"]) == ("v@victim.test", True)
        again = house.world.browser()
        assert (await again.log_in("v@victim.test", PASSWORD)).status_code == 401
        bearer = house.world.client(Authorization=f"Bearer {tokens['access_token']}")
        for client in (attacker, bearer, key):
            assert await nobody(house, client)
        renewed = await again.post(
            "/v1/tokens/refresh", json={"refresh_token": tokens["refresh_token"]}
        )
        assert renewed.status_code == 401
        other = house.browser()
        await house.sign_in(other, "evil", "op2")
        assert (await house.who(other) or {})["id"] != me["id"]


@pytest.mark.attack("A-003")
async def test_a_sign_up_that_waits_for_its_proof_opens_nothing_afterwards(house: House) -> None:
    attacker = house.world.browser()
    handle = (await attacker.sign_up("v@victim.test")).json()["sign_up"]
    code = (await house.world.mails("v@victim.test"))[-1].code
    victim = house.browser()
    await house.sign_in(victim, **V)
    assert (await attacker.prove(sign_up=handle, code=code)).status_code == 400
    assert (await attacker.log_in("v@victim.test")).status_code == 401
    assert not await nobody(house, victim)


@pytest.mark.attack("A-004")
@pytest.mark.parametrize("said", [False, MISSING, "true", "false", 0, 1, None, "", [], {"a": 1}])
async def test_an_address_is_verified_by_true_alone(one: House, said: object) -> None:
    victim = await one.world.member("v@victim.test")
    attacker = one.browser()
    one.op1.more = {"email_verified": said}
    await one.sign_in(attacker, "evil", email="v@victim.test")
    me = await one.who(attacker)
    assert me is None or (me["email"], me["email_verified"]) == (None, False)
    one.op1.more = {}
    assert (await victim.get("/v1/me/identities")).json() == {"identities": []}
    await one.sign_in(one.browser(), "mine", **V)
    assert len((await victim.get("/v1/me/identities")).json()["identities"]) == 1


@pytest.mark.attack("A-004")
async def test_whoever_may_not_speak_for_an_address_opens_nobodys_account(house: House) -> None:
    victim = await house.world.member("v@victim.test")
    attacker = house.browser()
    await house.sign_in(attacker, "evil", "op2", **V)
    assert (await house.who(attacker) or {})["email"] is None
    assert (await victim.get("/v1/me/identities")).json() == {"identities": []}


@pytest.mark.attack("A-005")
@pytest.mark.parametrize(
    "emails,met",
    [
        (
            [
                {"email": "v@victim.test", "primary": True, "verified": False},
                {"email": "a@evil.test", "primary": False, "verified": True},
            ],
            None,
        ),
        ([], None),
        ([{"email": "v@victim.test", "primary": True, "verified": "true"}], None),
        ([{"email": "a@evil.test", "primary": True, "verified": True}], "a@evil.test"),
    ],
)
async def test_github_speaks_for_the_verified_primary_address_alone(
    one: House, emails: list[dict[str, Any]], met: str | None
) -> None:
    victim = await one.world.member("v@victim.test")
    attacker = one.browser()
    done = await one.sign_in(attacker, "7", "github", id=7, email="v@victim.test", emails=emails)
    assert done.status_code == 303
    me = await one.who(attacker) or {}
    assert (me["email"], me["email_verified"]) == (met, met is not None)
    assert (await victim.get("/v1/me/identities")).json() == {"identities": []}


@pytest.mark.attack("A-005")
@pytest.mark.parametrize(
    "path,raw",
    [
        ("/user/emails", Raw(b"{}", 403)),
        ("/user/emails", Raw(b"oops", 500)),
        ("/user/emails", Raw(b'{"message": "x"}')),
        ("/user", Raw(b'{"id": "7"}')),
        ("/user", Raw(b'{"id": true}')),
        ("/user", Raw(b"[]")),
        ("/login/oauth/access_token", Raw(b'{"error": "bad_verification_code"}')),
        ("/login/oauth/access_token", Raw(b"access_token=x&token_type=bearer")),
    ],
)
async def test_what_github_does_not_say_signs_nobody_in(one: House, path: str, raw: Raw) -> None:
    ada = one.browser()
    one.github.said[path] = raw
    failed = await one.sign_in(ada, "7", "github", id=7)
    assert (failed.status_code, failed.json()["code"]) == (424, "provider_failed")
    assert await nobody(one, ada)
    one.github.said.clear()
    assert (await one.sign_in(ada, "7", "github", id=7)).status_code == 303


def _wrong_tokens() -> dict[str, dict[str, Any]]:
    now = int(time.time())
    return {
        "another issuer": {"claims": {"iss": EVIL}},
        "an issuer in other letters": {"claims": {"iss": "HTTP://127.0.0.1"}},
        "another client": {"claims": {"aud": "other"}},
        "a list of another client": {"claims": {"aud": ["other"]}},
        "two clients": {"claims": {"aud": [CLIENT, "other"]}},
        "two clients, given to us": {"claims": {"aud": [CLIENT, "other"], "azp": CLIENT}},
        "no audience": {"claims": {"aud": MISSING}},
        "an empty audience": {"claims": {"aud": []}},
        "given to another": {"claims": {"azp": "other"}},
        "no subject": {"claims": {"sub": MISSING}},
        "an empty subject": {"claims": {"sub": ""}},
        "a number for a subject": {"claims": {"sub": 7}},
        "a long subject": {"claims": {"sub": "s" * 300}},
        "no time of making": {"claims": {"iat": MISSING}},
        "made long ago": {"claims": {"iat": now - 3600}},
        "made tomorrow": {"claims": {"iat": now + 86_400, "exp": now + 90_000}},
        "no end": {"claims": {"exp": MISSING}},
        "over": {"claims": {"exp": now - 120}},
        "an end in words": {"claims": {"exp": "9999999999"}},
        "an end that is true": {"claims": {"exp": True}},
        "an endless end": {"claims": {"exp": 1e300}},
        "not yet": {"claims": {"nbf": now + 3600}},
        "a beginning that is true": {"claims": {"nbf": True}},
        "another access token": {"claims": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}},
        "a key that is not published": {"signs_with": rsa("first", whose="ours")},
        "an unknown key": {"header": {"kid": "nobody"}},
        "critical": {"header": {"crit": ["exp"], "exp": 1}},
        "a key along": {"header": {"jwk": {"kty": "oct", "k": "AA"}}},
        "a place of keys": {"header": {"jku": EVIL}},
    }


@pytest.mark.attack("A-020")
@pytest.mark.parametrize("what", _wrong_tokens())
async def test_an_id_token_that_is_not_for_this_signs_nobody_in(one: House, what: str) -> None:
    for name, value in _wrong_tokens()[what].items():
        setattr(one.op1, name, value)
    ada = one.browser()
    failed = await one.sign_in(ada, "evil", **V)
    assert (failed.status_code, failed.json()["code"]) == (424, "provider_failed")
    assert await nobody(one, ada)
    assert one.op1.to("/userinfo") == []
    one.op1.claims, one.op1.header, one.op1.signs_with = {}, {}, None
    assert await works(one)


@pytest.mark.attack("A-020")
@pytest.mark.parametrize(
    "token",
    [
        "eyJhbGciOiJub25lIn0.{body}.",
        "eyJhbGciOiJOb05lIn0.{body}.",
        "eyJhbGciOiJIUzI1NiJ9.{body}.AAAA",
        "{head}.{body}.AAAA",
        "{head}.{body}",
        "x",
        "",
        "{head}.{body}.{sign}.x.y",
        None,
        7,
    ],
)
async def test_what_is_no_signed_token_signs_nobody_in(one: House, token: str | int | None) -> None:
    ada = one.browser()
    url = await one.begin(ada)
    brought = one.op1.agree(url, "evil")
    head, body, sign = one.op1.id_token(nonce=query(url)["nonce"], subject="evil").split(".")
    said = token.format(head=head, body=body, sign=sign) if isinstance(token, str) else token
    answer = {"access_token": "x", "token_type": "Bearer", "id_token": said}
    import json  # noqa: PLC0415

    one.op1.said["/token"] = Raw(json.dumps(answer).encode())
    assert (await one.come_back(ada, brought)).status_code == 424
    assert await nobody(one, ada)


@pytest.mark.attack("A-021")
async def test_a_subject_is_somebody_at_its_own_issuer_alone(house: House) -> None:
    victim = house.browser()
    await house.sign_in(victim, "1000", **V)
    mine = await house.who(victim) or {}
    for subject in ("1000", str(mine["id"])):
        attacker = house.browser()
        await house.sign_in(attacker, subject, "op2", email="a@evil.test")
        theirs = await house.who(attacker) or {}
        assert theirs["id"] != mine["id"]


@pytest.mark.attack("A-062")
async def test_a_state_works_once_and_for_ten_minutes(house: House) -> None:
    ada = house.browser()
    url = await house.begin(ada)
    kept = dict(ada.cookies)
    brought = house.op1.agree(url)
    assert (await house.come_back(ada, brought)).status_code == 303
    for name, value in kept.items():
        ada.cookies.set(name, value)
    again = house.op1.agree(url)
    assert (await house.come_back(ada, again)).status_code == 400
    assert len(house.op1.to("/token")) == 1
    late = house.browser()
    brought = house.op1.agree(await house.begin(late))
    house.world.clock.move(timedelta(minutes=10, seconds=1))
    assert (await house.come_back(late, brought)).status_code == 400
    assert len(house.op1.to("/token")) == 1


@pytest.mark.attack("A-062")
async def test_of_many_that_come_back_at_once_one_is_signed_in(house: House) -> None:
    ada = house.browser()
    brought = house.op1.agree(await house.begin(ada))
    cookies = "; ".join(f"{name}={value}" for name, value in ada.cookies.items())
    many = [house.world.client(Cookie=cookies) for _ in range(20)]
    met = await asyncio.gather(*(house.come_back(each, brought) for each in many))
    assert sorted(each.status_code for each in met) == [303] + [400] * 19
    assert len(house.op1.to("/token")) == 1


@pytest.mark.attack("A-062")
@pytest.mark.parametrize(
    "query_string", ["", "state=", "state={s}&state={s}", "code=a&code=b&state={s}"]
)
async def test_a_state_that_is_missing_or_doubled_is_none(one: House, query_string: str) -> None:
    ada = one.browser()
    state = query(await one.begin(ada))["state"]
    met = await ada.get(f"/v1/oauth/op1/callback?code=x&{query_string.format(s=state)}")
    assert met.status_code == 400
    page = {"Accept": "text/html"}
    led = await ada.get(
        f"/v1/oauth/op1/callback?code=x&{query_string.format(s=state)}", headers=page
    )
    assert led.headers["Location"] == ("http://localhost:8000/sign-in-failed?error=state_refused")
    assert one.op1.to("/token") == []


@pytest.mark.attack("A-063")
@pytest.mark.parametrize("enforces", [True, False])
async def test_anothers_code_is_worth_nothing_in_ones_own_sign_in(
    house: House, *, enforces: bool
) -> None:
    house.op1.enforces_pkce = enforces
    victim, attacker = house.browser(), house.browser()
    stolen = house.op1.agree(await house.begin(victim), "victim", **V)["code"]
    own = house.op1.agree(await house.begin(attacker), "evil")
    refused = await house.come_back(attacker, own | {"code": stolen})
    assert refused.status_code == 424
    assert await nobody(house, attacker)
    assert await works(house)


@pytest.mark.attack("A-064")
async def test_a_sign_in_is_finished_at_the_provider_that_it_began_at(house: House) -> None:
    ada = house.browser()
    brought = house.op1.agree(await house.begin(ada))
    assert (await house.come_back(ada, brought, "op2")).status_code == 400
    assert house.op1.to("/token") == house.op2.to("/token") == []


@pytest.mark.attack("A-064")
@pytest.mark.parametrize("told", [EVIL, "", "{issuer}/", None, "HTTP{rest}"])
async def test_an_answer_that_names_another_issuer_goes_nowhere(
    one: House, told: str | None
) -> None:
    ada = one.browser()
    brought = one.op1.agree(await one.begin(ada))
    del brought["iss"]
    if told is not None:
        brought["iss"] = told.format(issuer=one.op1.issuer, rest=one.op1.issuer[4:])
    assert (await one.come_back(ada, brought)).status_code == 424
    doubled = f"code={brought['code']}&state=x&iss={one.op1.issuer}&iss={EVIL}"
    assert (await ada.get(f"/v1/oauth/op1/callback?{doubled}")).status_code == 400
    assert one.op1.to("/token") == []
    assert await nobody(one, ada)
    assert await works(one)


@pytest.mark.attack("A-065")
@pytest.mark.parametrize("nonce", ["another", MISSING, "", ["x"], None, 7])
async def test_an_id_token_of_another_sign_in_is_refused(one: House, nonce: object) -> None:
    ada = one.browser()
    one.op1.claims = {"nonce": nonce}
    assert (await one.sign_in(ada, "evil", **V)).status_code == 424
    assert one.op1.to("/userinfo") == []
    assert await nobody(one, ada)
    one.op1.claims = {}
    assert await works(one)


@pytest.mark.attack("A-066")
@pytest.mark.parametrize(
    "more,raw",
    [
        ({"sub": "victim"}, None),
        ({"sub": MISSING}, None),
        ({}, Raw(b"eyJhbGciOiJub25lIn0.e30.")),
        ({}, Raw(b"oops", 500)),
        ({}, Raw(b"<html>")),
        ({}, Raw(b'{"x": "' + b"y" * 2_000_000 + b'"}')),
        ({}, Raw(b"[" * 100_000)),
    ],
)
async def test_what_is_told_of_somebody_else_is_not_believed(
    one: House, more: dict[str, Any], raw: Raw | None
) -> None:
    victim = one.browser()
    await one.sign_in(victim, "victim", **V)
    one.op1.more = more
    if raw is not None:
        one.op1.said["/userinfo"] = raw
    attacker = one.browser()
    assert (await one.sign_in(attacker, "evil", **V)).status_code == 424
    assert await nobody(one, attacker)
    one.op1.more, one.op1.said = {}, {}
    assert await works(one)


@pytest.mark.attack("A-067")
async def test_nobody_becomes_somebody_by_a_name_that_was_theirs(house: House) -> None:
    victim = house.browser()
    await house.sign_in(victim, "s1", preferred_username="vee", **V)
    mine = await house.who(victim) or {}
    attacker = house.browser()
    await house.sign_in(attacker, "s2", "op2", preferred_username="vee", **V)
    assert (await house.who(attacker) or {"id": None})["id"] != mine["id"]
    again = house.browser()
    await house.sign_in(again, "s1", email="new@victim.test", email_verified=False)
    now = await house.who(again) or {}
    assert (now["id"], now["email"], now["email_verified"]) == (mine["id"], "v@victim.test", True)


@pytest.mark.attack("A-067")
async def test_an_address_that_a_provider_gives_to_another_opens_no_account_of_theirs(
    house: House,
) -> None:
    """A provider that is believed, and an address that it verified: for somebody else by now."""
    victim = house.browser()
    await house.sign_in(victim, "s1", preferred_username="vee", **V)
    mine = await house.who(victim) or {}
    attacker = house.browser()
    refused = await house.sign_in(attacker, "s2", intent="login", preferred_username="vee", **V)
    assert (refused.status_code, refused.json()["code"]) == (403, "no_account")
    assert (await house.sign_in(attacker, "s2", preferred_username="vee", **V)).status_code == 303
    theirs = await house.who(attacker) or {}
    assert theirs["id"] != mine["id"]
    assert (theirs["email"], theirs["email_verified"]) == (None, False)
    letters = await house.world.mails("v@victim.test")
    assert all(each.code is None and each.link is None for each in letters), "nothing to prove"
    again = house.browser()
    await house.sign_in(again, "s1", email="new@victim.test", email_verified=True)
    now = await house.who(again) or {}
    assert (now["id"], now["email"]) == (mine["id"], "v@victim.test")


@pytest.mark.attack("A-067")
async def test_of_two_that_come_with_one_address_at_once_one_enters_its_account(
    house: House,
) -> None:
    ada = await house.world.member("v@victim.test")
    hers = (await house.who(ada) or {})["id"]
    browsers = [house.browser() for _ in range(6)]
    met = await asyncio.gather(
        *(house.sign_in(each, f"s{number}", **V) for number, each in enumerate(browsers))
    )
    assert [each.status_code for each in met] == [303] * 6
    entered = [(await house.who(each) or {})["id"] for each in browsers]
    assert entered.count(hers) == 1


@pytest.mark.attack("A-073")
@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1:22/",
        "http://169.254.169.254/latest",
        "http://[::1]:6379/",
        "http://10.0.0.5/",
        "file:///etc/passwd",
        "https://op1@10.0.0.5/",
        "gopher://x/",
        "//x/",
        "",
        7,
        None,
    ],
)
@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri", "userinfo_endpoint"])
async def test_a_provider_leads_us_nowhere(one: House, name: str, where: object) -> None:
    one.op1.published[name] = where
    ada = one.browser()
    left = await ada.get("/v1/oauth/op1/start")
    if left.status_code == 303:
        # What may be asked in development fails, too: nothing there signs anybody in.
        met = await one.come_back(ada, one.op1.agree(left.headers["Location"], "evil", **V))
        assert met.status_code == 424
    else:
        assert (left.status_code, left.json()["code"]) == (424, "provider_failed")
    assert await nobody(one, ada)


@pytest.mark.attack("A-073")
@pytest.mark.parametrize(
    "path", ["/token", "/jwks", "/userinfo", "/.well-known/openid-configuration"]
)
@pytest.mark.parametrize("status", [301, 302, 307])
async def test_nobody_is_followed(one: House, path: str, status: int) -> None:
    one.op1.said[path] = Raw(b"", status, {"location": f"{one.op2.issuer}/here"})
    ada = one.browser()
    left = await ada.get("/v1/oauth/op1/start")
    if left.status_code == 303:
        met = await one.come_back(ada, one.op1.agree(left.headers["Location"], "evil", **V))
        assert met.status_code == 424
    else:
        assert left.status_code == 424
    assert one.op2.calls == []
    assert await nobody(one, ada)


@pytest.mark.attack("A-073")
async def test_in_production_no_private_address_is_asked(sqlite_url: str, tmp_path: Path) -> None:
    from tests.attacks.conftest import PRODUCTION  # noqa: PLC0415
    from tests.attacks.looking import Kept  # noqa: PLC0415

    oidc = {"op1": {"issuer": "https://10.0.0.5", "client_id": CLIENT, "client_secret": "x"}}
    settings = PRODUCTION | {"oidc": oidc, "github_client_id": ""}
    settings |= {"github_client_secret": None}
    settings |= {"github_url": "https://github.com", "github_api_url": "https://api.github.com"}
    async with opened(sqlite_url, tmp_path, transport=Kept(), **settings) as house:
        began = time.monotonic()
        left = await house.browser().get("/v1/oauth/op1/start")
        assert (left.status_code, left.json()["code"]) == (424, "provider_failed")
        assert time.monotonic() - began < 2, "it was not even tried"


async def test_a_disabled_account_is_not_entered_by_an_identity(house: House) -> None:
    from vestibule.accounts import queries, state  # noqa: PLC0415

    ada = house.browser()
    await house.sign_in(ada, **V)
    async with house.world.vestibule.unit() as unit:
        found = await queries.by_identifier(unit, "v@victim.test")
        assert found is not None
        await state.disable(unit, found.id)
    for subject in ("1000", "another"):
        refused = await house.sign_in(house.browser(), subject, **V)
        assert (refused.status_code, refused.json()["code"]) == (403, "no_account")
    assert await nobody(house, ada)


async def test_a_reset_that_proves_an_address_first_drops_identities(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, login_before_proof=True) as house:
        attacker = house.world.browser()
        await attacker.sign_up("v@victim.test")
        await attacker.log_in("v@victim.test")
        url = (await attacker.post("/v1/me/identities/op2/link", json={})).json()["url"]
        await house.come_back(attacker, house.op2.agree(url, "evil"), "op2")
        victim = house.world.browser()
        await victim.forget("v@victim.test")
        letter = (await house.world.mails("v@victim.test"))[-1]
        assert (await victim.reset(token=letter.token)).status_code < 300
        mine = (await victim.log_in("v@victim.test", NEW_PASSWORD)).json()["account"]["id"]
        other = house.browser()
        await house.sign_in(other, "evil", "op2")
        assert (await house.who(other) or {})["id"] != mine


async def test_a_key_of_another_kind_signs_tokens_too(one: House) -> None:
    one.op1.keys, one.op1.algorithm = [elliptic("ec")], "ES256"
    assert await works(one)
    one.op1.keys = [elliptic("new")]
    assert await works(one), "a key that is not known is looked for"


async def test_whoever_takes_an_address_back_drops_the_thiefs_way_in(house: House) -> None:
    thief = await house.world.member("v@victim.test")  # who found the password
    url = (await thief.post("/v1/me/identities/op2/link", json={})).json()["url"]
    await house.come_back(thief, house.op2.agree(url, "evil"), "op2")
    assert (await thief.post("/v1/me/email", json={"email": "a@evil.test"})).status_code == 202
    code = (await house.world.mails("a@evil.test"))[-1].code
    assert (await thief.post("/v1/email/confirmation", json={"code": code})).status_code == 200
    letter = (await house.world.mails("v@victim.test"))[-1]
    undone = await house.world.client().post("/v1/email/undo", json={"token": letter.token})
    assert undone.status_code < 300, undone.text
    other = house.browser()
    await house.sign_in(other, "evil", "op2")
    assert (await house.who(other) or {"email": None})["email"] is None
