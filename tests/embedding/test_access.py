"""A host's own routes: who is there, and who is let in."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, ClassVar  # Any: what a view takes and returns is Quart's

import httpx
import pytest
from pydantic import BaseModel
from quart import Blueprint, Quart, redirect, websocket
from quart.typing import ResponseReturnValue
from quart.views import MethodView, View
from quart_schema import validate_request, validate_response
from sqlalchemy import event

from tests.embedding.host import Host, made, mount
from tests.world import PASSWORD
from vestibule import (
    AddressNotProved,
    NotSignedIn,
    Vestibule,
    VestibuleError,
    current_account,
    requires,
    signed_in,
)
from vestibule.accounts import queries, state
from vestibule.kernel.errors import CannotStart


class Note(BaseModel):
    text: str


def routes(app: Quart) -> Quart:
    """A small app: every kind of view that Quart knows, behind the decorators."""
    functions(app)
    classes(app)
    described(app)
    return app


async def greeting() -> ResponseReturnValue:
    account = await current_account()
    return {"hello": account.username if account else None}


def functions(app: Quart) -> None:
    app.get("/greeting")(greeting)

    @app.route("/bare", methods=["GET", "POST"])
    @signed_in
    async def bare() -> ResponseReturnValue:
        """Greet whoever is in."""
        return await greeting()

    @app.post("/called")
    @signed_in()
    async def called() -> ResponseReturnValue:
        return await greeting()

    @app.get("/sync")
    @signed_in
    def sync() -> str:
        return "in a thread"

    @app.get("/proved")
    @requires(verified=True)
    async def proved() -> str:
        return "proved"

    @app.get("/empty")
    @requires
    async def empty() -> str:
        return "in"


def classes(app: Quart) -> None:
    class Whole(View):
        decorators: ClassVar = [signed_in]

        async def dispatch_request(self, **_: Any) -> ResponseReturnValue:
            return await greeting()

    class Parts(MethodView):
        async def get(self, number: int) -> ResponseReturnValue:
            return {"number": number}

        @signed_in
        async def post(self, number: int) -> ResponseReturnValue:
            account = await current_account()
            return {"number": number, "hello": account and account.username}

    app.add_url_rule("/whole", view_func=Whole.as_view("whole"))
    app.add_url_rule("/parts/<int:number>", view_func=Parts.as_view("parts"))


def described(app: Quart) -> None:
    @app.post("/above")
    @signed_in
    @validate_request(Note)
    @validate_response(Note)
    async def above(data: Note) -> Note:
        return data

    @app.post("/below")
    @validate_request(Note)
    @validate_response(Note)
    @signed_in
    async def below(data: Note) -> Note:
        return data


@pytest.fixture
async def vestibule(database_url: str, tmp_path: Path) -> Vestibule:
    return made(database_url, tmp_path)


@pytest.fixture
async def host(vestibule: Vestibule) -> AsyncIterator[Host]:
    async with Host.serving(routes(mount(Quart("host"), vestibule)), vestibule) as running:
        yield running


def assert_refuses(answer: httpx.Response, error: type[VestibuleError], status: int) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, error.code)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"] == answer.json()["request_id"]
    assert "no-store" in answer.headers["Cache-Control"]


INSIDE = [
    ("GET", "/bare"),
    ("POST", "/bare"),
    ("POST", "/called"),
    ("GET", "/sync"),
    ("GET", "/empty"),
    ("GET", "/whole"),
    ("POST", "/parts/7"),
    ("POST", "/above"),
]


async def test_strangers_are_told_to_log_in_and_members_are_let_in(host: Host) -> None:
    stranger, ada = host.browser(), await host.named()
    assert (await stranger.get("/greeting")).json() == {"hello": None}
    assert (await ada.get("/greeting")).json() == {"hello": "ada"}
    for method, path in INSIDE:
        assert_refuses(await stranger.request(method, path), NotSignedIn, 401)
        if path != "/above":
            answer = await ada.request(method, path)
            assert answer.status_code == 200, (path, answer.text)
    assert (await stranger.get("/parts/7")).json() == {"number": 7}
    assert (await ada.post("/parts/7")).json() == {"number": 7, "hello": "ada"}
    assert (await ada.post("/v1/logout")).status_code == 204
    assert_refuses(await ada.get("/bare"), NotSignedIn, 401)


async def test_a_token_counts_before_a_cookie_as_on_our_routes(host: Host) -> None:
    ada = await host.named()
    sent = {"Authorization": "Bearer nobodys"}
    assert (await ada.get("/greeting", headers=sent)).json() == {"hello": None}
    assert_refuses(await ada.post("/bare", headers=sent), NotSignedIn, 401)


async def test_what_is_for_proved_addresses_waits_for_the_proof(host: Host) -> None:
    assert_refuses(await host.browser().get("/proved"), NotSignedIn, 401)
    ada = await host.named()
    assert_refuses(await ada.get("/proved"), AddressNotProved, 403)
    grace = await host.member("grace@example.org")
    assert (await grace.get("/proved")).status_code == 200


@pytest.mark.attack("A-042")
async def test_another_sites_page_changes_nothing_on_a_hosts_routes(host: Host) -> None:
    ada = await host.named()
    evil = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for method, path in INSIDE:
        answer = await ada.request(method, path, headers=evil)
        assert answer.status_code == (403 if method == "POST" else 200), path
    del ada.headers["Origin"]
    answer = await ada.post("/bare")
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert "http://localhost:8000" in answer.json()["detail"]


async def test_a_stranger_is_told_so_before_the_body_is_looked_at(host: Host) -> None:
    stranger, ada = host.browser(), await host.named()
    assert_refuses(await stranger.post("/above", json={}), NotSignedIn, 401)
    assert (await stranger.post("/below", json={})).status_code == 400, "the other way round"
    assert_refuses(await stranger.post("/below", json={"text": "x"}), NotSignedIn, 401)
    for path in ("/above", "/below"):
        assert (await ada.post(path, json={})).status_code == 400
        assert (await ada.post(path, json={"text": "x"})).json() == {"text": "x"}
    for method, path in (("PATCH", "/v1/me"), ("DELETE", "/v1/me/sessions")):
        answer = await stranger.request(method, path, json={"nothing": 1})
        assert_refuses(answer, NotSignedIn, 401)


async def test_the_database_is_asked_once_a_request(vestibule: Vestibule) -> None:
    app = mount(Quart("host"), vestibule)

    @app.get("/thrice")
    @signed_in
    @requires(verified=False)
    async def thrice() -> ResponseReturnValue:
        both = await asyncio.gather(current_account(), current_account())
        return {"same": both[0] is both[1] is await current_account()}

    @app.get("/twice")
    async def twice() -> ResponseReturnValue:
        both = await asyncio.gather(current_account(), current_account())
        return {"same": both[0] is both[1]}

    async with Host.serving(app, vestibule) as host:
        ada = await host.named()
        asked: list[str] = []
        engine = vestibule.means.database.reading_engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *found: asked.append(str(found[2])))
        for path in ("/thrice", "/twice"):
            asked.clear()
            vestibule.means.memory.forget_everything()
            assert (await ada.get(path)).json() == {"same": True}
            assert len([each for each in asked if "sessions" in each]) == 1, asked


async def test_what_a_view_does_to_an_account_is_no_other_requests(vestibule: Vestibule) -> None:
    app = mount(Quart("host"), vestibule)

    @app.get("/scribble")
    @signed_in
    async def scribble() -> ResponseReturnValue:
        account = await current_account()
        assert account is not None
        found = account.given_name
        account.given_name = account.profile["scribbled"] = "over"
        return {"found": found, "roles": account.roles}

    async with Host.serving(app, vestibule) as host:
        ada = await host.named()
        for _ in range(2):
            assert (await ada.get("/scribble")).json() == {"found": None, "roles": ["user"]}
        assert (await ada.get("/v1/me")).json()["profile"] == {}


async def test_a_view_keeps_its_name_and_its_words(host: Host) -> None:
    view = host.app.view_functions["bare"]
    assert (view.__name__, view.__doc__) == ("bare", "Greet whoever is in.")


async def test_a_host_sends_browsers_to_its_own_page(vestibule: Vestibule) -> None:
    app = Quart("host")

    @app.errorhandler(NotSignedIn)
    async def ask_for_log_in(_error: NotSignedIn) -> ResponseReturnValue:
        return redirect("/log-in", 303)

    routes(mount(app, vestibule))
    shop = Blueprint("shop", __name__)

    @shop.get("/shop")
    @signed_in
    async def basket() -> str:
        return "a basket"

    @shop.errorhandler(NotSignedIn)
    async def ask_in_the_shop(_error: NotSignedIn) -> ResponseReturnValue:
        return redirect("/shop/log-in", 303)

    app.register_blueprint(shop)
    async with Host.serving(app, vestibule) as host:
        stranger = host.browser()
        assert (await stranger.get("/bare")).headers["Location"] == "/log-in"
        assert (await stranger.get("/shop")).headers["Location"] == "/shop/log-in"
        assert_refuses(await stranger.get("/v1/me"), NotSignedIn, 401)  # ours stays ours
        ada = await host.named()
        assert_refuses(await ada.get("/proved"), AddressNotProved, 403)


@pytest.mark.parametrize("first", [True, False])
async def test_a_handler_for_all_our_errors_wins_whenever_it_comes(
    vestibule: Vestibule, *, first: bool
) -> None:
    app = Quart("host")

    async def mine(error: VestibuleError) -> ResponseReturnValue:
        return {"mine": error.code}, 418

    if first:
        app.register_error_handler(VestibuleError, mine)
    routes(mount(app, vestibule))
    if not first:
        app.register_error_handler(VestibuleError, mine)
    async with Host.serving(app, vestibule) as host:
        answer = await host.browser().get("/bare")
        assert (answer.status_code, answer.json()) == (418, {"mine": "not_signed_in"})


def above_its_route(app: Quart) -> None:
    @signed_in
    @app.get("/open")
    async def secret() -> str:
        return "for members"


def above_a_route_that_is_guarded_less(app: Quart) -> None:
    @requires(verified=True)
    @app.get("/open")
    @signed_in
    async def secret() -> str:
        return "for the proved"


def on_a_websocket(app: Quart) -> None:
    @app.websocket("/open")
    @signed_in
    async def talk() -> None:
        pass


@pytest.mark.parametrize(
    "mistake", [above_its_route, above_a_route_that_is_guarded_less, on_a_websocket]
)
async def test_a_guard_that_guards_nothing_stops_the_start(
    mistake: Callable[[Quart], None], sqlite_url: str, tmp_path: Path
) -> None:
    vestibule = made(sqlite_url, tmp_path)
    app = mount(Quart("host"), vestibule)
    mistake(app)
    try:
        with pytest.raises(CannotStart, match=r"^/open "):
            await app.startup()
    finally:
        await vestibule.stop()


def test_a_class_is_not_decorated_itself() -> None:
    class Page(MethodView):
        pass

    with pytest.raises(TypeError, match=r"Page\.decorators"):
        signed_in(Page)


async def test_a_websocket_of_the_hosts_goes_on_and_knows_nobody(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vestibule = made(sqlite_url, tmp_path)
    app = mount(Quart("host"), vestibule)
    told: list[str] = []

    @app.websocket("/echo")
    async def echo() -> None:
        try:
            await current_account()
        except RuntimeError as error:
            told.append(str(error))
        await websocket.send(await websocket.receive())

    async with Host.serving(app, vestibule), app.test_client().websocket("/echo") as line:
        await line.send("hello")
        assert await line.receive() == "hello"
    assert told == ["a WebSocket has no current account: only requests do"]
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


async def test_an_account_that_is_shut_is_a_stranger_at_once(host: Host) -> None:
    ada = await host.named()
    async with host.vestibule.unit() as unit:
        account = await queries.by_identifier(unit, "ada")
        assert account is not None
        await state.disable(unit, account.id)
    assert_refuses(await ada.get("/bare"), NotSignedIn, 401)
    assert (await host.browser().log_in("ada", PASSWORD)).status_code == 401
