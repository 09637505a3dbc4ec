"""The dialect of Open Rank Tracker, row by row of its contract; Google's rows stand beside it."""

import asyncio
import json
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any, ClassVar, cast  # Any: claims are JSON
from uuid import UUID

import httpx
import pytest
from quart import Quart
from quart.views import MethodView
from sqlalchemy import func, select
from werkzeug.security import generate_password_hash

from tests.embedding.host import Host, made
from tests.postgres import server
from tests.processes import serving
from tests.test_cli import Shell
from tests.web.dialects.conftest import Mounted
from tests.world import PASSWORD, Client, Held, World
from vestibule import Settings, current_account
from vestibule.accounts import queries, state
from vestibule.accounts.models import Account
from vestibule.courier.transports import Message
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.kernel.errors import CannotStart
from vestibule.roles import grants
from vestibule.sessions.models import Session
from vestibule.tokens import keys
from vestibule.web.dialects import openrank

NAME = "openrank"
ADDRESS = "Ann@Example.com"
TAKEN = "This email address is already in use."
WRONG = "Username or password is incorrect."
NO_CODE = "Can't find user associated with activation code."
NO_METHOD = "The method is not allowed for the requested URL."
UNAUTHORIZED = (
    "The server could not verify that you are authorized to access the URL requested. You either "
    "supplied the wrong credentials (e.g. a bad password), or your browser doesn't understand how "
    "to supply the credentials required."
)
PATHS = {
    "signup": "POST",
    "login": "POST",
    "activate": "POST",
    "oauth2login": "POST",
    "oauth2signup": "POST",
    "oauth2callback/login": "GET",
    "oauth2callback/signup": "GET",
}
MONTH = 30 * 24 * 3600  # seconds
# Of another audience, key, form, or nobody.
FORGED = ["x", "a.b.c", "null", "eyJhbGciOiJub25lIn0.eyJpZCI6MX0.", "=", "\xe9"]


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def cookie_of(answer: httpx.Response) -> "Morsel[str] | None":
    """Return what an answer does to the cookie `user`, if it does something."""
    found = [
        SimpleCookie(each)["user"]
        for each in answer.headers.get_list("Set-Cookie")
        if each.startswith("user=")
    ]
    assert len(found) <= 1
    return found[0] if found else None


def is_cleared(answer: httpx.Response) -> bool:
    morsel = cookie_of(answer)
    if morsel is None:
        return False
    assert morsel["path"] == "/"
    return morsel.value == "" and parsedate_to_datetime(morsel["expires"]).year == 1970


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and words of an error in Flask-RESTful's shape."""
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json()) == ["message"]
    assert "WWW-Authenticate" not in answer.headers
    return answer.status_code, answer.json()["message"]


def entered(answer: httpx.Response) -> dict[str, Any]:
    """Return the claims of whom an answer lets in."""
    assert answer.status_code == 200, answer.text
    assert answer.content == b""
    assert answer.headers["Content-Type"].startswith("text/html")
    morsel = cookie_of(answer)
    assert morsel is not None
    assert (morsel["path"], morsel["httponly"], morsel["samesite"]) == ("/", "", "Lax")
    claims = claims_of(morsel.value)
    assert int(morsel["max-age"]) == claims["exp"] - claims["iat"]
    assert "no-store" in answer.headers["Cache-Control"]
    return claims


async def say(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    return await client.post(f"/api/users/{path}/", json=fields)


async def sign_up(
    client: httpx.AsyncClient, email: str = ADDRESS, password: str = PASSWORD
) -> dict[str, Any]:
    return entered(await say(client, "signup", email=email, password=password))


async def log_in(
    client: httpx.AsyncClient, email: str = ADDRESS, password: str = PASSWORD
) -> httpx.Response:
    return await say(client, "login", email=email, password=password)


async def activation(world: World, email: str = ADDRESS) -> str:
    """Return what the newest letter brings to its page."""
    link = (await world.mails(email))[-1].link
    assert link is not None
    return link.partition("user_uuid=")[2]


async def member(world: World, email: str = ADDRESS) -> Client:
    """Somebody who signed up and activated, in a browser."""
    browser = world.browser()
    await sign_up(browser, email)
    entered(await say(browser, "activate", user_uuid=await activation(world, email)))
    return browser


def below(world: World) -> httpx.AsyncClient:
    """A page of ours, by a server that has the app below a path."""
    transport = httpx.ASGITransport(cast(Any, world.app), root_path="/below")
    origin = world.vestibule.settings.base_url
    return httpx.AsyncClient(transport=transport, base_url=origin, headers={"Origin": origin})


async def account_of(world: World, email: str = ADDRESS) -> Account:
    found = await world.vestibule.run(lambda unit: queries.by_identifier(unit, email))
    assert found is not None
    return found


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, dialects=NAME) as made:
        yield made


async def test_a_sign_up_logs_in_before_it_is_activated(world: World) -> None:
    browser = world.browser()
    claims = await sign_up(browser, f"  {ADDRESS} ", f" {PASSWORD}\n")
    account = await account_of(world)
    assert account.email == ADDRESS
    assert account.email_verified_at is None
    assert account.last_login_at is not None
    theirs = ("id", "google_id", "given_name", "picture", "email")
    assert {name: claims[name] for name in theirs} == {
        "id": str(account.id),
        "google_id": None,
        "given_name": None,
        "picture": None,
        "email": ADDRESS,
    }
    assert claims["exp"] - claims["iat"] == MONTH
    assert claims["jti"]
    assert claims["aud"] == "http://localhost:8000#openrank"
    assert UUID(claims["sid"]) in [each for (each,) in await world.rows(select(Session.id))]
    entered(await log_in(world.client()))


async def test_a_taken_address_is_told_in_any_spelling(world: World) -> None:
    await sign_up(world.browser())
    for email in (ADDRESS, " ann@example.COM "):
        answer = await say(world.browser(), "signup", email=email, password=PASSWORD)
        assert refused(answer) == (400, TAKEN)
        assert cookie_of(answer) is None
    assert await world.rows(select(func.count()).select_from(Account)) == [(1,)]
    assert (await world.mails(ADDRESS))[-1].subject.startswith("[OpenRankTracker] You already")


async def test_of_those_who_sign_up_one_address_at_once_one_does(world: World) -> None:
    answers = await asyncio.gather(
        *(say(world.browser(), "signup", email=ADDRESS, password=PASSWORD) for _ in range(4))
    )
    assert sorted(each.status_code for each in answers) == [200, 400, 400, 400]
    assert {refused(each)[1] for each in answers if each.status_code == 400} == {TAKEN}


async def test_a_log_in_folds_and_strips_what_is_typed(world: World) -> None:
    first = await sign_up(world.browser())
    for email in (ADDRESS, "ann@example.com", " ANN@example.com "):
        claims = entered(await log_in(world.client(), email, f" {PASSWORD} "))
        assert (claims["id"], claims["email"]) == (first["id"], ADDRESS)
        assert claims["sid"] != first["sid"]


@pytest.mark.parametrize(
    "email, password", [(ADDRESS, "wrong"), ("nobody@example.com", PASSWORD), ("", "")]
)
async def test_wrong_words_are_refused_alike(world: World, email: str, password: str) -> None:
    await sign_up(world.browser())
    answer = await log_in(world.client(), email, password)
    assert refused(answer) == (401, WRONG)
    assert cookie_of(answer) is None


async def test_a_disabled_account_is_a_wrong_password_and_its_cookie_is_dead(world: World) -> None:
    browser = await member(world)
    gone = await account_of(world)
    await world.vestibule.run(lambda unit: state.disable(unit, gone.id))
    answer = await log_in(browser)
    assert refused(answer) == (401, WRONG)
    assert is_cleared(answer)
    assert refused(await log_in(world.client())) == (401, WRONG)


async def test_the_letters_token_activates_once_and_logs_in(world: World) -> None:
    browser = world.browser()
    await sign_up(browser)
    letter = (await world.mails(ADDRESS))[-1]
    assert letter.subject == "[OpenRankTracker] Account activation"
    assert letter.code is None
    assert letter.link is not None
    assert letter.link.startswith("http://localhost:8000/welcome/activate?user_uuid=vclk_")
    token = letter.link.partition("user_uuid=")[2]
    other = world.browser()
    assert (await other.get("/api/users/activate/", params={"user_uuid": token})).status_code == 405
    assert (await account_of(world)).email_verified_at is None
    claims = entered(await say(other, "activate", user_uuid=f" {token} "))
    assert claims["email_verified"] is True
    assert (await account_of(world)).email_verified_at is not None
    for each in (browser, other):
        answer = await say(each, "activate", user_uuid=token)
        assert refused(answer) == (400, NO_CODE)


async def test_of_those_who_activate_at_once_one_does(world: World) -> None:
    await sign_up(world.browser())
    token = await activation(world)
    answers = await asyncio.gather(
        *(say(world.browser(), "activate", user_uuid=token) for _ in range(4))
    )
    assert sorted(each.status_code for each in answers) == [200, 400, 400, 400]


async def test_what_activates_nothing_is_refused_alike(world: World) -> None:
    await sign_up(world.browser())
    token = await activation(world)
    native = await world.browser().sign_up("bob@example.org")
    assert native.status_code == 202
    link = (await world.mails("bob@example.org"))[-1].token
    for each in ("x", "", link, link.replace("vlnk_", "vclk_"), str(UUID(int=7)), 7, None):
        answer = await say(world.client(), "activate", user_uuid=each)
        assert refused(answer) == (400, NO_CODE), each
    world.clock.move(timedelta(hours=25))
    assert refused(await say(world.client(), "activate", user_uuid=token)) == (400, NO_CODE)


async def test_an_activation_ends_what_was_opened_before_it(world: World) -> None:
    """Whoever signed up somebody else's address does not wait inside for its owner."""
    early = world.browser()
    await sign_up(early)
    entered(await say(world.browser(), "activate", user_uuid=await activation(world)))
    answer = await log_in(early, password="wrong")
    assert is_cleared(answer)


@pytest.mark.parametrize(
    "name, value",
    [
        ("openrank_sender", "nobody"),
        ("openrank_subject_prefix", "a\nBcc: b"),
        ("openrank_subject_prefix", "x" * 61),
        ("openrank_activation_url", "/welcome/activate"),
    ],
)
def test_a_setting_that_cannot_be_stops_the_start(name: str, value: str) -> None:
    given: dict[str, Any] = {name: value}
    with pytest.raises(CannotStart, match=f"VESTIBULE_{name.upper()}"):
        Settings.load(**given)


class Post:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def check(self) -> str:
        return "it keeps everything"

    async def close(self) -> None:
        pass


async def test_letters_bear_what_the_settings_say(database_url: str, tmp_path: Path) -> None:
    post = Post()
    async with World.running(
        database_url,
        tmp_path,
        dialects=NAME,
        transport=post,
        mail_from="v@example.org",
        openrank_activation_url="http://localhost:3000/#/activate",
        openrank_subject_prefix="[Rank]",
        openrank_sender="Rank <rank@example.org>",
    ) as world:
        await sign_up(world.browser())
        await world.browser().sign_up("bob@example.org")
        assert await world.vestibule.courier.send_due() == 2
    ann, bob = post.sent
    assert (ann.sender, ann.subject) == ("Rank <rank@example.org>", "[Rank] Account activation")
    assert "\nhttp://localhost:3000/#/activate?user_uuid=vclk_" in ann.text
    assert (bob.sender, bob.subject) == ("v@example.org", "Confirm your address for Vestibule")


@pytest.mark.parametrize("path", PATHS)
async def test_another_method_is_told_and_a_path_without_its_slash_is_led(
    world: World, path: str
) -> None:
    browser = world.browser()
    where = f"/api/users/{path}"
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        led = await browser.request(method, f"{where}?a=b&c=%2F")
        assert (led.status_code, led.headers["Location"]) == (308, f"{where}/?a=b&c=%2F")
        if method != PATHS[path]:
            answer = await browser.request(method, f"{where}/")
            assert refused(answer) == (405, NO_METHOD)
            assert answer.headers["Allow"] == PATHS[path]
    led = await browser.post(where)
    assert led.headers["Location"] == f"{where}/"


async def test_an_unknown_path_is_not_found(database_url: str, tmp_path: Path) -> None:
    alone = f"{NAME}@legacy.example.org"
    async with World.running(database_url, tmp_path, dialects=alone) as world:
        client = world.client(Host="legacy.example.org")
        status, words = refused(await client.get("/api/proxies/"))
        assert status == 404
        assert words.startswith("The requested URL was not found on the server.")
        await sign_up(client)
        link = (await world.mails(ADDRESS))[-1].link
        assert link is not None
        assert link.startswith("http://legacy.example.org:8000/welcome/activate?user_uuid=")


@pytest.mark.parametrize("value", FORGED)
async def test_a_forged_cookie_is_refused_on_any_route_and_cleared(
    world: World, value: str
) -> None:
    browser = world.browser()
    await sign_up(browser)
    for path, method in PATHS.items():
        answer = await world.browser().request(
            method, f"/api/users/{path}/", headers={b"Cookie": f"user={value}".encode("latin-1")}
        )
        assert refused(answer) == (401, UNAUTHORIZED), path
        assert is_cleared(answer), path


async def test_a_neighbours_cookie_of_the_same_name_locks_nobody_out(world: World) -> None:
    browser = world.browser()
    await sign_up(browser)
    good = browser.cookies["user"]
    world.clock.move(timedelta(days=2))
    for cookies in (
        f"user=theirs; user={good}",
        f"user={good}; user=theirs",
        f"user=; user={good}",
    ):
        client = world.browser()
        client.headers["Cookie"] = cookies
        answer = await say(client, "login", email=ADDRESS, password="wrong")
        assert refused(answer) == (401, WRONG)
        assert cookie_of(answer) is None
    both = world.browser()
    both.headers["Cookie"] = "user=theirs; user=too"
    answer = await say(both, "login", email=ADDRESS, password=PASSWORD)
    assert refused(answer) == (401, UNAUTHORIZED)
    assert is_cleared(answer)
    world.clock.move(timedelta(days=31))
    over = world.browser()
    over.headers["Cookie"] = f"user=theirs; user={good}; user=too"
    entered(await say(over, "login", email=ADDRESS, password=PASSWORD))


@pytest.mark.parametrize("way", ["login", "signup", "activate"])
async def test_who_enters_anew_leaves_no_session_behind(world: World, way: str) -> None:
    browser = world.browser()
    await sign_up(browser, "bob@example.com")
    former = UUID(claims_of(browser.cookies["user"])["sid"])
    if way != "signup":
        await sign_up(world.browser())
    answer = await say(browser, "login", email=ADDRESS, password="wrong")
    assert refused(answer) == (401, WRONG)
    answer = await say(browser, "signup", email="bob@example.com", password=PASSWORD)
    assert refused(answer) == (400, TAKEN)
    theirs = select(Session.ended_at).where(Session.id == former)
    assert await world.rows(theirs) == [(None,)], "whoever is refused stays who they were"
    if way == "activate":
        entered(await say(browser, "activate", user_uuid=await activation(world)))
    else:
        entered(await say(browser, way, email=ADDRESS, password=PASSWORD))
    assert await world.rows(theirs) != [(None,)]


async def test_below_a_path_of_a_server_it_leads_there(world: World) -> None:
    async with below(world) as client:
        led = await client.post("/below/api/users/login?a=b")
    assert led.headers["Location"] == "/below/api/users/login/?a=b"


async def test_others_tokens_are_forged_ones_here_and_ours_there(
    database_url: str, tmp_path: Path
) -> None:
    both = f"{NAME}, jwt_extended"
    async with World.running(database_url, tmp_path, dialects=both) as world:
        await sign_up(world.browser())
        client = world.client()
        answer = await client.post("/token", json={"email": ADDRESS, "password": PASSWORD})
        theirs = answer.json()["access_token"]
        morsel = cookie_of(await log_in(world.client()))
        assert morsel is not None
        tampered = morsel.value[:-4] + "AAAA"
        for token in (theirs, tampered):
            answer = await world.client().post(
                "/api/users/login/", json={}, headers={"Cookie": f"user={token}"}
            )
            assert refused(answer) == (401, UNAUTHORIZED)
            assert is_cleared(answer)
        ours = {"Authorization": f"Bearer {morsel.value}"}
        assert (await client.get("/profile", headers=ours)).status_code == 422
        assert (await client.get("/v1/me", headers=ours)).status_code == 401
        client.cookies.set("vestibule", morsel.value)
        assert (await client.get("/v1/me")).status_code == 401


async def test_a_cookie_that_is_over_is_cleared_and_locks_nobody_out(world: World) -> None:
    browser = world.browser()
    await sign_up(browser)
    old = browser.cookies["user"]
    world.clock.move(timedelta(days=31))
    late = world.browser()
    late.cookies.set("user", old)
    answer = await log_in(late, password="wrong")
    assert refused(answer) == (401, WRONG)
    assert is_cleared(answer)
    late.cookies.set("user", old)
    answer = await late.put("/api/users/login/")
    assert (answer.status_code, is_cleared(answer)) == (405, True)
    late.cookies.clear()
    late.cookies.set("user", old, domain="localhost.local", path="/")
    entered(await log_in(late))


async def test_a_cookie_outlives_the_rotation_of_its_key(world: World) -> None:
    browser = world.browser()
    await sign_up(browser)
    await world.vestibule.run(keys.rotate)
    world.clock.move(timedelta(days=29))
    await world.vestibule.run(keys.rotate)
    assert refused(await log_in(browser, password="wrong")) == (401, WRONG)
    assert "user" in browser.cookies


BODIES: dict[str, bytes] = {
    "none": b"",
    "half a body": b'{"email"',
    "not UTF-8": b'{"email": "\xff"}',
    "NUL": b'{"email": "a\\u0000", "password": "x", "user_uuid": "a\\u0000"}',
    "half a pair": b'{"email": "\\ud800", "password": "x"}',
    "a key twice": b'{"email": "a", "email": "b"}',
    "too deep": b"[" * 20_000,
    "a list": b"[1]",
    "null": b"null",
    "nothing": b"{}",
    "a number": b'{"email": 1, "password": "x", "user_uuid": 1}',
    "an object": b'{"email": {}, "password": [], "user_uuid": {}}',
    "null within": b'{"email": null, "password": null, "user_uuid": null}',
    "too long": json.dumps(dict.fromkeys(("email", "user_uuid"), "x" * 5000)).encode(),
}


@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_broke_the_original_is_refused_where_its_words_are_shown(
    world: World, what: str
) -> None:
    client = world.client()
    for path, told in (
        ("signup", (400, None)),
        ("login", (401, WRONG)),
        ("activate", (400, NO_CODE)),
    ):
        for kind in ("application/json", "text/plain"):
            answer = await client.post(
                f"/api/users/{path}/", content=BODIES[what], headers={"Content-Type": kind}
            )
            status, words = refused(answer)
            assert (status, words if told[1] else None) == told, path
            assert words


async def test_a_body_that_is_too_large_is_refused_in_its_shape(world: World) -> None:
    for path in ("signup", "login", "activate", "oauth2login"):
        answer = await world.client().post(f"/api/users/{path}/", content=b" " * 70_000)
        assert refused(answer)[0] == 413, path


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"password": "short"}, "Password must have at least 8 characters"),
        ({"password": f"  {'short'.center(20)}  "}, "Password must have at least 8 characters"),
        ({"password": "password"}, "This password is too common"),
        ({"email": "no address"}, "Not a valid email address."),
        ({"email": ""}, "Not a valid email address."),
    ],
)
async def test_what_cannot_be_signed_up_is_told_under_the_field(
    world: World, fields: dict[str, str], words: str
) -> None:
    whole = {"email": ADDRESS, "password": PASSWORD} | fields
    answer = await say(world.client(), "signup", **whole)
    assert refused(answer) == (400, words)
    assert cookie_of(answer) is None


async def test_whoever_has_no_password_is_refused_like_others(world: World) -> None:
    await sign_up(world.browser())
    account = await account_of(world)
    async with world.vestibule.unit() as unit:
        found = await queries.by_id(unit, account.id)
        assert found is not None
        found.password_hash = None
    assert refused(await log_in(world.client())) == (401, WRONG)


async def test_somebody_who_moved_in_keeps_their_number(world: World) -> None:
    await sign_up(world.browser())
    account = await account_of(world)
    async with world.vestibule.unit() as unit:
        found = await queries.by_id(unit, account.id)
        assert found is not None
        found.external_id, found.given_name = "17", "Ann"
        found.picture = "https://a.test/a.png"
    claims = entered(await log_in(world.client()))
    assert (claims["id"], claims["given_name"]) == (17, "Ann")
    assert claims["picture"] == "https://a.test/a.png"
    async with world.vestibule.unit() as unit:
        found = await queries.by_id(unit, account.id)
        assert found is not None
        found.given_name, found.picture = "漢" * 100, f"https://a.test/{'a' * 1900}"
    answer = await log_in(world.client())
    assert entered(answer)["picture"] is None
    [line] = [each for each in answer.headers.get_list("Set-Cookie") if each.startswith("user=")]
    assert len(line) < 4096, "browsers keep no more"
    async with world.vestibule.unit() as unit:
        found = await queries.by_id(unit, account.id)
        assert found is not None
        found.given_name, found.picture = "\U0001f600" * 100, f"https://a.test/{'漢' * 900}"
    answer = await log_in(world.client())
    assert entered(answer)["picture"] is None
    [line] = [each for each in answer.headers.get_list("Set-Cookie") if each.startswith("user=")]
    assert len(line) < 4096, "of few characters and many bytes"


def test_people_move_in_with_their_passwords_and_numbers(database_url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "rank.db") as source:
        source.execute(
            """CREATE TABLE user (id INTEGER PRIMARY KEY, external_id VARCHAR NOT NULL,
            google_id VARCHAR, activated BOOLEAN NOT NULL, _password VARCHAR, given_name VARCHAR,
            email VARCHAR, picture VARCHAR, last_login DATETIME)"""
        )
        for number, method in enumerate(("pbkdf2:sha256:1000", "scrypt:256:8:1"), 1):
            source.execute(
                "INSERT INTO user VALUES (?, ?, NULL, ?, ?, NULL, ?, NULL, NULL)",
                (
                    number,
                    str(UUID(int=number)),
                    number == 1,
                    generate_password_hash(PASSWORD, method),
                    f"P{number}@example.com",
                ),
            )
    shell = Shell(VESTIBULE_DATABASE_URL=database_url, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    words = ("--column", "password=_password", "--column", "verified=activated")
    source_url = f"sqlite:///{tmp_path}/rank.db"
    told = shell.works("accounts", "import", source_url, "--table", "user", *words)
    assert "2 came" in told

    async def visit() -> None:
        async with World.running(database_url, tmp_path, dialects=NAME) as world:
            for number in (1, 2):
                claims = entered(await log_in(world.client(), f"p{number}@example.com"))
                assert (claims["id"], claims["email_verified"]) == (number, number == 1)

    asyncio.run(visit())


async def test_too_many_wrong_passwords_are_told_to_wait(database_url: str, tmp_path: Path) -> None:
    limits = "log_in_identifier=2/15m, sign_up_client=1/1h"
    async with World.running(database_url, tmp_path, dialects=NAME, limits=limits) as world:
        client = world.client()
        for _ in range(2):
            assert refused(await log_in(client, password="x"))[0] == 401
        await sign_up(client, "bob@example.org")
        for answer in (
            await log_in(client, password="x"),
            await say(client, "signup", email="eve@example.org", password=PASSWORD),
        ):
            wait = int(answer.headers["Retry-After"])
            assert refused(answer) == (429, f"Too many attempts. Try again in {wait} seconds.")


async def test_too_many_who_log_in_at_once_are_told_to_come_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    hasher = Held()
    async with World.running(
        sqlite_url, tmp_path, dialects=NAME, hasher=hasher, hash_threads=1
    ) as world:
        world.vestibule.means.passwords.patience = 60
        client = world.client()
        waiting = [asyncio.create_task(log_in(client)) for _ in range(82)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        hasher.may_go.set()
        await asyncio.gather(*waiting)
    for task in done:
        assert refused(task.result())[0] == 503
        assert int(task.result().headers["Retry-After"]) > 0


async def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with server() as own:
        own.create("own")
        database = Database(own.url("own"))
        await migrations.upgrade(database)
        await database.close()
        async with World.running(own.url("own"), tmp_path, dialects=NAME) as world:
            browser = world.browser()
            await sign_up(browser)
            own.stop()
            for answer in (
                await log_in(browser),
                await say(browser, "signup", email="bob@example.org", password=PASSWORD),
                await say(browser, "activate", user_uuid="x"),
            ):
                assert refused(answer) == (503, "The service is not available. Try again.")
                assert int(answer.headers["Retry-After"]) > 0
                assert cookie_of(answer) is None, "nobody knows whether it is good"
            led = await browser.get("/api/users/oauth2callback/login/", params={"state": "x"})
            assert led.status_code == 302
            own.start()
            entered(await log_in(browser))


async def test_production_keeps_the_cookie_to_https(sqlite_url: str, tmp_path: Path) -> None:
    async with World.running(
        sqlite_url,
        tmp_path,
        dialects=NAME,
        mode="production",
        base_url="https://rank.example.org",
        sqlite_in_production=True,
        secrets="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        mail_transport="smtp",
        mail_from="no-reply@example.org",
        smtp_host="127.0.0.1",
    ) as world:
        browser = world.browser()
        await sign_up(browser)
        morsel = cookie_of(await log_in(browser))
        assert morsel is not None
        assert morsel["secure"]
        forged = await log_in(world.browser(Cookie="user=x"))
        assert is_cleared(forged)
        assert "Secure" in forged.headers["Set-Cookie"]
        led = await browser.get("/api/users/oauth2callback/login")
        assert led.headers["Location"] == "/api/users/oauth2callback/login/", "nothing of http"


async def test_another_sites_page_logs_nobody_in(world: World) -> None:
    for path in ("signup", "login", "activate", "oauth2login"):
        evil = world.client(Origin="https://evil.example")
        assert refused(await say(evil, path))[0] == 403


@asynccontextmanager
async def hosting(database_url: str, folder: Path) -> AsyncIterator[Host]:
    app, vestibule = Quart(__name__), made(database_url, folder)
    vestibule.init_app(app)
    app.register_blueprint(openrank.blueprint())

    @app.route("/api/proxies/", methods=["GET", "POST"])
    @openrank.signed_in
    async def proxies() -> list[dict[str, Any]]:
        account = await current_account()
        assert account is not None
        return [{"owner": account.email}]

    class AuthenticatedView(MethodView):
        decorators: ClassVar = [openrank.signed_in]

    class Keywords(AuthenticatedView):
        async def get(self) -> dict[str, Any]:
            account = await current_account()
            assert account is not None
            return {"owner": account.email}

        delete = get

    app.add_url_rule("/api/keywords/", view_func=Keywords.as_view("keywords"))

    @app.get("/api/paid/")
    @openrank.requires(verified=True)
    async def paid() -> dict[str, Any]:
        return {"paid": True}

    @app.get("/api/edit/")
    @openrank.requires("editor")
    async def edit() -> dict[str, Any]:
        return {"edited": True}

    async with Host.serving(app, vestibule) as host:
        yield host


@pytest.fixture
async def host(database_url: str, tmp_path: Path) -> AsyncIterator[Host]:
    async with hosting(database_url, tmp_path) as made:
        yield made


async def test_a_hosts_route_lets_in_by_the_cookie_alone(host: Host) -> None:
    browser = host.browser()
    answer = await browser.get("/api/proxies/")
    assert refused(answer) == (401, UNAUTHORIZED)
    assert cookie_of(answer) is None
    await sign_up(browser)
    for method in ("GET", "POST"):
        answer = await browser.request(method, "/api/proxies/")
        assert (answer.status_code, answer.json()) == (200, [{"owner": ADDRESS}])
        assert cookie_of(answer) is None, "it was written a moment ago"
    bearer = {"Authorization": f"Bearer {browser.cookies['user']}"}
    assert refused(await host.client().get("/api/proxies/", headers=bearer))[0] == 401


@pytest.mark.parametrize("value", FORGED)
async def test_a_hosts_route_clears_a_forged_cookie(host: Host, value: str) -> None:
    answer = await host.client().get(
        "/api/proxies/", headers={b"Cookie": f"user={value}".encode("latin-1")}
    )
    assert refused(answer) == (401, UNAUTHORIZED)
    assert is_cleared(answer)


async def test_a_hosts_route_clears_a_cookie_whose_session_or_account_is_over(host: Host) -> None:
    browser = host.browser()
    await sign_up(browser)
    other = host.browser()
    entered(await log_in(other))
    entered(await say(host.browser(), "activate", user_uuid=await activation(host)))
    late = host.browser()
    entered(await log_in(late))
    gone = host.browser()
    entered(await log_in(gone))
    assert (await gone.get("/api/proxies/")).status_code == 200
    account = await account_of(host)
    await host.vestibule.run(lambda unit: state.disable(unit, account.id))
    host.clock.move(timedelta(days=31))
    for each in (browser, other, gone, late):
        answer = await each.get("/api/proxies/")
        assert (answer.status_code, answer.content) == (401, b"")
        assert is_cleared(answer)
        assert refused(await each.get("/api/proxies/")) == (401, UNAUTHORIZED)


async def test_every_method_of_a_class_that_inherits_the_guard_is_guarded(host: Host) -> None:
    browser = host.browser()
    for method in ("GET", "DELETE"):
        assert refused(await browser.request(method, "/api/keywords/")) == (401, UNAUTHORIZED)
    await sign_up(browser)
    for method in ("GET", "DELETE"):
        answer = await browser.request(method, "/api/keywords/")
        assert answer.json() == {"owner": ADDRESS}


async def test_the_cookie_is_written_again_on_use_until_its_session_ends(host: Host) -> None:
    browser = host.browser()
    first = await sign_up(browser)
    for _ in range(3):
        host.clock.move(timedelta(days=28))
        answer = await browser.get("/api/proxies/")
        morsel = cookie_of(answer)
        assert morsel is not None
        assert "no-store" in answer.headers["Cache-Control"]
        claims = claims_of(morsel.value)
        assert claims["sid"] == first["sid"]
        assert 0 <= claims["exp"] - claims["iat"] - int(morsel["max-age"]) <= 1
        assert cookie_of(await browser.get("/api/proxies/")) is None
        lasts = int(morsel["max-age"])
    assert lasts <= 6 * 24 * 3600, "nobody is in for more than 90 days"
    host.clock.move(timedelta(days=7))
    assert (await browser.get("/api/proxies/")).status_code == 401


async def test_a_hosts_route_asks_for_a_role_or_a_proved_address(host: Host) -> None:
    browser = host.browser()
    await sign_up(browser)
    assert refused(await browser.get("/api/paid/")) == (
        403,
        "This is for accounts with a proved email address.",
    )
    assert refused(await browser.get("/api/edit/"))[0] == 403
    entered(await say(browser, "activate", user_uuid=await activation(host)))
    assert (await browser.get("/api/paid/")).json() == {"paid": True}
    account = await account_of(host)
    await host.vestibule.run(lambda unit: grants.grant(unit, account.id, "editor"))
    assert (await browser.get("/api/edit/")).json() == {"edited": True}


async def test_another_sites_page_cannot_use_the_cookie_at_a_hosts_route(host: Host) -> None:
    browser = host.browser()
    await sign_up(browser)
    evil = {"Origin": "https://evil.example"}
    assert refused(await browser.post("/api/proxies/", headers=evil))[0] == 403


async def test_its_front_end_speaks_with_a_real_server(
    database_url: str, tmp_path: Path, mounted: Mounted
) -> None:
    variables = {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_DIALECTS": mounted(NAME)}
    async with serving(tmp_path, **variables) as served, served.client() as client:
        assert served.process.stdout is not None
        said = [await served.process.stdout.readline() for _ in range(4)]
        assert b"front end  openrank at" in said[2]
        assert b"tells who has an account, lets in whose address is not proved" in said[3]
        await sign_up(client)
        again = await say(client, "signup", email="ann@example.com", password=PASSWORD)
        assert refused(again) == (400, TAKEN)
        assert (await client.get("/api/proxies/")).status_code == 404
        token = await posted(client)
        client.cookies.clear()  # the letter is opened elsewhere
        claims = entered(await say(client, "activate", user_uuid=token))
        assert refused(await say(client, "activate", user_uuid=token)) == (400, NO_CODE)
        client.cookies.clear()
        assert refused(await log_in(client, password="wrong")) == (401, WRONG)
        assert entered(await log_in(client))["id"] == claims["id"]
        client.cookies.clear()
        # Nobody has set Google up, so the demo provider stands in.
        for intent in ("login", "signup", "login"):
            left = await client.post(f"/api/users/oauth2{intent}/")
            assert left.status_code == 302
            people = {"email": "bob@gmail.com", "given_name": "Bob"}
            agreed = await client.post(left.headers["Location"], data=people)
            assert agreed.status_code == 303, agreed.text
            back = await client.get(agreed.headers["Location"])
            assert back.status_code == 302
            where = back.headers["Location"].partition(served.base_url)[2]
            morsel = cookie_of(back)
            if morsel is None:
                assert (intent, where) == ("login", "/welcome/oauth/unknown")
                continue
            assert where == "/"
            bob = claims_of(morsel.value)
            assert (bob["email"], bob["given_name"]) == ("bob@gmail.com", "Bob")
            assert bob["google_id"] == sha256(b"bob@gmail.com").hexdigest()
        assert client.cookies["user"]


async def posted(client: httpx.AsyncClient) -> str:
    """Wait for the letter, and return what its link brings."""
    for _ in range(100):
        mails = await client.get("/dev/mailbox", headers={"Accept": "application/json"})
        for mail in mails.json():
            if mail["links"] and "user_uuid=" in mail["links"][0]:
                return str(mail["links"][0].partition("user_uuid=")[2])
        await asyncio.sleep(0.05)
    raise AssertionError("no letter came")
