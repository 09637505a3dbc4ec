"""The dialect of DoubleDibz (Flask-Login, Flask-WTF, jQuery), row by row of its contract."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any  # Any: answers are JSON
from urllib.parse import urlencode

import httpx
import pytest
from quart import Quart
from sqlalchemy import func, insert, select, update

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import Kept
from tests.embedding.host import Host, made
from tests.postgres import server
from tests.processes import serving
from tests.web.dialects.conftest import Mounted
from tests.world import Client, Held, World
from vestibule import current_account
from vestibule.accounts import queries, state
from vestibule.accounts.models import Account
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.roles import grants
from vestibule.roles.models import Role
from vestibule.sessions.models import Session
from vestibule.web.answers import speak
from vestibule.web.dialects import doubledibz, doubledibz_words

NAME = "doubledibz"
SAM, ADDRESS, WORD = "spchuang", "test@example.org", "zu7 Xk"
PERSON = {
    "user_name": SAM,
    "first_name": "Sam",
    "last_name": "Chuang",
    "email": ADDRESS,
    "password": WORD,
    "confirm": WORD,
}
CREDENTIALS = {"login": SAM, "password": WORD}
SESSION, TOKEN = "vestibule_doubledibz", "vestibule_doubledibz_csrf"
REQUIRED = ["This field is required."]
STRANGER = (401, "You're not authorized!", "Unauthorized")
NO_TOKEN = (400, "CSRF token missing or incorrect.", "Bad Request")
WRONG = (422, "Invalid username or password", "Wrong Authentication")
UNKNOWN = (422, "Username does not exist", "Wrong Authentication")
SIGNED_UP = "You successfully signed up! Please check your email for further verification."
FORM = "Form validation error"
LOGGED_OUT = "Know the secret?"


def said(answer: httpx.Response) -> tuple[int, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()


def refused(answer: httpx.Response) -> tuple[int, Any, str]:
    """Status, message and type of an error in its envelope."""
    status, body = said(answer)
    assert list(body) == ["errors"], body
    assert set(body["errors"]) == {"message", "type", "more info"}
    assert body["errors"]["more info"] == ""
    assert SESSION not in answer.headers.get("Set-Cookie", "")
    return status, body["errors"]["message"], body["errors"]["type"]


def succeeded(answer: httpx.Response) -> str:
    status, body = said(answer)
    assert (status, body["success"]) == (200, True), body
    return str(body["message"])


def cookies(answer: httpx.Response) -> dict[str, str]:
    """What an answer sets, by name."""
    return {each.partition("=")[0]: each for each in answer.headers.get_list("Set-Cookie")}


async def page(world: World, **headers: str) -> Client:
    """A page that has read its token, once."""
    client = world.browser(**headers)
    answer = await client.get("/api/helloworld/csrf")
    assert answer.headers["Content-Type"].startswith("text/plain")
    client.headers["X-CSRFToken"] = answer.text
    return client


async def say(client: httpx.AsyncClient, what: str, **fields: str) -> httpx.Response:
    return await client.post(f"/api/auth/{what}", data=fields)


async def whoami(client: httpx.AsyncClient) -> httpx.Response:
    return await client.get("/api/auth/verify_auth")


async def member(world: World) -> Client:
    """A page whose person has signed up, and is logged in by that."""
    client = await page(world)
    assert succeeded(await say(client, "signup", **PERSON)) == SIGNED_UP
    return client


async def account_of(world: World, name: str = SAM) -> Account:
    found = await world.vestibule.run(lambda unit: queries.by_identifier(unit, name))
    assert found is not None
    return found


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, dialects=NAME) as made:
        yield made


async def test_whoever_is_signed_in_is_told_who_they_are(world: World) -> None:
    client = await member(world)
    account = await account_of(world)
    data = {"id": str(account.id), "email": ADDRESS, "user_name": SAM, "role": "user"}
    assert said(await whoami(client)) == (200, {"success": True, "data": data, "message": ""})
    assert refused(await whoami(await page(world))) == STRANGER


async def test_a_log_in_opens_a_session_in_a_cookie_that_scripts_do_not_read(world: World) -> None:
    await member(world)
    client = await page(world)
    answer = await say(client, "login", **CREDENTIALS)
    account = await account_of(world)
    data = {"id": str(account.id), "email": ADDRESS, "user_name": SAM, "role": "user"}
    words = "You have successfully logged in"
    assert said(answer) == (200, {"success": True, "data": data, "message": words})
    handed = cookies(answer)[SESSION]
    assert "; HttpOnly; Path=/; SameSite=Lax" in handed
    assert "Max-Age" not in handed
    assert "Secure" not in handed
    assert TOKEN not in cookies(answer), "the page keeps its token"
    assert said(await whoami(client))[0] == 200


async def test_a_name_is_found_without_regard_to_case(world: World) -> None:
    await member(world)
    for name in ("SPChuang", "Test@Example.org"):
        answer = await say(await page(world), "login", login=name, password=WORD)
        assert succeeded(answer) == "You have successfully logged in"


async def test_json_does_as_well_as_a_form(world: World) -> None:
    client = await page(world)
    answer = await client.post("/api/auth/signup", json=PERSON)
    assert succeeded(answer) == SIGNED_UP
    client = await page(world)
    answer = await client.post("/api/auth/login", json=CREDENTIALS | {"remember_me": True})
    assert "Max-Age=31536000" in cookies(answer)[SESSION]
    assert said(await whoami(client))[0] == 200
    assert succeeded(await client.post("/api/auth/logout", json={}))


async def test_wrong_words_are_told_apart_as_the_contract_has_it(world: World) -> None:
    await member(world)
    client = await page(world)
    assert refused(await say(client, "login", login=SAM, password="wrong")) == WRONG
    assert refused(await say(client, "login", login="nobody", password=WORD)) == UNKNOWN
    assert refused(await say(client, "login", login="a b", password=WORD)) == UNKNOWN
    opened = await world.rows(select(func.count()).select_from(Session))
    assert opened == [(1,)], "the one of the sign-up"


async def test_a_log_in_that_says_nothing_is_told_field_by_field(world: World) -> None:
    client = await page(world)
    told = {"login": REQUIRED, "password": REQUIRED}
    for fields in ({}, {"login": "", "password": " "}):
        assert refused(await say(client, "login", **fields)) == (422, told, FORM)
        assert refused(await client.post("/api/auth/login", json=fields)) == (422, told, FORM)
    assert refused(await client.post("/api/auth/login")) == (422, told, FORM)


async def test_whoever_is_logged_in_already_is_told_so_unread(world: World) -> None:
    client = await member(world)
    for fields in ({}, {"login": "nobody", "password": "wrong"}):
        answer = await say(client, "login", **fields)
        status, body = said(answer)
        assert (status, body["message"]) == (200, "You are already logged in")
        assert body["data"]["user_name"] == SAM, "its script asks for it"
        assert SESSION not in cookies(answer)


async def test_who_is_to_be_remembered_is_so_for_a_year(world: World) -> None:
    await member(world)
    for value in ("on", "true", "0", "y"):
        client = await page(world)
        answer = await say(client, "login", **CREDENTIALS, remember_me=value)
        assert "Max-Age=31536000" in cookies(answer)[SESSION], value
    world.clock.move(timedelta(days=364))
    assert said(await whoami(client))[0] == 200
    world.clock.move(timedelta(days=2))
    assert refused(await whoami(client)) == STRANGER


async def test_others_are_forgotten_with_the_browser_or_after_a_week(world: World) -> None:
    await member(world)
    for value in ("", "false"):
        client = await page(world)
        answer = await say(client, "login", **CREDENTIALS, remember_me=value)
        assert "Max-Age" not in cookies(answer)[SESSION], value
    world.clock.move(timedelta(days=8))
    assert refused(await whoami(client)) == STRANGER


async def test_how_long_somebody_is_remembered_is_a_setting(
    database_url: str, tmp_path: Path
) -> None:
    span = timedelta(days=2)
    async with World.running(
        database_url, tmp_path, dialects=NAME, doubledibz_remember_lifetime=span
    ) as world:
        await member(world)
        client = await page(world)
        answer = await say(client, "login", **CREDENTIALS, remember_me="on")
        assert "Max-Age=172800" in cookies(answer)[SESSION]
        world.clock.move(timedelta(days=3))
        assert refused(await whoami(client)) == STRANGER


async def test_a_log_out_ends_the_session_also_for_who_copied_its_cookie(world: World) -> None:
    client = await member(world)
    copied = client.cookies[SESSION]
    answer = await say(client, "logout")
    assert succeeded(answer) == "You have successfully logged out"
    assert "data" not in answer.json()
    assert "Max-Age=0" in cookies(answer)[SESSION]
    assert SESSION not in client.cookies
    assert refused(await whoami(client)) == STRANGER
    thief = world.client(Cookie=f"{SESSION}={copied}")
    assert refused(await whoami(thief)) == STRANGER
    assert refused(await say(client, "logout")) == STRANGER


async def test_one_token_serves_a_page_through_log_ins_and_log_outs(world: World) -> None:
    client = await member(world)
    seen = {client.cookies[SESSION]}
    for _ in range(2):
        assert succeeded(await say(client, "logout"))
        assert succeeded(await say(client, "login", **CREDENTIALS))
        seen.add(client.cookies[SESSION])
    assert len(seen) == 3, "each log-in has a session of its own"
    world.clock.move(timedelta(days=300))
    assert refused(await say(client, "login", login="nobody", password="x")) == UNKNOWN
    assert (await client.get("/api/helloworld/csrf")).text == client.headers["X-CSRFToken"]


async def test_nothing_is_done_without_the_token_of_the_browsers_own_cookie(world: World) -> None:
    client = await member(world)
    own, other = client.headers.pop("X-CSRFToken"), await page(world)
    for what in ("login", "logout", "signup"):
        for token in ("", "x", own[:-4] + "AAAA", other.headers["X-CSRFToken"], "\x80", own + "="):
            headers = [(b"X-CSRFToken", token.encode("latin-1"))]
            answer = await client.post(f"/api/auth/{what}", headers=headers)
            assert refused(answer) == NO_TOKEN, (what, token)
        assert refused(await say(client, what, csrf_token="x")) == NO_TOKEN
        without = world.browser(Cookie=f"{SESSION}={client.cookies[SESSION]}")
        answer = await without.post(f"/api/auth/{what}", headers={"X-CSRFToken": own})
        assert refused(answer) == NO_TOKEN, "no cookie that it would be of"
    assert said(await whoami(client))[0] == 200, "and nothing was done"
    assert succeeded(await client.post("/api/auth/logout", headers={"X-CSRF-Token": own}))
    assert succeeded(await say(client, "login", **CREDENTIALS, csrf_token=own))
    assert succeeded(await say(client, "logout", **{"login-csrf_token": own}))


async def test_another_sites_page_does_nothing_even_with_the_token(world: World) -> None:
    client = await member(world)
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = await client.post(
            "/api/auth/logout", headers={"Origin": "https://evil.example"} | headers
        )
        assert refused(answer)[::2] == (403, "Forbidden")
    assert said(await whoami(client))[0] == 200


async def test_a_referer_decides_nothing(world: World) -> None:
    client = await member(world)
    del client.headers["Origin"]
    answer = await client.post("/api/auth/logout", headers={"Referer": "https://evil.example/"})
    assert succeeded(answer) == "You have successfully logged out"


async def test_a_sign_up_logs_in_at_once_and_its_letter_comes(world: World) -> None:
    client = await page(world)
    answer = await say(client, "signup", **PERSON)
    assert said(answer) == (200, {"success": True, "message": SIGNED_UP})
    assert "; HttpOnly; Path=/; SameSite=Lax" in cookies(answer)[SESSION]
    assert said(await whoami(client))[1]["data"]["role"] == "user"
    account = await account_of(world)
    assert (account.given_name, account.family_name) == ("Sam", "Chuang")
    assert (account.roles, account.email_verified_at) == (("user",), None)
    letter = (await world.mails(ADDRESS))[-1]
    proved = await world.browser().post(
        "/verify-email", data={"token": letter.token, "password": WORD}
    )
    assert proved.status_code == 303
    assert (await account_of(world)).email_verified_at is not None


async def test_who_is_logged_in_is_signed_up(world: World) -> None:
    client = await member(world)
    assert succeeded(await say(client, "signup")) == "You're already signed up"


async def test_a_name_or_an_address_that_is_taken_is_told(world: World) -> None:
    await member(world)
    client = await page(world)
    answer = await say(client, "signup", **PERSON | {"user_name": "SPCHUANG"})
    assert refused(answer) == (409, "This username is already taken!", "Conflict")
    answer = await say(client, "signup", **PERSON | {"user_name": "other"})
    assert refused(answer) == (409, "This email is already taken!", "Conflict")
    assert "already" in (await world.mails(ADDRESS))[-1].text, "its owner hears of it"
    assert refused(await whoami(client)) == STRANGER


USERNAME = "Field must be between 4 and 30 characters long."
LETTERS = "Username can only contain letters and numbers"
LENGTH = "Field must be between 6 and 30 characters long."
CONTROLS = "Names have no control characters."
FIELDS: dict[str, tuple[dict[str, str], dict[str, list[str]]]] = {
    "nothing": (
        dict.fromkeys(PERSON, ""),
        {
            "user_name": [USERNAME],
            "first_name": REQUIRED,
            "last_name": REQUIRED,
            "email": REQUIRED,
            "password": [LENGTH],
            "confirm": REQUIRED,
        },
    ),
    "a name with a tab": (
        {"first_name": "Sa\tm", "last_name": "\x9f"},
        {"first_name": [CONTROLS], "last_name": [CONTROLS]},
    ),
    "a short name": ({"user_name": "abc"}, {"user_name": [USERNAME]}),
    "a long name": ({"user_name": "a" * 31}, {"user_name": [USERNAME]}),
    "a name of signs": ({"user_name": "a.bcd"}, {"user_name": [LETTERS]}),
    "a name of another script": ({"user_name": "\u0430bcde"}, {"user_name": [LETTERS]}),
    "a name with a line": ({"user_name": "abcd\n"}, {"user_name": [LETTERS]}),
    "both at once": ({"user_name": "a."}, {"user_name": [USERNAME, LETTERS]}),
    "a blank first name": ({"first_name": "  "}, {"first_name": REQUIRED}),
    "a first name that fits nowhere": (
        {"first_name": "x" * 65},
        {"first_name": ["Field cannot be longer than 64 characters."]},
    ),
    "no address": ({"email": "test"}, {"email": ["Invalid email address."]}),
    "two addresses": ({"email": "a@b.de,c@d.de"}, {"email": ["Invalid email address."]}),
    "a short password": ({"password": "zu7Xk", "confirm": "zu7Xk"}, {"password": [LENGTH]}),
    "a long password": (
        {"password": "x1" * 15 + "x", "confirm": "x1" * 15 + "x"},
        {"password": [LENGTH]},
    ),
    "another password": ({"confirm": "zu7 XK"}, {"confirm": ["Passwords must match"]}),
    "a common password": (
        {"password": "123456", "confirm": "123456"},
        {"password": ["This password is too common"]},
    ),
}


async def test_what_is_wrong_with_a_sign_up_is_told_field_by_field(world: World) -> None:
    client = await page(world)
    for what, (fields, told) in FIELDS.items():
        answer = await say(client, "signup", **PERSON | fields)
        assert refused(answer) == (422, told, FORM), what
        answer = await client.post("/api/auth/signup", json=PERSON | fields)
        assert refused(answer) == (422, told, FORM), what
    assert await world.rows(select(func.count()).select_from(Account)) == [(0,)]


async def test_a_password_may_have_from_six_to_thirty_characters(world: World) -> None:
    for length in (6, 30):
        password = ("q9~" * 10)[:length]
        client = await page(world)
        fields = {"user_name": f"name{length}", "email": f"x{length}@example.org"}
        fields |= {"password": password, "confirm": password}
        assert succeeded(await say(client, "signup", **PERSON | fields)) == SIGNED_UP
    native = await world.browser().sign_up(password=password[:7])
    assert native.status_code == 422, "the rule is this dialect's alone"


async def test_a_disabled_account_is_a_wrong_password_and_its_session_is_over(
    world: World,
) -> None:
    client = await member(world)
    gone = (await account_of(world)).id
    await world.vestibule.run(lambda unit: state.disable(unit, gone))
    assert refused(await whoami(client)) == STRANGER
    assert refused(await say(client, "login", **CREDENTIALS)) == WRONG
    assert refused(await say(client, "logout")) == STRANGER


async def test_of_several_roles_the_first_by_name_is_shown(world: World) -> None:
    client = await member(world)
    further = [f"role{number}" for number in range(12)]
    async with world.vestibule.unit() as unit:
        await unit.session.execute(
            insert(Role), [{"name": each, "description": ""} for each in further]
        )
    await world.give(ADDRESS, *further)
    assert (await whoami(client)).json()["data"]["role"] == "role0"


async def test_people_who_moved_in_keep_their_numbers_and_roles(world: World) -> None:
    client = await member(world)
    account = await account_of(world)
    async with world.vestibule.unit() as unit:
        statement = update(Account).where(Account.id == account.id).values(external_id="17")
        await unit.session.execute(statement)
    await world.vestibule.run(lambda unit: grants.grant(unit, account.id, "editor"))
    assert succeeded(await say(client, "logout"))
    data = (await say(client, "login", **CREDENTIALS)).json()["data"]
    assert data == {"id": 17, "email": ADDRESS, "user_name": SAM, "role": "editor"}
    await world.vestibule.run(lambda unit: grants.grant(unit, account.id, "admin"))
    assert (await whoami(client)).json()["data"]["role"] == "admin"


async def test_its_session_is_nothing_to_the_api_nor_theirs_to_it(world: World) -> None:
    client = await member(world)
    secret = client.cookies[SESSION]
    assert (await world.client(Cookie=f"vestibule={secret}").get("/v1/me")).status_code == 401
    assert (await client.get("/v1/me")).status_code == 401
    await world.member("ada@example.org")
    native = world.browser()
    await native.log_in("ada@example.org")
    theirs = world.client(Cookie=f"{SESSION}={native.cookies['vestibule']}")
    assert refused(await whoami(theirs)) == STRANGER


async def test_a_log_out_everywhere_ends_it(world: World) -> None:
    client = await member(world)
    letter = (await world.mails(ADDRESS))[-1]
    owner = world.browser()
    await owner.post("/verify-email", data={"token": letter.token, "password": WORD})
    assert refused(await whoami(client)) == STRANGER, "opened before the address was proved"
    assert succeeded(await say(client, "login", **CREDENTIALS))
    listed = (await owner.get("/v1/me/sessions")).json()["sessions"]
    assert len(listed) == 2
    assert (await owner.post("/v1/logout-all")).status_code == 204
    assert refused(await whoami(client)) == STRANGER


async def test_the_hello_world_of_the_part_before_is_there(world: World) -> None:
    client = world.client()
    answer = await client.get("/api/helloworld/helloworld")
    assert said(answer) == (200, {"message": "helloworld"})


BODIES: dict[str, tuple[int, str, bytes]] = {
    "half a body": (400, "application/json", b'{"login"'),
    "no body of JSON": (400, "application/json", b"login=x"),
    "not UTF-8": (400, "application/json", b'{"login": "\xff"}'),
    "NUL": (400, "application/json", b'{"login": "a\\u0000", "user_name": "a"}'),
    "NUL in a form": (400, "application/x-www-form-urlencoded", b"login=a%00b&user_name=a%00b"),
    "half a pair": (400, "application/json", b'{"login": "\\ud800", "user_name": "x"}'),
    "a key twice": (400, "application/json", b'{"login": "a", "login": "b"}'),
    "a field twice": (400, "application/x-www-form-urlencoded", b"password=a&password=b"),
    "too deep": (400, "application/json", b"[" * 20_000),
    "a list": (422, "application/json", b"[1]"),
    "a text": (422, "application/json", b'"login"'),
    "null": (422, "application/json", b"null"),
    "a number": (422, "application/json", b'{"login": 1, "password": [], "email": {}}'),
    "a long field": (400, "application/x-www-form-urlencoded", b"password=" + b"x" * 5000),
    "plain text": (415, "text/plain", b"login=x"),
    "parts": (415, "multipart/form-data; boundary=x", b"--x--"),
    "too much": (413, "application/json", b" " * 70_000),
}


async def test_a_body_that_broke_the_original_is_refused_in_its_shape(world: World) -> None:
    client = await page(world)
    for what, (status, kind, content) in BODIES.items():
        for path in ("login", "signup"):
            answer = await client.post(
                f"/api/auth/{path}", content=content, headers={"Content-Type": kind}
            )
            assert refused(answer)[0] == status, (what, path)


async def test_of_many_sign_ups_at_once_one_has_the_name(world: World) -> None:
    pages = [await page(world) for _ in range(6)]
    answers = await asyncio.gather(
        *(
            say(client, "signup", **PERSON | {"email": f"{number}@example.org"})
            for number, client in enumerate(pages)
        )
    )
    taken = (409, "This username is already taken!", "Conflict")
    assert sorted(each.status_code for each in answers) == [200] + [409] * 5
    assert {refused(each) for each in answers if each.status_code == 409} == {taken}


async def test_fields_of_another_type_are_told_by_name(world: World) -> None:
    client = await page(world)
    answer = await client.post("/api/auth/login", json={"login": 1, "password": ["x"]})
    told = {"login": ["Not a text."], "password": ["Not a text."]}
    assert refused(answer) == (422, told, FORM)


async def test_what_is_not_there_is_told_in_its_envelope(database_url: str, tmp_path: Path) -> None:
    async with World.running(database_url, tmp_path, dialects=f"{NAME}@dibz.localhost") as world:
        client = world.client(Host="dibz.localhost:8000")
        answer = await client.get("/api/nothing")
        assert refused(answer)[::2] == (404, "Not Found")
        answer = await client.get("/api/auth/login")
        assert refused(answer)[::2] == (405, "Method Not Allowed")
        assert "POST" in answer.headers["Allow"]
        elsewhere = await world.client().get("/api/auth/verify_auth")
        assert elsewhere.status_code == 404


async def test_what_nobody_foresaw_shows_its_trace_in_development_alone(
    sqlite_url: str, tmp_path: Path
) -> None:
    secrets = PRODUCTION["secrets"]
    for settings in ({"secrets": secrets}, PRODUCTION):
        app, vestibule = Quart(__name__), made(sqlite_url, tmp_path, **settings)
        vestibule.init_app(app)
        speak(app, doubledibz_words.ANSWERS, doubledibz_words.trouble)

        @app.get("/broken")
        async def broken() -> str:
            raise ZeroDivisionError("hidden within")

        async with Host.serving(app, vestibule) as host:
            answer = await host.client().get("/broken")
        status, message, kind = refused(answer)
        assert (status, kind) == (500, "Internal Server Error")
        if settings is PRODUCTION:
            assert message == "Internal Server Error. Report this problem!"
        else:
            assert "ZeroDivisionError: hidden within" in message
            assert "Traceback" in message


async def test_in_production_its_cookies_are_for_https_and_one_host(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with World.running(
        sqlite_url, tmp_path, transport=Kept(), **PRODUCTION | {"dialects": NAME}
    ) as world:
        client = world.browser()
        answer = await client.get("/api/helloworld/csrf")
        client.headers["X-CSRFToken"] = answer.text
        handed = cookies(answer)[f"__Host-{TOKEN}"]
        assert "; Secure; HttpOnly; Path=/; SameSite=Lax" in handed
        answer = await say(client, "signup", **PERSON)
        assert "; Secure; HttpOnly; Path=/" in cookies(answer)[f"__Host-{SESSION}"]
        assert said(await whoami(client))[0] == 200


async def test_too_many_wrong_passwords_are_told_to_wait(database_url: str, tmp_path: Path) -> None:
    limits = "log_in_identifier=2/15m"
    async with World.running(database_url, tmp_path, dialects=NAME, limits=limits) as world:
        client = await page(world)
        for _ in range(2):
            assert refused(await say(client, "login", login=SAM, password="x")) == UNKNOWN
        answer = await say(client, "login", login=SAM, password="x")
        wait = int(answer.headers["Retry-After"])
        words = f"Too many attempts. Try again in {wait} seconds."
        assert refused(answer) == (429, words, "Too Many Requests")


async def test_strangers_who_guess_do_not_lock_out_a_device_that_was_signed_in(
    database_url: str, tmp_path: Path
) -> None:
    limits = "log_in_identifier=2/15m"
    async with World.running(database_url, tmp_path, dialects=NAME, limits=limits) as world:
        client = await member(world)
        assert succeeded(await say(client, "logout"))
        stranger = await page(world)
        for _ in range(3):
            last = await say(stranger, "login", login=SAM, password="x")
        assert last.status_code == 429
        assert succeeded(await say(client, "login", **CREDENTIALS))


async def test_too_many_who_log_in_at_once_are_told_to_come_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    hasher = Held()
    async with World.running(
        sqlite_url, tmp_path, dialects=NAME, hasher=hasher, hash_threads=1
    ) as world:
        world.vestibule.means.passwords.patience = 60
        client = await page(world)
        waiting = [
            asyncio.create_task(say(client, "login", login=SAM, password="x")) for _ in range(82)
        ]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        hasher.may_go.set()
        await asyncio.gather(*waiting)
    for task in done:
        assert refused(task.result())[::2] == (503, "Service Unavailable")
        assert int(task.result().headers["Retry-After"]) > 0


async def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with server() as own:
        own.create("own")
        database = Database(own.url("own"))
        await migrations.upgrade(database)
        await database.close()
        async with World.running(own.url("own"), tmp_path, dialects=NAME) as world:
            client, stranger = await member(world), await page(world)
            own.stop()
            for answer in (
                await whoami(client),
                await say(client, "logout"),
                await say(client, "login"),
                await say(stranger, "login", **CREDENTIALS),
                await say(stranger, "signup", **PERSON | {"user_name": "other"}),
            ):
                assert refused(answer)[::2] == (503, "Service Unavailable")
                assert int(answer.headers["Retry-After"]) > 0
            assert (await client.get("/api/helloworld/csrf")).status_code == 200
            own.start()
            assert said(await whoami(client))[0] == 200


@asynccontextmanager
async def hosting(database_url: str, folder: Path) -> AsyncIterator[Host]:
    app, vestibule = Quart(__name__), made(database_url, folder)
    vestibule.init_app(app)
    app.register_blueprint(doubledibz.blueprint())

    @app.get("/api/posts")
    @doubledibz.signed_in
    async def posts() -> dict[str, Any]:
        account = await current_account()
        assert account is not None
        return {"of": account.username}

    @app.post("/api/posts")
    @doubledibz.requires("editor")
    async def post() -> dict[str, Any]:
        return {"posted": True}

    async with Host.serving(app, vestibule) as host:
        yield host


async def test_a_hosts_route_asks_for_the_session_the_token_and_a_role(
    database_url: str, tmp_path: Path
) -> None:
    async with hosting(database_url, tmp_path) as host:
        client = await page(host)
        assert refused(await client.get("/api/posts")) == STRANGER
        assert refused(await client.post("/api/posts")) == STRANGER
        assert succeeded(await say(client, "signup", **PERSON))
        assert said(await client.get("/api/posts")) == (200, {"of": SAM})
        assert refused(await client.post("/api/posts"))[::2] == (403, "Forbidden")
        account = await account_of(host)
        await host.vestibule.run(lambda unit: grants.grant(unit, account.id, "editor"))
        assert said(await client.post("/api/posts")) == (200, {"posted": True})
        answer = await client.post("/api/posts", headers={"Origin": "https://evil.example"})
        assert refused(answer)[0] == 403
        del client.headers["X-CSRFToken"]
        assert refused(await client.post("/api/posts")) == NO_TOKEN
        assert "X-Request-Id" in (await client.post("/api/posts")).headers


class Script:
    """What the front end's script does, in jQuery's words: forms, and a token that is read once."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._token = ""
        self._name: str | None = None
        self.alerts: list[str] = []

    def view(self) -> str:
        return LOGGED_OUT if self._name is None else f"Welcome, {self._name}!"

    async def load(self) -> None:
        text = (await self._client.get("/", headers={"Accept": "text/html"})).text
        self._token = text.partition('name="csrf-token" content="')[2].partition('"')[0]
        assert self._token
        await self._verify()

    async def log_in(self, login: str, password: str) -> None:
        answer = await self._post("login", login=login, password=password)
        if answer.is_success:
            self._name = answer.json()["data"]["user_name"]
        else:
            self.alerts.append("username or password is wrong")

    async def log_out(self) -> None:
        if (await self._post("logout")).is_success:
            self._name = None

    async def sign_up(self, **fields: str) -> None:
        if (await self._post("signup", **fields)).is_success:
            self.alerts.append("You just created a new user")
            await self._verify()
        else:
            self.alerts.append("Something went wrong")

    async def _verify(self) -> None:
        answer = await whoami(self._client)
        self._name = answer.json()["data"]["user_name"] if answer.is_success else None

    async def _post(self, what: str, **fields: str) -> httpx.Response:
        headers = {"X-CSRFToken": self._token, "X-Requested-With": "XMLHttpRequest"}
        if fields:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        return await self._client.post(
            f"/api/auth/{what}", content=urlencode(fields), headers=headers
        )


async def test_its_front_end_speaks_with_a_real_server(
    database_url: str, tmp_path: Path, mounted: Mounted
) -> None:
    app = tmp_path / "app"
    (app / "static/js").mkdir(parents=True)
    (app / "static/js/main.js").write_text("var page;")
    (app / "templates/layouts").mkdir(parents=True)
    (app / "templates/layouts/header.html").write_text(
        "<!DOCTYPE html><head>{% block meta %}{% endblock %}</head>"
        "<script src=\"{{ url_for('static', filename='js/main.js') }}\"></script>"
    )
    (app / "templates/app.html").write_text(
        '{% extends "layouts/header.html" %}{% block meta %}'
        '<meta name="csrf-token" content="{{ csrf_token() }}">{% endblock %}'
    )
    command = ("serve", "--port", "0", "--dialect", NAME, "--static", str(app))
    variables = {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_DIALECTS": mounted(NAME)}
    async with serving(tmp_path, *command, **variables) as served, served.client() as client:
        shown = (await client.get("/")).text
        assert '<script src="/static/js/main.js">' in shown
        assert (await client.get("/static/js/main.js")).text == "var page;"
        script = Script(client)
        await script.load()
        assert script.view() == LOGGED_OUT
        await script.log_in(SAM, WORD)
        assert script.alerts == ["username or password is wrong"]
        await script.sign_up(**PERSON | {"confirm": "other"})
        assert script.alerts[1:] == ["Something went wrong"]
        await script.sign_up(**PERSON)
        assert script.alerts[2:] == ["You just created a new user"]
        assert script.view() == f"Welcome, {SAM}!"
        await script.log_out()
        assert script.view() == LOGGED_OUT
        await script.log_in(SAM, WORD)
        assert script.view() == f"Welcome, {SAM}!"
        again = Script(client)  # the page is loaded once more
        await again.load()
        assert again.view() == f"Welcome, {SAM}!"
        await again.log_in(SAM, "whatever")
        assert again.view() == f"Welcome, {SAM}!", "logged in already"
        assert again.alerts == []
        await script.log_out()  # the tab that was there before
        assert script.view() == LOGGED_OUT
        assert json.loads((await whoami(client)).text)["errors"]["type"] == "Unauthorized"
