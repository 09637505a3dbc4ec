"""A Vestibule in an app that has much of its own already: neither gets in the other's way."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast  # Any: as ASGI defines it

import httpx
import pytest
from quart import Quart, abort, got_request_exception, request, session
from quart.typing import ResponseReturnValue, ResponseTypes
from quart_auth import AuthUser, QuartAuth, current_user, login_user
from quart_schema import QuartSchema
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import Kept
from tests.embedding.host import Host, made, mount
from tests.world import CHEAP, PASSWORD
from vestibule import Settings, Vestibule, current_account, current_vestibule
from vestibule.accounts import queries
from vestibule.accounts.signup import Person, sign_up
from vestibule.kernel.clock import MovableClock
from vestibule.web.api import surface as api
from vestibule.web.pages import landing

FIRST = pytest.mark.parametrize("first", [True, False], ids=["theirs-first", "ours-first"])


@pytest.fixture
async def vestibule(database_url: str, tmp_path: Path) -> Vestibule:
    return made(database_url, tmp_path)


@FIRST
async def test_a_hosts_quart_auth_stays_its_own(vestibule: Vestibule, *, first: bool) -> None:
    app = Quart("host")
    app.secret_key = "a host's own secret"
    app.config["QUART_AUTH_MODE"] = "cookie"
    app.config["QUART_AUTH_COOKIE_DOMAIN"] = "localhost"
    app.config["QUART_AUTH_COOKIE_SECURE"] = False
    if first:
        QuartAuth(app)
    mount(app, vestibule)
    if not first:
        QuartAuth(app)

    @app.post("/theirs")
    async def enter() -> ResponseReturnValue:
        login_user(AuthUser("seven"))
        return {}

    @app.get("/both")
    async def both() -> ResponseReturnValue:
        account = await current_account()
        return {"ours": account and account.username, "theirs": current_user.auth_id}

    async with Host.serving(app, vestibule) as host:
        ada = await host.named()
        entered = await host.browser().log_in("ada")
        assert "Domain" not in entered.headers["Set-Cookie"], "ours is for one host"
        assert (await ada.get("/both")).json() == {"ours": "ada", "theirs": None}
        theirs = (await ada.post("/theirs")).cookies["QUART_AUTH"]
        ada.cookies.set("QUART_AUTH", theirs)
        assert (await ada.get("/both")).json() == {"ours": "ada", "theirs": "seven"}
        assert (await ada.post("/v1/logout")).status_code == 204
        assert (await ada.get("/both")).json() == {"ours": None, "theirs": "seven"}


async def test_a_host_whose_quart_auth_takes_tokens_keeps_our_cookie(vestibule: Vestibule) -> None:
    app = Quart("host")
    app.secret_key = "a host's own secret"
    app.config["QUART_AUTH_MODE"] = "bearer"
    QuartAuth(app)
    async with Host.serving(mount(app, vestibule), vestibule) as host:
        ada = await host.named()
        assert (await ada.get("/v1/me")).status_code == 200


@FIRST
async def test_a_hosts_quart_schema_shows_our_routes(vestibule: Vestibule, *, first: bool) -> None:
    app = Quart("host")
    if first:
        QuartSchema(app)
    mount(app, vestibule)
    if not first:
        QuartSchema(app)
    async with Host.serving(app, vestibule) as host:
        ada = await host.named()
        assert (await ada.get("/v1/me")).json()["username"] == "ada"
        document = (await ada.get("/openapi.json")).json()
        assert {"/v1/me", "/v1/login", "/v1/accounts"} <= set(document["paths"])
        named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
        assert named <= set(document["components"]["schemas"])
        assert (await ada.get("/docs")).status_code == 200
        answer = await ada.post("/v1/login", json={})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")


class Maintenance(Exception):
    """A host's own."""


class Closed(ServiceUnavailable):
    """A host's own."""


def with_handlers(app: Quart) -> None:
    async def everything(error: Exception) -> ResponseReturnValue:
        return f"host: {type(error).__name__}", 500

    async def every_http(error: HTTPException) -> ResponseReturnValue:
        return f"host: {error.code}", error.code or 500

    async def closed(error: Exception) -> ResponseReturnValue:
        return f"host: closed by {type(error).__name__}", 503

    app.register_error_handler(Exception, everything)
    app.register_error_handler(HTTPException, every_http)
    for status in (400, 401, 403, 404, 405, 413, 415, 422, 500):
        app.register_error_handler(status, every_http)
    app.register_error_handler(Maintenance, closed)
    app.register_error_handler(Closed, closed)


def with_trouble(app: Quart) -> None:
    trouble = {"maintenance": Maintenance, "closed": Closed, "broken": ZeroDivisionError}

    @app.before_request
    async def look() -> None:
        if word := request.headers.get("X-Host"):
            raise trouble[word]

    @app.get("/broken")
    async def broken() -> str:
        raise ZeroDivisionError

    @app.get("/gone")
    async def gone() -> str:
        abort(404)


@FIRST
async def test_handlers_of_the_host_and_ours_answer_each_their_own(
    vestibule: Vestibule, *, first: bool
) -> None:
    app = Quart("host")
    if first:
        with_handlers(app)
    mount(app, vestibule)
    if not first:
        with_handlers(app)
    with_trouble(app)
    reported: list[BaseException] = []

    async def report(_sender: object, exception: BaseException, **_: Any) -> None:
        reported.append(exception)

    got_request_exception.connect(report, app)
    async with Host.serving(app, vestibule) as host:
        stranger = host.browser()
        assert (await stranger.get("/broken")).text == "host: ZeroDivisionError"
        assert (await stranger.get("/gone")).text == "host: 404"
        assert (await stranger.get("/nowhere")).text == "host: 404"
        ada = await host.named()
        for answer, code in (
            (await stranger.get("/v1/me"), "not_signed_in"),
            (await stranger.post("/v1/login", json={}), "invalid_fields"),
            (await stranger.post("/v1/login", content=b"x"), "wrong_media_type"),
            (await stranger.post("/v1/login", content=b"x" * 70_000), "body_too_large"),
            (await stranger.get("/v1/me", headers={"X-Host": "broken"}), "internal_error"),
            (await ada.delete("/v1/me/sessions/x"), "session_unknown"),
        ):
            assert answer.headers["Content-Type"] == "application/problem+json", answer.text
            assert answer.json()["code"] == code
        assert [type(each) for each in reported] == [ZeroDivisionError], "theirs learn of it too"
        for path in ("/v1/me", "/verify-email", "/gone"):
            for word, by in (("maintenance", "Maintenance"), ("closed", "Closed")):
                shut = await ada.get(path, headers={"X-Host": word})
                assert (shut.status_code, shut.text) == (503, f"host: closed by {by}"), path
        page = await stranger.post("/verify-email", content=b"x")
        assert (page.status_code, page.headers["Content-Type"][:9]) == (415, "text/html")


async def test_a_hosts_hooks_and_session_go_on_around_ours(
    database_url: str, tmp_path: Path
) -> None:
    vestibule = made(database_url, tmp_path, base_url="https://localhost:8000")
    app = Quart("host")
    app.secret_key = "a host's own secret"

    @app.before_request
    async def read_first() -> None:
        session["seen"] = session.get("seen", 0) + 1
        await request.get_data()

    @app.after_request
    async def sign(response: ResponseTypes) -> ResponseTypes:
        response.headers["X-Host"] = request.scheme
        return response

    mount(app, vestibule)

    @app.get("/seen")
    async def seen() -> ResponseReturnValue:
        account = await current_account()
        return {"seen": session["seen"], "who": account and account.username}

    async with Host.serving(app, vestibule) as host:
        ada = await host.named()
        answer = await ada.get("/seen")
        assert answer.json() == {"seen": 3, "who": "ada"}
        who = {"identifier": "ada", "password": PASSWORD}
        entered = await ada.post("http://localhost:8000/v1/login", json=who)
        assert entered.status_code == 200
        assert entered.headers["X-Host"] == "http", "what came, not what people type"


async def test_our_limit_on_bodies_holds_whatever_the_hosts_is(vestibule: Vestibule) -> None:
    app = Quart("host")
    app.config["MAX_CONTENT_LENGTH"] = None
    mount(app, vestibule)

    @app.post("/upload")
    async def upload() -> ResponseReturnValue:
        return {"length": len(await request.get_data())}

    async def parts(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b" " * 10_000
            await asyncio.sleep(0)

    plain = {"Content-Type": "application/json"}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with Host.serving(app, vestibule) as host:
        ada = host.browser()
        assert (await ada.post("/upload", content=b"x" * 200_000)).json() == {"length": 200_000}
        for path, kind in (("/v1/login", plain), ("/verify-email", form)):
            for body in (b" " * 70_000, parts(20)):
                answer = await ada.post(path, content=body, headers=kind)
                assert answer.status_code == 413, path
        assert (await ada.post("/v1/login", content=parts(3), headers=plain)).status_code == 400
        await host.named()


async def test_a_prefix_takes_the_place_of_ours_and_letters_lead_there(
    database_url: str, tmp_path: Path
) -> None:
    vestibule = made(database_url, tmp_path, base_url="http://localhost:8000/auth")
    app = Quart("host")
    vestibule.init_app(app)
    app.register_blueprint(api.blueprint(), url_prefix="/auth/v1")
    app.register_blueprint(landing.blueprint(), url_prefix="/auth")
    async with Host.serving(app, vestibule) as host:
        made_client = httpx.AsyncClient(
            transport=httpx.ASGITransport(cast(Any, app)),
            base_url="http://localhost:8000",
            headers={"Origin": "http://localhost:8000"},
            follow_redirects=True,
        )
        async with made_client as ada:
            who = {"email": "ada@example.org", "password": PASSWORD}
            assert (await ada.post("/auth/v1/accounts", json=who)).status_code == 202
            [mail] = await host.mails()
            assert mail.link is not None
            assert mail.link.startswith("http://localhost:8000/auth/verify-email?token=")
            assert (await ada.get(mail.link)).status_code == 200
            proved = await ada.post(
                "/auth/verify-email", data={"token": mail.token, "password": PASSWORD}
            )
            assert proved.status_code == 200
            assert str(proved.url) == "http://localhost:8000/auth/verify-email"
            assert (await ada.get("/auth/v1/me")).json()["email"] == "ada@example.org"
            assert (await ada.get("/v1/me")).status_code == 404


async def test_without_a_vestibule_it_is_said_at_once(sqlite_url: str, tmp_path: Path) -> None:
    app = Quart("host")
    for surface in (api, landing):
        with pytest.raises(RuntimeError, match=r"init_app\(app\) before app.register_blueprint"):
            app.register_blueprint(surface.blueprint())
    async with app.app_context():
        with pytest.raises(RuntimeError, match="no Vestibule"):
            current_vestibule()
    mount(Quart("host"), made(sqlite_url, tmp_path))
    twice = Quart("host")
    made(sqlite_url, tmp_path).init_app(twice)
    with pytest.raises(RuntimeError, match="already"):
        made(sqlite_url, tmp_path).init_app(twice)


async def test_in_production_the_cookie_is_what_it_is_in_the_service(
    database_url: str, tmp_path: Path
) -> None:
    settings = PRODUCTION | {"database_url": database_url, "data_dir": tmp_path}
    vestibule = Vestibule(
        Settings.load(**settings, courier=False),
        hasher=CHEAP,
        clock=MovableClock(),
        transport=Kept(),
    )
    app = Quart("host")
    app.config["QUART_AUTH_COOKIE_DOMAIN"] = ".auth.test"
    async with Host.serving(mount(app, vestibule), vestibule) as host:
        await host.named()
        entered = await host.browser().log_in("ada")
        [cookie] = [
            each
            for each in entered.headers.get_list("Set-Cookie")
            if each.startswith("__Host-vestibule=")
        ]
        for part in ("Secure", "HttpOnly", "Path=/", "SameSite=Lax"):
            assert part in cookie
        assert "Domain" not in cookie


class Stormy:
    """A host's middleware that raises before, after, or gives up waiting."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        told = dict(scope.get("headers", [])).get(b"x-storm")
        if told == b"before":
            raise ZeroDivisionError
        if told and told.isdigit():
            async with asyncio.timeout(int(told) / 1000):
                await self.app(scope, receive, send)
            return
        await self.app(scope, receive, send)
        if told == b"after":
            raise ZeroDivisionError


@pytest.mark.fault("F-43")
async def test_a_host_that_raises_or_gives_up_around_us_corrupts_nothing(
    vestibule: Vestibule,
) -> None:
    app = mount(Quart("host"), vestibule)
    app.asgi_app = Stormy(app.asgi_app)  # type: ignore[method-assign]

    @app.after_request
    async def stumble(response: ResponseTypes) -> ResponseTypes:
        if "X-Stumble" in request.headers:
            raise ZeroDivisionError
        return response

    async with Host.serving(app, vestibule) as host:
        await host.named("ada")
        storms = ["before", "after", *map(str, (0, 1, 2, 5, 10, 20, 40)), "calm"]

        async def visit(number: int) -> tuple[str, int]:
            headers = {"X-Storm": storms[number % len(storms)]}
            if number % 7 == 0:
                headers["X-Stumble"] = "yes"
            visitor = host.browser(**headers)
            name = f"visitor{number}"
            opened = await visitor.sign_up(None, username=name)
            await visitor.log_in("ada")
            await visitor.get("/v1/me")
            return name, opened.status_code

        seen = await asyncio.gather(*(visit(number) for number in range(40)))
        for name, status in seen:  # whoever was told that it worked has an account
            async with vestibule.unit(reading=True) as unit:
                there = await queries.by_identifier(unit, name)
            assert there is not None or status != 201, name
        assert 201 in {status for _, status in seen}
        calm = await host.browser().log_in("ada")
        assert calm.status_code == 200
        pools = {vestibule.means.database.engine.pool, vestibule.means.database.reading_engine.pool}
        assert [cast(Any, pool).checkedout() for pool in pools] == [0] * len(pools)


@pytest.mark.fault("F-43")
async def test_a_host_that_gives_up_on_a_unit_leaves_half_of_nothing(vestibule: Vestibule) -> None:
    app = mount(Quart("host"), vestibule)
    async with Host.serving(app, vestibule):
        for number in range(30):
            name = f"visitor{number}"
            done = False
            try:
                async with asyncio.timeout(number / 1000), vestibule.unit() as unit:
                    await sign_up(unit, Person(username=name, password=PASSWORD))
                    done = True
            except TimeoutError:
                pass
            async with vestibule.unit(reading=True) as unit:
                there = await queries.by_identifier(unit, name)
            assert done or there is None, "what was given up before its end is not there"
        async with vestibule.unit() as unit:
            await sign_up(unit, Person(username="ada", password=PASSWORD))


@pytest.mark.fault("F-43")
async def test_two_apps_at_work_in_one_process_do_not_meet(
    database_url: str, tmp_path: Path
) -> None:
    one = made(database_url, tmp_path / "one")
    other = made(f"sqlite:///{tmp_path}/other.db", tmp_path / "other")
    apps = [mount(Quart("one"), one), mount(Quart("other"), other)]
    async with Host.serving(apps[0], one) as here, Host.serving(apps[1], other) as there:

        async def visit(host: Host, foreign: Host, number: int) -> None:
            ada = await host.named(f"{host.app.name}{number}")
            secret = ada.cookies["vestibule"]
            assert (await ada.get("/v1/me")).json()["username"] == f"{host.app.name}{number}"
            carried = foreign.browser(Cookie=f"vestibule={secret}")
            assert (await carried.get("/v1/me")).status_code == 401

        await asyncio.gather(
            *(visit(here, there, number) for number in range(8)),
            *(visit(there, here, number) for number in range(8)),
        )


@pytest.mark.fault("F-43")
def test_one_app_on_two_event_loops_one_after_the_other(database_url: str, tmp_path: Path) -> None:
    vestibule = made(database_url, tmp_path, courier=True)
    app = mount(Quart("host"), vestibule)

    async def live(name: str) -> None:
        async with Host.serving(app, vestibule) as host:
            visitors = [
                host.named(f"{name}{number}") for number in range(15)
            ]  # more than connections
            await asyncio.gather(*visitors)
            asked = await host.browser().sign_up(f"{name}@example.org")
            assert asked.status_code == 202
            folder = vestibule.settings.data_dir / "mail"
            async with asyncio.timeout(10):
                while not any(f"{name}@" in each.read_text() for each in folder.glob("*.json")):
                    await asyncio.sleep(0.02)

    asyncio.run(live("first"))
    asyncio.run(live("second"))
