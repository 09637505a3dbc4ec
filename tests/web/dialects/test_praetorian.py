"""The dialect of flask-praetorian and React, row by row of its contract."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast  # Any: answers are JSON
from uuid import UUID

import httpx
import pytest
from quart import Quart
from sqlalchemy import func, select

from tests.embedding.host import Host, made
from tests.postgres import server
from tests.processes import Served, serving
from tests.web.dialects.conftest import Mounted, names_of_cookies
from tests.world import NEW_PASSWORD, PASSWORD, Held, World
from vestibule import current_account
from vestibule.accounts import queries, state
from vestibule.accounts.signup import Person, sign_up
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.roles import grants
from vestibule.sessions.models import Session
from vestibule.web.dialects import jwt_extended, praetorian

NAME = "praetorian"
ANN, ADDRESS = "ann", "ann@example.org"
TEXT = {"Content-Type": "text/plain;charset=UTF-8"}
WRONG = ("AuthenticationError", "The username and/or password are incorrect")
ENDED = ("BlacklistedError", "token has a blacklisted jti")
UNSIGNED = (
    "InvalidTokenHeader",
    "failed to decode JWT token -- InvalidSignatureError: Signature verification failed",
)


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def told(answer: httpx.Response) -> tuple[int, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    assert not names_of_cookies(answer)
    return answer.status_code, answer.json()


def refused(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, class and message of an error in praetorian's shape."""
    status, body = told(answer)
    assert set(body) == {"error", "message", "status_code"}
    assert body["status_code"] == status
    return status, body["error"], body["message"]


async def say(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Post JSON as the front end does: as text."""
    return await client.post(f"/api/{path}", content=json.dumps(fields), headers=TEXT)


async def token_of(client: httpx.AsyncClient, name: str = ANN, password: str = PASSWORD) -> str:
    answer = await say(client, "login", username=name, password=password)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def protected(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/api/protected", headers=bearer(token))


async def registered(world: World, name: str = ANN, email: str = ADDRESS) -> str:
    """Register, and return the token that the letter brings."""
    answer = await say(
        world.client(), "registration", username=name, password=PASSWORD, email=email
    )
    assert told(answer) == (
        201,
        {"message": f"successfully sent registration email to user {name}"},
    )
    return (await world.mails(email))[-1].token


async def member(world: World) -> str:
    """Register and finalize; return the access token."""
    mailed = await registered(world)
    answer = await world.client().get("/api/finalize", headers=bearer(mailed))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


async def account_id(world: World, name: str = ANN) -> Any:
    found = await world.vestibule.run(lambda unit: queries.by_identifier(unit, name))
    assert found is not None
    return found.id


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, dialects=NAME) as made:
        yield made


async def test_it_says_that_somebody_is_there(world: World) -> None:
    client = world.client()
    assert told(await client.get("/api/")) == (200, {"Hello": "World"})
    answer = await client.get("/api")
    assert (answer.status_code, answer.headers["Location"]) == (308, "/api/")
    transport = httpx.ASGITransport(cast(Any, world.app), root_path="/below")
    async with httpx.AsyncClient(transport=transport, base_url=str(client.base_url)) as below:
        led = await below.get("/below/api")
    assert led.headers["Location"] == "/below/api/"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_log_in_gets_a_token_with_its_claims(world: World) -> None:
    await member(world)
    status, body = told(await say(world.client(), "login", username=ANN, password=PASSWORD))
    assert (status, list(body)) == (200, ["access_token"])
    claims = claims_of(body["access_token"])
    assert claims["exp"] - claims["iat"] == 24 * 3600
    assert claims["rf_exp"] - claims["iat"] == 30 * 24 * 3600
    assert claims["id"] == str(await account_id(world))
    assert claims["rls"] == "user"
    assert claims["jti"]
    await world.vestibule.run(lambda unit: grants.grant(unit, claims_id(claims), "editor"))
    again = claims_of(await token_of(world.client(), ADDRESS))
    assert set(again["rls"].split(",")) == {"user", "editor"}


def claims_id(claims: dict[str, Any]) -> Any:
    return UUID(claims["sub"])


async def test_browsers_can_read_a_token_with_atob(world: World) -> None:
    await member(world)
    for _ in range(20):
        token = await token_of(world.client())
        assert set(token.split(".")[1]).isdisjoint("-_")


@pytest.mark.parametrize("name, password", [(ANN, "wrong"), ("nobody", PASSWORD), ("", "")])
async def test_wrong_words_are_refused(world: World, name: str, password: str) -> None:
    await member(world)
    answer = await say(world.client(), "login", username=name, password=password)
    assert refused(answer) == (401, *WRONG)


async def test_who_is_not_activated_is_told_so_with_the_right_password_alone(
    world: World,
) -> None:
    await registered(world)
    client = world.client()
    answer = await say(client, "login", username=ANN, password=PASSWORD)
    words = "The user is not valid or has had access revoked"
    assert refused(answer) == (403, "InvalidUserError", words)
    answer = await say(client, "login", username=ANN, password="wrong")
    assert refused(answer) == (401, *WRONG)
    assert (await world.browser().log_in(ADDRESS)).status_code == 401
    assert await world.rows(select(func.count()).select_from(Session)) == [(0,)]


async def test_a_disabled_account_is_a_wrong_password_and_its_token_is_over(world: World) -> None:
    token = await member(world)
    gone = await account_id(world)
    await world.vestibule.run(lambda unit: state.disable(unit, gone))
    client = world.client()
    answer = await say(client, "login", username=ANN, password=PASSWORD)
    assert refused(answer) == (401, *WRONG)
    assert refused(await protected(client, token)) == (401, *ENDED)
    assert refused(await client.post("/api/refresh", content=token)) == (401, *ENDED)


async def test_the_protected_route_greets_by_name(world: World) -> None:
    token = await member(world)
    answer = await protected(world.client(), token)
    assert told(answer) == (200, {"message": "protected endpoint (allowed usr ann)"})


async def test_whoever_brings_no_good_token_is_told_why(world: World) -> None:
    client = world.client()
    mailed = await registered(world)
    await client.get("/api/finalize", headers=bearer(mailed))
    await say(client, "reset", email=ADDRESS)
    reset = (await world.mails(ADDRESS))[-1].token
    token = await token_of(client)
    native = (await client.log_in(ADDRESS, deliver="tokens")).json()["access_token"]
    for header, name, words in (
        (None, "MissingToken", "JWT token not found in headers under 'Authorization'"),
        ("Bearer", "InvalidTokenHeader", "JWT header structure is invalid"),
        ("\xa0", "InvalidTokenHeader", "JWT header structure is invalid"),
        (f"JWT {token}", "InvalidTokenHeader", "JWT header structure is invalid"),
        (
            "Bearer x",
            "InvalidTokenHeader",
            "failed to decode JWT token -- DecodeError: Not enough segments",
        ),
        (f"Bearer {token[:-4]}AAAA", *UNSIGNED),
        (f"Bearer {native}", *UNSIGNED),
        (f"Bearer {mailed}", "MisusedRegistrationToken", "registration token used for access"),
        (f"Bearer {reset}", "MisusedResetToken", "password reset token used for access"),
    ):
        said = {} if header is None else {b"Authorization": header.encode("latin-1")}
        answer = await client.get("/api/protected", headers=said)
        assert refused(answer) == (401, name, words), header
    assert (await client.get("/v1/me", headers=bearer(token))).status_code == 401
    assert (await protected(client, token)).status_code == 200
    world.clock.move(timedelta(hours=25))
    answer = await protected(client, token)
    assert refused(answer) == (401, "ExpiredAccessError", "access permission has expired")


async def test_a_token_is_renewed_within_its_window_and_not_after(world: World) -> None:
    await member(world)
    client = world.client()
    token = await token_of(client)
    first = claims_of(token)
    early = await client.post("/api/refresh", content=token, headers=TEXT)
    assert told(early)[0] == 200
    await world.vestibule.run(lambda unit: grants.grant(unit, claims_id(first), "editor"))
    for days in (2, 27):
        world.clock.move(timedelta(days=days))
        status, body = told(await client.post("/api/refresh", content=token, headers=TEXT))
        assert (status, list(body)) == (200, ["access_token"])
        renewed = claims_of(body["access_token"])
        assert (renewed["jti"], renewed["rf_exp"]) == (first["jti"], first["rf_exp"])
        assert renewed["exp"] > first["exp"]
        assert set(renewed["rls"].split(",")) == {"user", "editor"}
        assert (await protected(client, body["access_token"])).status_code == 200
    world.clock.move(timedelta(days=2))
    answer = await client.post("/api/refresh", content=token, headers=TEXT)
    words = "refresh permission for token has expired"
    assert refused(answer) == (401, "ExpiredRefreshError", words)


@pytest.mark.parametrize("body", [b"", b"x", b"\xff", b"a.b.c", b'{"token": "x"}'])
async def test_what_is_no_token_is_not_renewed(world: World, body: bytes) -> None:
    answer = await world.client().post("/api/refresh", content=body, headers=TEXT)
    status, name, _ = refused(answer)
    assert status == 401
    assert name in ("MissingToken", "InvalidTokenHeader")


async def test_a_renewed_token_is_over_with_its_session(world: World) -> None:
    await member(world)
    client = world.client()
    token = await token_of(client)
    renewed = (await client.post("/api/refresh", content=token)).json()["access_token"]
    browser = world.browser()
    await browser.log_in(ADDRESS)
    assert (await browser.post("/v1/logout-all")).status_code == 204
    for each in (token, renewed):
        assert refused(await protected(client, each)) == (401, *ENDED)
    assert refused(await client.post("/api/refresh", content=renewed)) == (401, *ENDED)


async def test_a_name_or_an_address_that_is_taken_is_told(world: World) -> None:
    await member(world)
    client = world.client()
    answer = await say(
        client, "registration", username="Ann", password=PASSWORD, email="new@example.org"
    )
    assert told(answer) == (409, {"message": "user Ann already exists on DB!"})
    answer = await say(client, "registration", username="bob", password=PASSWORD, email=ADDRESS)
    assert told(answer) == (303, {"message": f"email {ADDRESS} already exists on DB!"})
    assert "Location" not in answer.headers


async def test_a_letters_token_activates_and_may_come_twice(world: World) -> None:
    mailed = await registered(world)
    client = world.client()
    answers = await asyncio.gather(
        *(client.get("/api/finalize", headers=bearer(mailed)) for _ in range(2))
    )
    for answer in answers:
        status, body = told(answer)
        assert (status, set(body), body["user"]) == (200, {"access_token", "user"}, ANN)
        assert (await protected(client, body["access_token"])).status_code == 200
    assert (await protected(client, await token_of(client))).status_code == 200
    world.clock.move(timedelta(minutes=2))
    answer = await client.get("/api/finalize", headers=bearer(mailed))
    words = "invalid registration token used for verification"
    assert refused(answer) == (401, "InvalidRegistrationToken", words)


async def test_what_does_not_activate_is_told_why(world: World) -> None:
    mailed = await registered(world)
    client = world.client()
    native = await world.browser().sign_up("bob@example.org")
    assert native.status_code == 202
    link = (await world.mails("bob@example.org"))[-1].token
    for header, name in (
        (None, "MissingToken"),
        ("Bearer", "InvalidTokenHeader"),
        ("Bearer x", "InvalidRegistrationToken"),
        (f"Bearer {link}", "MisusedResetToken"),  # a native one needs its password
        (f"Bearer {link.replace('vlnk_', 'vclk_')}", "InvalidRegistrationToken"),
    ):
        said = {} if header is None else {"Authorization": header}
        answer = await client.get("/api/finalize", headers=said)
        assert refused(answer)[:2] == (401, name), header
    world.clock.move(timedelta(hours=25))
    answer = await client.get("/api/finalize", headers=bearer(mailed))
    words = "register permission has expired"
    assert refused(answer) == (401, "ExpiredAccessError", words)


async def test_letters_lead_where_the_settings_say(database_url: str, tmp_path: Path) -> None:
    async with World.running(
        database_url,
        tmp_path,
        dialects=NAME,
        praetorian_confirmation_url="http://localhost:3000/#/finalize",
    ) as world:
        await member(world)
        letter = (await world.mails(ADDRESS))[-1]
        assert letter.link is not None
        assert letter.link.startswith("http://localhost:3000/#/finalize?token=vclk_")
        await say(world.client(), "reset", email=ADDRESS)
        letter = (await world.mails(ADDRESS))[-1]
        assert letter.link is not None
        assert letter.link.startswith("http://localhost:8000/#/new_password?token=vlnk_")


@pytest.mark.parametrize("email", [ADDRESS, "nobody@example.org", "no address", ""])
async def test_a_reset_that_is_asked_for_is_answered_alike(world: World, email: str) -> None:
    await member(world)
    answer = await say(world.client(), "reset", email=email)
    words = f"successfully sent password reset email to {email}"
    assert told(answer) == (200, {"message": words})


async def test_a_new_password_by_letter_logs_in_and_ends_what_was(world: World) -> None:
    token = await member(world)
    client = world.client()
    await say(client, "reset", email=ADDRESS)
    mailed = (await world.mails(ADDRESS))[-1].token
    world.clock.move(timedelta(hours=23))
    fields = json.dumps({"token": mailed, "password": NEW_PASSWORD})

    async def again() -> httpx.Response:
        headers = TEXT | bearer(mailed)
        return await client.post("/api/reset_finalize", content=fields, headers=headers)

    status, body = told(await again())
    assert (status, set(body), body["user"]) == (200, {"access_token", "user"}, ANN)
    assert (await protected(client, body["access_token"])).status_code == 200
    assert refused(await protected(client, token)) == (401, *ENDED)
    assert refused(await say(client, "login", username=ANN, password=PASSWORD))[0] == 401
    assert await token_of(client, password=NEW_PASSWORD)
    words = "invalid reset token used for verification"
    assert refused(await again()) == (401, "InvalidResetToken", words)


async def test_what_resets_nothing_is_told_why(world: World) -> None:
    registration = await registered(world)
    await world.client().get("/api/finalize", headers=bearer(registration))
    client = world.client()
    await say(client, "reset", email=ADDRESS)
    mailed = (await world.mails(ADDRESS))[-1].token
    fields = json.dumps({"password": NEW_PASSWORD})
    for header, name in (
        (None, "MissingToken"),
        ("Basic x", "InvalidTokenHeader"),
        ("Bearer x", "InvalidResetToken"),
        (f"Bearer {registration}", "MisusedRegistrationToken"),
    ):
        said = {} if header is None else {"Authorization": header}
        answer = await client.post("/api/reset_finalize", content=fields, headers=TEXT | said)
        assert refused(answer)[:2] == (401, name), header
    weak = json.dumps({"password": "short"})
    headers = TEXT | bearer(mailed)
    answer = await client.post("/api/reset_finalize", content=weak, headers=headers)
    assert refused(answer)[:2] == (422, "WeakPassword")
    world.clock.move(timedelta(hours=25))
    answer = await client.post("/api/reset_finalize", content=fields, headers=headers)
    assert refused(answer)[:2] == (401, "ExpiredAccessError")


async def test_a_simple_registration_that_is_sent_twice_at_once_lets_in_twice(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(
        database_url, tmp_path, dialects=NAME, praetorian_registration="simple"
    ) as world:
        answers = await asyncio.gather(
            *(
                say(world.client(), "registration", username=ANN, password=PASSWORD)
                for _ in range(3)
            )
        )
        assert [each.status_code for each in answers] == [200, 200, 200]


async def test_the_simple_registration_lets_in_at_once(database_url: str, tmp_path: Path) -> None:
    async with World.running(
        database_url, tmp_path, dialects=NAME, praetorian_registration="simple"
    ) as world:
        client = world.client()
        for _ in range(2):  # the second time it is a log-in
            answer = await say(client, "registration", username=ANN, password=PASSWORD)
            status, body = told(answer)
            assert (status, list(body)) == (200, ["access_token"])
            assert (await protected(client, body["access_token"])).status_code == 200
        answer = await say(client, "registration", username=ANN, password="something else")
        assert refused(answer) == (401, *WRONG)
        answer = await say(client, "registration", username="bob", password="short")
        assert refused(answer)[:2] == (422, "WeakPassword")
        assert (
            await say(client, "registration", username="x", password=PASSWORD)
        ).status_code == 422


BODIES: dict[str, tuple[int, bytes]] = {
    "none": (400, b""),
    "half a body": (400, b'{"username"'),
    "not UTF-8": (400, b'{"username": "\xff"}'),
    "NUL": (400, b'{"username": "a\\u0000", "password": "x", "email": "a"}'),
    "half a pair": (400, b'{"username": "\\ud800", "password": "x"}'),
    "a key twice": (400, b'{"username": "a", "username": "b"}'),
    "too deep": (400, b"[" * 20_000),
    "a list": (422, b"[1]"),
    "null": (422, b"null"),
    "nothing": (422, b"{}"),
    "a number": (422, b'{"username": 1, "password": "x", "email": 1}'),
    "null within": (422, b'{"username": null, "password": null, "email": null}'),
    "too much": (413, b" " * 70_000),
}


@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_broke_the_original_is_refused_in_its_shape(
    world: World, what: str
) -> None:
    status, content = BODIES[what]
    for path in ("login", "registration", "reset", "reset_finalize"):
        headers = TEXT | bearer("x")
        answer = await world.client().post(f"/api/{path}", content=content, headers=headers)
        assert refused(answer)[0] == status, path


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"password": "short"}, "WeakPassword"),
        ({"email": "no address"}, "InvalidAddress"),
        ({"username": "a b"}, "InvalidUsername"),
    ],
)
async def test_what_cannot_be_registered_is_refused_in_its_shape(
    world: World, fields: dict[str, str], name: str
) -> None:
    whole = {"username": ANN, "password": PASSWORD, "email": ADDRESS} | fields
    answer = await say(world.client(), "registration", **whole)
    assert refused(answer)[:2] == (422, name)


async def test_too_many_wrong_passwords_are_told_to_wait(database_url: str, tmp_path: Path) -> None:
    limits = "log_in_identifier=2/15m"
    async with World.running(database_url, tmp_path, dialects=NAME, limits=limits) as world:
        client = world.client()
        for _ in range(2):
            assert refused(await say(client, "login", username=ANN, password="x"))[0] == 401
        answer = await say(client, "login", username=ANN, password="x")
        wait = int(answer.headers["Retry-After"])
        words = f"Too many attempts. Try again in {wait} seconds."
        assert refused(answer) == (429, "TooManyAttempts", words)


async def test_too_many_who_log_in_at_once_are_told_to_come_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    hasher = Held()
    async with World.running(
        sqlite_url, tmp_path, dialects=NAME, hasher=hasher, hash_threads=1
    ) as world:
        world.vestibule.means.passwords.patience = 60
        client = world.client()
        waiting = [
            asyncio.create_task(say(client, "login", username=ANN, password="x")) for _ in range(82)
        ]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        hasher.may_go.set()
        await asyncio.gather(*waiting)
    for task in done:
        assert refused(task.result())[:2] == (503, "Busy")
        assert int(task.result().headers["Retry-After"]) > 0


async def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with server() as own:
        own.create("own")
        database = Database(own.url("own"))
        await migrations.upgrade(database)
        await database.close()
        async with World.running(own.url("own"), tmp_path, dialects=NAME) as world:
            token = await member(world)
            client = world.client()
            own.stop()
            for answer in (
                await say(client, "login", username=ANN, password=PASSWORD),
                await say(
                    client, "registration", username="b" * 3, password=PASSWORD, email="b@c.de"
                ),
                await say(client, "reset", email=ADDRESS),
                await protected(client, token),
                await client.post("/api/refresh", content=token),
            ):
                assert refused(answer)[:2] == (503, "DatabaseUnavailable")
                assert int(answer.headers["Retry-After"]) > 0
            own.start()
            assert (await protected(client, token)).status_code == 200


async def test_pages_of_listed_origins_may_read_and_others_may_not(
    database_url: str, tmp_path: Path
) -> None:
    page, methods = "http://localhost:3000", "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    async with World.running(database_url, tmp_path, dialects=NAME, allowed_origins=page) as world:
        client = world.client(Origin=page)
        asked = {
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = await client.options("/api/protected", headers=asked)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == page
        assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
        assert answer.headers["Access-Control-Allow-Methods"] == methods
        answer = await say(client, "login", username=ANN, password="x")
        assert answer.headers["Access-Control-Allow-Origin"] == page
        evil = world.client(Origin="https://evil.example")
        assert "Access-Control-Allow-Origin" not in (await evil.get("/api/")).headers
        assert refused(await say(evil, "login", username=ANN, password="x"))[0] == 403


async def test_one_dialects_token_is_nothing_to_another(database_url: str, tmp_path: Path) -> None:
    both = f"{NAME}, jwt_extended"
    async with World.running(database_url, tmp_path, dialects=both) as world:
        theirs = await member(world)
        client = world.client()
        answer = await client.post("/token", json={"email": ANN, "password": PASSWORD})
        other = answer.json()["access_token"]
        for _ in range(2):
            assert (await protected(client, theirs)).status_code == 200
            assert (await client.get("/profile", headers=bearer(other))).status_code == 200
            assert (await client.get("/profile", headers=bearer(theirs))).status_code == 422
            assert refused(await protected(client, other)) == (401, *UNSIGNED)
            assert refused(await client.post("/api/refresh", content=other)) == (401, *UNSIGNED)


@asynccontextmanager
async def hosting(database_url: str, folder: Path) -> AsyncIterator[Host]:
    app, vestibule = Quart(__name__), made(database_url, folder)
    vestibule.init_app(app)
    app.register_blueprint(praetorian.blueprint())
    app.register_blueprint(jwt_extended.blueprint())

    @app.get("/whoami")
    @praetorian.signed_in
    async def whoami() -> dict[str, Any]:
        account = await current_account()
        assert account is not None
        return {"username": account.username}

    @app.get("/edit")
    @praetorian.requires("editor")
    async def edit() -> dict[str, Any]:
        return {"edited": True}

    async with Host.serving(app, vestibule) as host:
        person = Person(password=PASSWORD, username=ANN)
        await vestibule.run(lambda unit: sign_up(unit, person))
        yield host


async def test_a_hosts_route_asks_for_a_token_and_a_role(database_url: str, tmp_path: Path) -> None:
    async with hosting(database_url, tmp_path) as host:
        client = host.client()
        assert refused(await client.get("/whoami"))[:2] == (401, "MissingToken")
        token = await token_of(client)
        answer = await client.get("/whoami", headers=bearer(token))
        assert told(answer) == (200, {"username": ANN})
        assert refused(await client.get("/edit", headers=bearer(token)))[:2] == (
            403,
            "MissingRoleError",
        )
        await host.vestibule.run(
            lambda unit: grants.grant(unit, claims_id(claims_of(token)), "editor")
        )
        assert (await client.get("/edit", headers=bearer(token))).status_code == 200


class Page:
    """What the front end's pages do, in fetch's words; logging out is to forget."""

    def __init__(self, served: Served, client: httpx.AsyncClient) -> None:
        self._served, self._client = served, client
        self.token: str | None = None

    async def log_in(self, username: str, password: str) -> bool:
        said = (await say(self._client, "login", username=username, password=password)).json()
        self.token = said.get("access_token") or None
        return self.token is not None

    async def follow(self, to: str, subject: str) -> str:
        """Open the newest letter to somebody, and return the token in its link."""
        for _ in range(100):
            mails = await self._client.get("/dev/mailbox", headers={"Accept": "application/json"})
            for mail in mails.json():
                if mail["to"] == to and mail["links"] and subject in mail["links"][0]:
                    return str(mail["links"][0].partition("token=")[2])
            await asyncio.sleep(0.05)
        raise AssertionError("no letter came")

    async def secret(self) -> str | None:
        answer = await self._client.get("/api/protected", headers=bearer(self.token or "null"))
        return answer.json()["message"] if answer.status_code == 200 else None

    async def refresh(self) -> None:
        answer = await self._client.post("/api/refresh", content=self.token or "", headers=TEXT)
        self.token = answer.json()["access_token"]


async def test_its_front_end_speaks_with_a_real_server(
    database_url: str, tmp_path: Path, mounted: Mounted
) -> None:
    variables = {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_DIALECTS": mounted(NAME)}
    async with serving(tmp_path, **variables) as served, served.client() as client:
        page = Page(served, client)
        assert (await client.get("/api", follow_redirects=True)).json() == {"Hello": "World"}
        fields = {"username": ANN, "password": PASSWORD, "email": ADDRESS}
        assert (await say(client, "registration", **fields)).status_code == 201
        assert not await page.log_in(ANN, PASSWORD)
        mailed = await page.follow(ADDRESS, "/#/finalize")
        for _ in range(2):
            answer = await client.get("/api/finalize", headers=bearer(mailed))
            assert answer.json()["user"] == ANN
            page.token = answer.json()["access_token"]
        assert await page.secret() == "protected endpoint (allowed usr ann)"
        await page.refresh()
        assert await page.secret() == "protected endpoint (allowed usr ann)"
        page.token = None
        assert await page.secret() is None
        assert (await say(client, "reset", email=ADDRESS)).status_code == 200
        mailed = await page.follow(ADDRESS, "/#/new_password")
        content = json.dumps({"token": mailed, "password": NEW_PASSWORD})
        headers = TEXT | bearer(mailed)
        answer = await client.post("/api/reset_finalize", content=content, headers=headers)
        page.token = answer.json()["access_token"]
        assert await page.secret() == "protected endpoint (allowed usr ann)"
        assert not await page.log_in(ANN, PASSWORD)
        assert await page.log_in(ANN, NEW_PASSWORD)
