"""The dialect of Flask-JWT-Extended and React, row by row of its contract."""

import asyncio
import json
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any  # Any: answers are JSON

import httpx
import pytest
from quart import Quart

from tests.embedding.host import Host, made
from tests.postgres import server
from tests.processes import outside, serving
from tests.web.dialects.conftest import Mounted, names_of_cookies
from tests.world import PASSWORD, Held, World
from vestibule import Settings, current_account
from vestibule.accounts import queries, state
from vestibule.accounts.signup import Person, sign_up
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.kernel.errors import CannotStart
from vestibule.roles import grants
from vestibule.tokens import keyring, keys
from vestibule.web.dialects import jwt_extended, jwt_words

NAME = "jwt_extended"
WRONG = {"msg": "Wrong email or password"}
BADLY_SIGNED = {"msg": "Signature verification failed"}
ADA = "ada@example.org"


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def token_of(client: httpx.AsyncClient, email: str = ADA, password: str = PASSWORD) -> str:
    answer = await client.post("/token", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def told(answer: httpx.Response) -> tuple[int, Any]:
    """What a page can tell of an answer: status and body."""
    assert answer.headers["Content-Type"] == "application/json"
    return answer.status_code, answer.json()


async def profile(client: httpx.AsyncClient, token: str) -> tuple[int, Any]:
    return told(await client.get("/profile", headers=bearer(token)))


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, dialects=NAME) as made:
        yield made


async def test_right_credentials_get_a_token_and_no_cookie(world: World) -> None:
    ada = await world.member()
    me = (await ada.get("/v1/me")).json()
    answer = await world.browser().post("/token", json={"email": ADA, "password": PASSWORD})
    status, body = told(answer)
    assert (status, list(body)) == (200, ["access_token"])
    assert not names_of_cookies(answer)
    claims = claims_of(body["access_token"])
    assert claims["sub"] == me["id"]
    assert (claims["type"], claims["fresh"]) == ("access", False)
    assert claims["nbf"] == claims["iat"]
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_username_does_as_well_as_an_address(world: World) -> None:
    await world.browser().sign_up(None, username="test")
    token = await token_of(world.client(), "test")
    assert await profile(world.client(), token) == (200, {"name": "", "about": ""})


async def test_who_has_not_proved_the_address_is_let_in(world: World) -> None:
    person = Person(password=PASSWORD, email="new@example.org")
    await world.vestibule.run(lambda unit: sign_up(unit, person, open_now=True))
    token = await token_of(world.client(), "new@example.org")
    assert (await profile(world.client(), token))[0] == 200
    assert (await world.browser().log_in("new@example.org")).status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"email": ADA, "password": "wrong"},
        {"email": "nobody@example.org", "password": PASSWORD},
        {},
        {"email": ADA},
        {"password": PASSWORD},
        {"email": None, "password": None},
        {"email": "", "password": ""},
    ],
    ids=["password", "address", "nothing", "email alone", "password alone", "null", "empty"],
)
async def test_wrong_credentials_are_refused_in_its_words(
    world: World, body: dict[str, Any]
) -> None:
    await world.member()
    assert told(await world.client().post("/token", json=body)) == (401, WRONG)


async def test_a_disabled_account_is_a_wrong_password(world: World) -> None:
    await world.member()
    token = await token_of(world.client())
    account = await world.vestibule.run(lambda unit: queries.by_identifier(unit, ADA))
    assert account is not None
    await world.vestibule.run(lambda unit: state.disable(unit, account.id))
    body = {"email": ADA, "password": PASSWORD}
    assert told(await world.client().post("/token", json=body)) == (401, WRONG)
    assert await profile(world.client(), token) == (401, {"msg": "Token has been revoked"})


JSON = {"Content-Type": "application/json"}
BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "none": (415, {}),
    "none, said to be JSON": (400, {"headers": JSON}),
    "half a body": (400, {"content": b'{"email"', "headers": JSON}),
    "not UTF-8": (400, {"content": b'{"email": "\xff"}', "headers": JSON}),
    "NUL": (400, {"json": {"email": "a\0", "password": "x"}}),
    "half a pair": (400, {"content": b'{"email": "\\ud800"}', "headers": JSON}),
    "a key twice": (400, {"content": b'{"email": "a", "email": "b"}', "headers": JSON}),
    "too deep": (400, {"content": b"[" * 20_000, "headers": JSON}),
    "a form": (415, {"data": {"email": ADA, "password": PASSWORD}}),
    "a text": (415, {"content": b"hello", "headers": {"Content-Type": "text/plain"}}),
    "another charset": (
        415,
        {"content": b"{}", "headers": {"Content-Type": "application/json; charset=utf-16"}},
    ),
    "a list": (422, {"json": [1]}),
    "null": (422, {"json": None, "content": b"null", "headers": JSON}),
    "a number": (422, {"json": {"email": 1, "password": "x"}}),
    "an object": (422, {"json": {"email": {"a": 1}, "password": "x"}}),
    "a list for a password": (422, {"json": {"email": ADA, "password": ["x"]}}),
    "a long address": (422, {"json": {"email": "a" * 401, "password": "x"}}),
    "a long password": (422, {"json": {"email": ADA, "password": "a" * 4097}}),
    "too much": (413, {"content": b" " * 70_000, "headers": JSON}),
}


@pytest.mark.parametrize("what", BODIES)
async def test_a_body_that_broke_the_original_is_refused_in_its_shape(
    world: World, what: str
) -> None:
    status, sent = BODIES[what]
    if "content" in sent:
        sent = {name: value for name, value in sent.items() if name != "json"}
    answer = await world.client().post("/token", **sent)
    found, body = told(answer)
    assert found == status
    assert list(body) == ["msg"]
    assert isinstance(body["msg"], str)
    assert body["msg"]


async def test_too_many_wrong_passwords_are_told_to_wait(database_url: str, tmp_path: Path) -> None:
    limits = "log_in_identifier=2/15m"
    async with World.running(database_url, tmp_path, dialects=NAME, limits=limits) as world:
        client, body = world.client(), {"email": ADA, "password": "wrong"}
        assert [(await client.post("/token", json=body)).status_code for _ in range(2)] == [401] * 2
        answer = await client.post("/token", json=body)
        wait = int(answer.headers["Retry-After"])
        words = f"Too many attempts. Try again in {wait} seconds."
        assert told(answer) == (429, {"msg": words})


async def test_too_many_who_log_in_at_once_are_told_to_come_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    hasher = Held()
    async with World.running(
        sqlite_url, tmp_path, dialects=NAME, hasher=hasher, hash_threads=1
    ) as world:
        world.vestibule.means.passwords.patience = 60
        client, body = world.client(), {"email": ADA, "password": "wrong"}
        waiting = [asyncio.create_task(client.post("/token", json=body)) for _ in range(82)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        hasher.may_go.set()
        await asyncio.gather(*waiting)
    for task in done:
        answer = task.result()
        words = "Too many people are logging in at this moment. Try again."
        assert told(answer) == (503, {"msg": words})
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with server() as own:
        own.create("own")
        database = Database(own.url("own"))
        await migrations.upgrade(database)
        await database.close()
        async with World.running(own.url("own"), tmp_path, dialects=NAME) as world:
            await world.member()
            client = world.client()
            token = await token_of(client)
            own.stop()
            body = {"email": ADA, "password": PASSWORD}
            for answer in (
                await client.post("/token", json=body),
                await client.get("/profile", headers=bearer(token)),
                await client.post("/logout", headers=bearer(token)),
            ):
                assert told(answer) == (503, {"msg": "The service is not available. Try again."})
                assert int(answer.headers["Retry-After"]) > 0
            own.start()
            assert (await profile(client, token))[0] == 200


PROFILE = {"name": "Nagato", "about": "Hello! I'm a full stack developer"}


async def test_the_profile_is_what_the_account_says(world: World) -> None:
    ada = await world.member()
    told_of = await ada.patch("/v1/me", json={"profile": PROFILE | {"age": 7}})
    assert told_of.status_code == 200
    token = await token_of(world.client())
    assert await profile(world.client(), token) == (200, PROFILE)
    await ada.patch("/v1/me", json={"profile": {"name": 7, "about": None}})
    assert await profile(world.client(), token) == (200, {"name": "", "about": ""})


async def test_whoever_brings_no_good_token_is_told_why(world: World) -> None:
    ada = await world.member()
    native = (await world.client().log_in(deliver="tokens")).json()
    client = world.client()
    token = await token_of(client)
    head, body, mark = token.split(".")
    other = claims_of(token) | {"sub": "someone"}
    for header, status, words in (
        (None, 401, "Missing Authorization Header"),
        ("", 401, "Missing Authorization Header"),
        ("\xa0", 401, "Missing Authorization Header"),
        ("\x85 ", 401, "Missing Authorization Header"),
        ("Basic YTpi", 401, jwt_words.NO_TYPE),
        (token, 401, jwt_words.NO_TYPE),
        (f"bearer {token}", 401, jwt_words.NO_TYPE),
        ("Bearer", 422, "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"),
        ("Bearer a b", 422, "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"),
        ("Bearer x", 422, "Not enough segments"),
        (f"Bearer {head}.{body}", 422, "Not enough segments"),
        (f"Bearer {head}.{body}.{mark[:-4]}AAAA", 422, "Signature verification failed"),
        (f"Bearer {head}.{_coded(other)}.{mark}", 422, "Signature verification failed"),
        (f"Bearer {native['access_token']}", 422, "Signature verification failed"),
        (f"Bearer {native['refresh_token']}", 422, "Only non-refresh tokens are allowed"),
    ):
        said = {} if header is None else {b"Authorization": header.encode("latin-1")}
        assert told(await client.get("/profile", headers=said)) == (status, {"msg": words}), header
    assert told(await ada.get("/profile")) == (401, {"msg": "Missing Authorization Header"})
    assert (await profile(client, token))[0] == 200


def _coded(claims: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")


async def test_a_token_is_over_after_its_hour(world: World) -> None:
    await world.member()
    token = await token_of(world.client())
    world.clock.move(timedelta(minutes=61))
    assert await profile(world.client(), token) == (401, {"msg": "Token has expired"})


async def test_lifetimes_are_settings(database_url: str, tmp_path: Path) -> None:
    async with World.running(
        database_url,
        tmp_path,
        dialects=NAME,
        jwt_extended_lifetime="PT35M",
        jwt_extended_renewed_below="PT5M",
    ) as world:
        await world.member()
        client = world.client()
        token = await token_of(client)
        assert claims_of(token)["exp"] - claims_of(token)["iat"] == 35 * 60
        world.clock.move(timedelta(minutes=29))
        assert "access_token" not in (await profile(client, token))[1]
        world.clock.move(timedelta(minutes=2))
        assert "access_token" in (await profile(client, token))[1]


async def test_a_token_that_is_nearly_over_is_renewed_in_the_answer(world: World) -> None:
    ada = await world.member()
    await ada.patch("/v1/me", json={"profile": PROFILE})
    client = world.client()
    first = held = await token_of(client)
    for _ in range(4):  # longer than any one of them lasts
        world.clock.move(timedelta(minutes=29))
        assert await profile(client, held) == (200, PROFILE)
        world.clock.move(timedelta(minutes=2))
        status, body = await profile(client, held)
        renewed = body.pop("access_token")
        assert (status, body) == (200, PROFILE)
        old, new = claims_of(held), claims_of(renewed)
        assert (new["sub"], new["sid"]) == (old["sub"], old["sid"])
        assert new["exp"] - new["iat"] == 3600
        assert new["exp"] > old["exp"]
        assert (await profile(client, held))[0] == 200  # the one before lives to its end
        await world.vestibule.write_touches()  # as it does by itself once a minute
        held = renewed
    assert (await profile(client, first))[1] == {"msg": "Token has expired"}


async def test_what_is_renewed_is_over_with_its_session(world: World) -> None:
    await world.member()
    client = world.client()
    token = await token_of(client)
    world.clock.move(timedelta(minutes=31))
    renewed = (await profile(client, token))[1]["access_token"]
    assert (await client.post("/logout", headers=bearer(renewed))).status_code == 200
    for each in (token, renewed):
        assert await profile(client, each) == (401, {"msg": "Token has been revoked"})


CLEARED = [
    f"{name}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Path=/"
    for name in ("access_token_cookie", "refresh_token_cookie")
]


async def test_a_log_out_is_answered_whatever_comes_along(world: World) -> None:
    await world.member()
    client = world.client()
    token = await token_of(client)
    over = await token_of(client)
    assert (await client.post("/logout", headers=bearer(over))).status_code == 200
    for header in (None, "Bearer x", "Basic YTpi", f"Bearer {over}", f"Bearer {token[:-4]}AAAA"):
        said = {} if header is None else {"Authorization": header}
        answer = await client.post("/logout", headers=said)
        assert told(answer) == (200, {"msg": "logout successful"}), header
        assert answer.headers.get_list("Set-Cookie") == CLEARED, header
    assert (await profile(client, token))[0] == 200  # nobody logged that one out
    world.clock.move(timedelta(hours=2))
    answer = await client.post("/logout", headers=bearer(token))
    assert told(answer) == (200, {"msg": "logout successful"})


async def test_a_log_out_with_the_token_ends_its_session_and_no_other(world: World) -> None:
    await world.member()
    client = world.client()
    token, other = await token_of(client), await token_of(client)
    answer = await client.post("/logout", headers=bearer(token))
    assert told(answer) == (200, {"msg": "logout successful"})
    assert answer.headers.get_list("Set-Cookie") == CLEARED
    assert await profile(client, token) == (401, {"msg": "Token has been revoked"})
    assert (await profile(client, other))[0] == 200


async def test_its_paths_take_one_method_and_no_slash(world: World) -> None:
    client = world.client()
    for path, allowed in (("/logout", "POST"), ("/token", "POST")):
        answer = await client.get(path)
        assert answer.status_code == 405
        assert allowed in answer.headers["Allow"]
    for path in ("/profile/", "/token/", "/logout/"):
        assert (await client.get(path)).status_code == 404


async def test_a_log_out_everywhere_and_a_new_password_end_its_tokens(world: World) -> None:
    ada = await world.member()
    client = world.client()
    token = await token_of(client)
    assert (await ada.post("/v1/logout-all")).status_code == 204
    assert await profile(client, token) == (401, {"msg": "Token has been revoked"})
    await ada.log_in()
    token = await token_of(client)
    assert (await ada.change_password()).status_code == 200
    assert await profile(client, token) == (401, {"msg": "Token has been revoked"})


async def test_its_token_is_nothing_to_the_api(world: World) -> None:
    await world.member()
    client = world.client()
    token = await token_of(client)
    for path in ("/v1/me", "/v1/verify"):
        assert (await client.get(path, headers=bearer(token))).status_code == 401, path
    assert (await client.post("/v1/tokens/revoke", json={"token": token})).status_code == 200
    assert (await profile(client, token))[0] == 200
    for path in ("/v1/me", "/v1/verify"):  # and not once it is known here
        assert (await client.get(path, headers=bearer(token))).status_code == 401, path


async def test_another_sites_page_logs_nobody_in(world: World) -> None:
    await world.member()
    evil = world.client(Origin="https://evil.example")
    for path in ("/token", "/logout"):
        status, body = told(await evil.post(path, json={"email": ADA, "password": PASSWORD}))
        assert (status, list(body)) == (403, ["msg"])


async def test_a_front_end_of_a_listed_origin_reads_the_answers(
    database_url: str, tmp_path: Path
) -> None:
    page = "http://localhost:3000"
    async with World.running(database_url, tmp_path, dialects=NAME, allowed_origins=page) as world:
        client = world.client(Origin=page)
        asked = {
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = await client.options("/profile", headers=asked)
        assert answer.headers["Access-Control-Allow-Origin"] == page
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        answer = await client.post("/token", json={})
        assert told(answer) == (401, WRONG)
        assert answer.headers["Access-Control-Allow-Origin"] == page


def host_app() -> Quart:
    """A host's own routes behind the dialect."""
    app = Quart(__name__)

    @app.get("/whoami")
    @jwt_extended.signed_in
    async def whoami() -> dict[str, Any]:
        account = await current_account()
        assert account is not None
        return {"email": account.email}

    @app.get("/list")
    @jwt_extended.signed_in
    async def listing() -> Any:
        return [1, 2]

    @app.get("/text")
    @jwt_extended.signed_in
    async def text() -> Any:
        return "hello"

    @app.get("/stream")
    @jwt_extended.signed_in
    async def stream() -> Any:
        async def parts() -> AsyncIterator[bytes]:
            yield b'{"a": '
            yield b"1}"

        return parts(), 200, {"Content-Type": "application/json"}

    @app.get("/broken")
    @jwt_extended.signed_in
    def broken() -> Any:
        return "{", 200, {"Content-Type": "application/json"}

    @app.post("/made")
    @jwt_extended.signed_in
    async def make() -> Any:
        return {"made": True}, 201

    @app.get("/edit/<int:number>")
    @jwt_extended.requires("editor")
    async def edit(number: int) -> dict[str, Any]:
        return {"number": number}

    return app


@asynccontextmanager
async def hosting(database_url: str, folder: Path) -> AsyncIterator[Host]:
    app, vestibule = host_app(), made(database_url, folder)
    vestibule.init_app(app)
    app.register_blueprint(jwt_extended.blueprint())
    async with Host.serving(app, vestibule) as host:
        person = Person(password=PASSWORD, username="ada")
        await vestibule.run(lambda unit: sign_up(unit, person))
        yield host


async def test_a_hosts_route_lets_in_who_brings_a_token(database_url: str, tmp_path: Path) -> None:
    async with hosting(database_url, tmp_path) as host:
        client = host.client()
        refused = await client.get("/whoami")
        assert told(refused) == (401, {"msg": "Missing Authorization Header"})
        assert refused.headers["X-Content-Type-Options"] == "nosniff"
        token = await token_of(client, "ada")
        assert told(await client.get("/whoami", headers=bearer(token))) == (200, {"email": None})
        answer = await client.get("/whoami", headers=bearer("x"))
        assert told(answer) == (422, {"msg": "Not enough segments"})


async def test_a_hosts_route_asks_for_a_role(database_url: str, tmp_path: Path) -> None:
    async with hosting(database_url, tmp_path) as host:
        client = host.client()
        token = await token_of(client, "ada")
        status, body = told(await client.get("/edit/7", headers=bearer(token)))
        assert (status, list(body)) == (403, ["msg"])
        account = await host.vestibule.run(lambda unit: queries.by_identifier(unit, "ada"))
        assert account is not None
        await host.vestibule.run(lambda unit: grants.grant(unit, account.id, "editor"))
        answer = await client.get("/edit/7", headers=bearer(token))
        assert told(answer) == (200, {"number": 7})


async def test_every_answer_of_a_host_that_is_a_json_object_renews_the_token(
    database_url: str, tmp_path: Path
) -> None:
    async with hosting(database_url, tmp_path) as host:
        client = host.client()
        token = await token_of(client, "ada")
        host.clock.move(timedelta(minutes=31))
        answer = await client.get("/whoami", headers=bearer(token))
        status, body = told(answer)
        assert (status, set(body)) == (200, {"email", "access_token"})
        assert answer.headers["Cache-Control"] == "no-store"
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        status, body = told(await client.post("/made", headers=bearer(token)))
        assert (status, set(body)) == (201, {"made", "access_token"})
        assert (await client.get("/list", headers=bearer(token))).json() == [1, 2]
        assert (await client.get("/text", headers=bearer(token))).text == "hello"
        assert (await client.get("/broken", headers=bearer(token))).text == "{"
        assert (await client.get("/stream", headers=bearer(token))).json() == {"a": 1}


async def test_a_path_that_somebody_else_claims_stops_the_start(
    sqlite_url: str, tmp_path: Path
) -> None:
    app, vestibule = Quart("sixth"), made(sqlite_url, tmp_path)
    vestibule.init_app(app)

    @app.get("/profile")
    async def show() -> str:
        return "mine"

    app.register_blueprint(jwt_extended.blueprint())
    with pytest.raises(CannotStart) as refused:
        await app.startup()
    await app.shutdown()
    assert "GET /profile is claimed by show and by jwt_extended" in str(refused.value)


async def test_a_dialect_on_a_host_of_its_own_is_there_and_nowhere_else(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, dialects=f"{NAME}@legacy.localhost") as world:
        await world.member()
        here, there = world.client(), world.client(Host="legacy.localhost:8000")
        body = {"email": ADA, "password": PASSWORD}
        assert (await here.post("/token", json=body)).status_code == 404
        token = await token_of(there)
        assert (await profile(there, token))[0] == 200
        for path in ("/v1/me", "/v1/verify", "/docs", "/dev/mailbox"):
            status, said = told(await there.get(path, headers=bearer(token)))
            assert (status, list(said)) == (404, ["msg"]), path
        own = {"Origin": "http://legacy.localhost:8000"}
        assert told(await there.post("/token", json=body, headers=own))[0] == 200
        for origin in ("http://localhost:8000", "https://evil.example"):
            answer = await there.post("/token", json=body, headers={"Origin": origin})
            assert answer.status_code == 403, origin
        answer = await here.log_in(ADA)
        assert answer.status_code == 200
        assert (await here.get("/v1/me", headers=own)).status_code == 200
        assert (await here.post("/v1/logout", headers=own)).status_code == 403


class Page:
    """What the front end's pages do: a token under one key, and axios with relative addresses."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self.token: str | None = None

    async def log_in(self, email: str, password: str) -> bool:
        answer = await self._client.post("/token", json={"email": email, "password": password})
        if answer.is_success:
            self.token = answer.json()["access_token"]
        return answer.is_success

    async def load_profile(self) -> tuple[str, str]:
        """Press the button; what an answer holds as `access_token` is kept from then on."""
        assert self.token is not None
        answer = await self._client.get("/profile", headers=bearer(self.token))
        assert answer.status_code == 200, answer.text
        self.token = answer.json().get("access_token", self.token)
        return answer.json()["name"], answer.json()["about"]

    async def log_out(self) -> bool:
        answer = await self._client.post("/logout")
        if answer.is_success:
            self.token = None
        return answer.is_success


async def test_its_front_end_speaks_with_a_real_server(
    database_url: str, tmp_path: Path, mounted: Mounted
) -> None:
    """The account is made as the page on moving says, with the original's password."""
    variables = {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_DIALECTS": mounted(NAME)}
    async with serving(
        tmp_path,
        VESTIBULE_JWT_EXTENDED_RENEWED_BELOW="PT1H",
        **variables,
    ) as served:
        creating = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vestibule", "accounts", "create", "--username", "test"),
            *("--any-password", "--password-stdin"),
            cwd=tmp_path,
            env=outside(**variables),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await creating.communicate(b"test\n")
        assert creating.returncode == 0
        async with served.client() as client:
            page = Page(client)
            assert not await page.log_in("test", "wrong")
            assert await page.log_in("test", "test")
            first = page.token
            assert await page.load_profile() == ("", "")
            assert page.token != first  # it was renewed, and the page kept it
            assert await page.load_profile() == ("", "")
            assert await page.log_out()
            assert await page.log_in("test", "test")


def test_a_dialect_that_there_is_not_is_a_slip() -> None:
    for wrong in ("flask", f"{NAME}@", f"{NAME}@a/b", f"{NAME},{NAME}@legacy.example.com"):
        with pytest.raises(CannotStart) as refused:
            Settings.load(dialects=wrong)
        assert "VESTIBULE_DIALECTS" in str(refused.value)


async def test_a_key_that_was_retired_takes_its_tokens_along(world: World) -> None:
    await world.member()
    client = world.client()
    token = await token_of(client)
    pair = await world.vestibule.run(keyring.signing)
    await world.vestibule.run(lambda unit: keys.retire(unit, pair.kid))
    assert await profile(client, token) == (422, BADLY_SIGNED)
