"""Several dialects on one host: who answers what, and in whose words what is not there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any  # Any: answers are JSON

import httpx
import pytest
from quart import Blueprint, Quart, request

from tests.embedding.host import Host, made
from tests.web.dialects.test_classic import bearer, tokens_of, told
from tests.world import PASSWORD, World
from vestibule.accounts.signup import Person, sign_up
from vestibule.kernel.errors import CannotStart
from vestibule.web.answers import speak
from vestibule.web.dialects import classic, classic_tokens, jwt_extended, mounting
from vestibule.web.dialects.claims import claim

Sent = dict[str, Any]

LOG_IN, LOG_OUT = "/api/auth/login", "/api/auth/logout"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def stand_in(dialect: str, *routes: tuple[str, str]) -> Blueprint:
    """Another dialect: it tells its name, what it read, and that its own hooks ran."""
    blueprint = Blueprint(f"stand_in_{dialect}", __name__)
    claim(blueprint, dialect)
    speak(blueprint, classic_tokens.ANSWERS, classic_tokens.trouble)

    @blueprint.before_request
    async def before() -> None:
        request.scope["seen_by"] = dialect  # type: ignore[typeddict-unknown-key]

    async def answer() -> dict[str, Any]:
        read = (await request.get_data()).decode()  # type: ignore[union-attr]
        return {"by": dialect, "read": read, "hooks": request.scope.get("seen_by")}

    for number, (method, path) in enumerate(routes):
        blueprint.add_url_rule(path, f"route{number}", answer, methods=[method])
    return blueprint


def doubledibz() -> Blueprint:
    return stand_in("doubledibz", ("POST", LOG_IN), ("POST", LOG_OUT), ("GET", "/api/own"))


def pages() -> Blueprint:
    return stand_in("pages", ("GET", "/profile"), ("POST", "/logout"))


@asynccontextmanager
async def hosting(
    database_url: str, folder: Path, *blueprints: Blueprint, **settings: str
) -> AsyncIterator[httpx.AsyncClient]:
    app, vestibule = Quart(__name__), made(database_url, folder, **settings)
    vestibule.init_app(app)
    for each in blueprints:
        app.register_blueprint(each)
    async with Host.serving(app, vestibule) as host:
        person = Person(password=PASSWORD, username="alice")
        await vestibule.run(lambda unit: sign_up(unit, person))
        yield host.client()


@pytest.fixture(params=["classic first", "classic last"])
async def both(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Whoever registers first would have everything."""
    ours, theirs = classic.blueprint(), doubledibz()
    order = (ours, theirs) if request.param.endswith("first") else (theirs, ours)
    async with hosting(sqlite_url, tmp_path, *order) as client:
        yield client


async def test_a_log_in_goes_to_whose_body_it_has(both: httpx.AsyncClient) -> None:
    theirs: tuple[tuple[Sent, str], ...] = (
        ({"data": {"login": "alice", "password": "x"}}, "login=alice&password=x"),
        ({"data": {"username": "alice"}}, "username=alice"),
        ({"headers": FORM}, ""),
        ({"headers": {"X-CSRFToken": "x"}}, ""),
        ({"json": {"login": "alice", "password": "x"}}, '{"login":"alice","password":"x"}'),
        ({"json": {"login": None, "username": "alice"}}, '{"login":null,"username":"alice"}'),
    )
    for sent, read in theirs:
        answer = await both.post(LOG_IN, **sent)
        assert answer.json() == {"by": "doubledibz", "read": read, "hooks": "doubledibz"}
        assert "X-Request-Id" not in answer.headers, "classic's hooks did not run"
    await tokens_of(both)
    large = b'{"a": "' + b"b" * 70_000 + b'"}'
    ours: tuple[tuple[Sent, int], ...] = (
        ({"json": {}, "headers": {"X-CSRFToken": "x"}}, 400),
        ({"json": {"username": "alice", "password": "wrong"}}, 401),
        ({"json": [{"login": "alice"}]}, 422),
        ({"content": b'"login"', "headers": JSON}, 422),
        ({"content": b'{"login": ', "headers": JSON}, 400),
        ({"content": b'{"login": 1, "login": 2}', "headers": JSON}, 400),
        ({"content": b"[" * 20_000, "headers": JSON}, 400),
        ({"content": b"", "headers": JSON}, 400),
        ({"content": b'{"login": 1}', "headers": {"Content-Type": "text/plain"}}, 415),
        ({}, 415),
        ({"content": large, "headers": JSON}, 413),
    )
    for sent, status in ours:
        answer = await both.post(LOG_IN, **sent)
        found, body = told(answer)
        assert (found, list(body)) == (status, ["error"]), sent
    assert (await both.post(LOG_IN, headers={"Origin": "https://evil.example"}, json={})).is_error


async def test_a_log_out_goes_to_whose_credential_it_has(both: httpx.AsyncClient) -> None:
    token = (await tokens_of(both))["access_token"]
    for header, status in ((token, 200), (token, 401), ("x", 422)):
        answer = await both.post(LOG_OUT, headers=bearer(header))
        assert (told(answer)[0], "by" in answer.json()) == (status, False)
    proxys = {"headers": {"Authorization": "Basic YTpi"}}
    theirs: tuple[Sent, ...] = ({}, {"data": {"a": "b"}}, {"json": {}}, proxys)
    for sent in theirs:
        assert (await both.post(LOG_OUT, **sent)).json()["by"] == "doubledibz"
    assert (await both.get("/api/own")).json()["by"] == "doubledibz"
    assert told(await both.get("/api/profile"))[0] == 401


async def test_what_browsers_ask_first_goes_to_who_lets_pages_read(
    sqlite_url: str, tmp_path: Path
) -> None:
    page = "http://localhost:3000"
    both = doubledibz(), classic.blueprint()
    async with hosting(sqlite_url, tmp_path, *both, allowed_origins=page) as client:
        for path, header in ((LOG_IN, "content-type"), (LOG_OUT, "authorization")):
            asking = {
                "Origin": page,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": header,
            }
            answer = await client.options(path, headers=asking)
            assert answer.headers["Access-Control-Allow-Origin"] == page, path
            assert (await client.options(path)).status_code == 200


@pytest.mark.parametrize("first", ["jwt_extended", "pages"])
async def test_the_profile_and_a_form_that_logs_out_are_kept_for_pages(
    sqlite_url: str, tmp_path: Path, first: str
) -> None:
    order = [jwt_extended.blueprint(), pages()]
    if first == "pages":
        order.reverse()
    async with hosting(sqlite_url, tmp_path, *order) as client:
        shown = await client.get("/profile", headers=HTML)
        assert shown.json() == {"by": "pages", "read": "", "hooks": "pages"}
        assert (await client.head("/profile", headers=HTML)).status_code == 200
        assert (await client.post("/logout", data={"csrf_token": "x"})).json()["by"] == "pages"
        assert (await client.post("/logout", headers=FORM)).json()["by"] == "pages"
        for headers in ({}, {"Accept": "application/json, text/plain, */*"}, HTML | bearer("x")):
            answer = await client.get("/profile", headers=headers)
            assert list(answer.json()) == ["msg"], headers
        empty: tuple[Sent, ...] = ({}, {"json": {}}, {"headers": bearer("x")})
        for sent in empty:
            assert (await client.post("/logout", **sent)).json() == {"msg": "logout successful"}


async def test_who_is_alone_with_a_shared_path_answers_everything(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with hosting(sqlite_url, tmp_path, classic.blueprint()) as client:
        assert told(await client.post(LOG_IN, data={"login": "a"}))[0] == 415
        assert told(await client.post(LOG_IN, json={"login": "a"}))[0] == 400
        assert told(await client.post(LOG_OUT))[0] == 401


CLASHES = [
    ("sixth", ("GET", "/api/profile"), "GET /api/profile is claimed by classic and by sixth"),
    ("sixth", ("POST", LOG_IN), f"POST {LOG_IN} is claimed by classic and by sixth"),
    ("doubledibz", ("GET", "/api/data"), "GET /api/data is claimed by classic and by doubledibz"),
    ("classic", ("POST", LOG_IN), f"POST {LOG_IN} is claimed by classic and by classic"),
    ("pages", ("POST", LOG_OUT), f"POST {LOG_OUT} is claimed by classic and by pages"),
]


@pytest.mark.parametrize("dialect, route, told_so", CLASHES)
async def test_a_path_that_no_rule_settles_stops_the_start_and_names_both(
    sqlite_url: str, tmp_path: Path, dialect: str, route: tuple[str, str], told_so: str
) -> None:
    also = stand_in(dialect, route)
    assert told_so in await refused(sqlite_url, tmp_path, classic.blueprint(), also)


async def test_a_third_beside_two_that_share_stops_the_start(
    sqlite_url: str, tmp_path: Path
) -> None:
    sixth = stand_in("sixth", ("POST", LOG_IN))
    said = await refused(sqlite_url, tmp_path, classic.blueprint(), doubledibz(), sixth)
    assert f"POST {LOG_IN} is claimed by classic and by doubledibz" in said
    assert f"POST {LOG_IN} is claimed by classic and by sixth" in said
    hosts_own = Blueprint("mine", __name__)

    @hosts_own.post(LOG_OUT)
    async def log_out() -> str:
        return "mine"

    said = await refused(sqlite_url, tmp_path, hosts_own, classic.blueprint())
    assert f"POST {LOG_OUT} is claimed by mine.log_out and by classic" in said


async def refused(database_url: str, folder: Path, *blueprints: Blueprint) -> str:
    """Start an app with all of these, which must fail; return what it says."""
    app, vestibule = Quart(__name__), made(database_url, folder)
    vestibule.init_app(app)
    for each in blueprints:
        app.register_blueprint(each)
    with pytest.raises(CannotStart) as error:
        await app.startup()
    await app.shutdown()
    return str(error.value)


MSG, ERROR, PRAETORIAN = {"msg"}, {"error"}, {"error", "message", "status_code"}


async def test_what_is_not_there_is_told_in_the_words_of_who_is_alone_with_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    names = "classic, jwt_extended, praetorian"
    async with World.running(sqlite_url, tmp_path, dialects=names) as world:
        client = world.browser()
        for method, path, status, keys in (
            ("GET", LOG_IN, 405, ERROR),
            ("DELETE", "/api/profile", 405, ERROR),
            ("POST", USERS, 405, ERROR),
            ("GET", "/token", 405, MSG),
            ("PUT", "/api/login", 405, PRAETORIAN),
            ("POST", "/api/", 405, PRAETORIAN),
            ("GET", "/api/auth/nowhere", 404, ERROR),
            ("POST", "/api/auth/", 404, ERROR),
            ("GET", f"{LOG_IN}/x/y", 404, ERROR),
            ("GET", "/api/admin/nowhere", 404, ERROR),
            ("GET", "/api/login/x", 404, PRAETORIAN),
            ("GET", "/profile/", 404, MSG),
        ):
            answer = await client.request(method, path)
            assert told(answer)[0] == status, path
            assert set(answer.json()) == keys, path
            assert ("Allow" in answer.headers) == (status == 405), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for method, path, status in (
            ("GET", "/api/nowhere", 404),  # of two
            ("GET", "/nowhere", 404),
            ("GET", "/", 302),
            ("GET", "/v1/nowhere", 404),
            ("POST", "/v1/me", 405),
            ("POST", "/healthz", 405),
        ):
            answer = await client.request(method, path)
            assert answer.status_code == status, path
            if status != 302:
                assert answer.headers["Content-Type"] == "application/problem+json", path
        elsewhere = world.client(Host="evil.example")
        for path in (LOG_IN, "/api/auth/nowhere"):
            answer = await elsewhere.get(path)
            assert (answer.status_code, answer.json()["code"]) == (421, "wrong_host")


async def test_a_token_of_one_is_nothing_to_another(database_url: str, tmp_path: Path) -> None:
    both = classic.blueprint(), jwt_extended.blueprint()
    async with hosting(database_url, tmp_path, *both) as client:
        said = await tokens_of(client)
        answer = await client.post("/token", json={"email": "alice", "password": PASSWORD})
        other = answer.json()["access_token"]
        unsigned = (422, {"msg": "Signature verification failed"})
        for _ in range(2):  # and not once it is known here
            assert told(await client.get("/api/profile", headers=bearer(other))) == unsigned
            answer = await client.post("/api/auth/refresh", headers=bearer(other))
            assert told(answer) == unsigned
            for each in ("access_token", "refresh_token"):
                answer = await client.get("/profile", headers=bearer(said[each]))
                assert told(answer) == unsigned
            own = bearer(said["access_token"])
            assert (await client.get("/api/profile", headers=own)).status_code == 200
            assert (await client.get("/profile", headers=bearer(other))).status_code == 200


USERS = "/api/admin/users"


async def test_one_that_is_alone_below_a_folder_speaks_for_all_of_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with World.running(sqlite_url, tmp_path, dialects="classic") as world:
        answer = await world.client().get("/api/nowhere")
        assert told(answer) == (404, {"error": "Nothing is at this path."})


def test_each_dialect_that_is_mounted_has_its_words() -> None:
    assert set(mounting._SPEAKING) == set(mounting.BLUEPRINTS)


@pytest.mark.parametrize("spent", [False, True], ids=["new", "spent"])
async def test_a_letters_link_activates_by_its_own_dialect_alone(
    database_url: str, tmp_path: Path, spent: bool
) -> None:
    dialects = "openrank, praetorian"
    async with World.running(database_url, tmp_path, dialects=dialects) as world:
        browser = world.browser()
        said = {"email": "ann@example.com", "password": PASSWORD}
        assert (await browser.post("/api/users/signup/", json=said)).status_code == 200
        theirs = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
        assert (await browser.post("/api/registration", json=theirs)).status_code == 201
        link = (await world.mails("ann@example.com"))[-1].link
        assert link is not None
        rank = link.partition("user_uuid=")[2]
        other = (await world.mails("bob@example.com"))[-1].token
        bearers = [{"Authorization": f"Bearer {token}"} for token in (rank, other)]
        if spent:
            answer = await browser.post("/api/users/activate/", json={"user_uuid": rank})
            assert answer.status_code == 200
            assert (await browser.get("/api/finalize", headers=bearers[1])).status_code == 200
        refused = await browser.get("/api/finalize", headers=bearers[0])
        assert (refused.status_code, refused.json()["error"]) == (401, "InvalidRegistrationToken")
        answer = await browser.post("/api/users/activate/", json={"user_uuid": other})
        assert answer.status_code == 400
        assert (await browser.get("/api/finalize", headers=bearers[1])).status_code == 200
