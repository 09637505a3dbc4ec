"""A host's routes that are for some of those who are signed in."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar  # Any: whatever the settings take

import pytest
from quart import Quart
from quart.typing import ResponseReturnValue
from quart.views import MethodView, View
from sqlalchemy import insert

from tests.embedding.host import Host, made, mount
from tests.embedding.test_access import assert_refuses
from tests.world import PASSWORD, Client
from vestibule import (
    AddressNotProved,
    NotSignedIn,
    ReauthenticationRequired,
    RoleRequired,
    ScopeRequired,
    current_account,
    requires,
)
from vestibule.accounts import queries
from vestibule.kernel.errors import CannotStart
from vestibule.roles import grants
from vestibule.roles.models import Role
from vestibule.testing import sign_in

SCOPES = "notes:read=user, notes:write=editor|admin"


def routes(app: Quart) -> Quart:
    @app.route("/admin", methods=["GET", "POST"])
    @requires("admin")
    async def admin() -> ResponseReturnValue:
        account = await current_account()
        return {"roles": account.roles if account else None}

    @app.get("/either")
    @requires(any_of=("editor", "admin"))
    async def either() -> str:
        return "in"

    @app.get("/write")
    @requires(scope="notes:write")
    async def write() -> str:
        return "in"

    @app.get("/all")
    @requires("admin", scope="notes:read", verified=True)
    async def every() -> str:
        return "in"

    @app.get("/recent")
    @requires(recent=True)
    async def recent() -> str:
        return "in"

    @app.get("/twofold")
    @requires("editor")
    @requires("admin")
    async def twofold() -> str:
        return "in"

    return app


@pytest.fixture
async def host(database_url: str, tmp_path: Path) -> AsyncIterator[Host]:
    vestibule = made(database_url, tmp_path, scopes=SCOPES)
    async with Host.serving(routes(mount(Quart("host"), vestibule)), vestibule) as running:
        yield running


async def give(host: Host, role: str, to: str = "ada") -> None:
    async with host.vestibule.unit() as unit:
        account = await queries.by_identifier(unit, to)
        assert account is not None
        assert await grants.grant(unit, account.id, role)


async def take(host: Host, role: str, of: str = "ada") -> None:
    async with host.vestibule.unit() as unit:
        account = await queries.by_identifier(unit, of)
        assert account is not None
        assert await grants.revoke(unit, account.id, role)


async def statuses(client: Client) -> list[int]:
    paths = ("/admin", "/either", "/write", "/all", "/recent", "/twofold")
    return [(await client.get(path)).status_code for path in paths]


async def test_who_has_the_role_is_let_in_and_nobody_else(host: Host) -> None:
    assert_refuses(await host.browser().get("/admin"), NotSignedIn, 401)
    ada = await host.named()
    assert_refuses(await ada.get("/admin"), RoleRequired, 403)
    assert_refuses(await ada.get("/either"), RoleRequired, 403)
    assert_refuses(await ada.get("/write"), ScopeRequired, 403)
    assert await statuses(ada) == [403, 403, 403, 403, 200, 403]
    await give(host, "editor")
    assert await statuses(ada) == [403, 200, 200, 403, 200, 403]
    await give(host, "admin")
    assert (await ada.get("/admin")).json() == {"roles": ["admin", "editor", "user"]}
    assert_refuses(await ada.get("/all"), AddressNotProved, 403)
    assert await statuses(ada) == [200, 200, 200, 403, 200, 200]
    await take(host, "editor")
    assert await statuses(ada) == [200, 200, 200, 403, 200, 403]
    assert (await ada.get("/v1/me")).json()["roles"] == ["admin", "user"]
    await take(host, "admin")
    assert await statuses(ada) == [403, 403, 403, 403, 200, 403]


@pytest.mark.attack("A-057")
async def test_a_role_that_is_lost_is_lost_at_the_next_request_whatever_a_token_says(
    host: Host,
) -> None:
    ada = await host.named()
    await give(host, "admin")
    said = (await ada.log_in("ada", PASSWORD, deliver="tokens")).json()
    assert said["account"]["roles"] == ["admin", "user"]
    token = {"Authorization": f"Bearer {said['access_token']}"}
    program = host.client()
    for method in ("GET", "POST"):
        assert (await program.request(method, "/admin", headers=token)).status_code == 200
        assert (await ada.request(method, "/admin")).status_code == 200
    await take(host, "admin")
    for method in ("GET", "POST"):
        assert_refuses(await program.request(method, "/admin", headers=token), RoleRequired, 403)
        assert_refuses(await ada.request(method, "/admin"), RoleRequired, 403)
    assert (await program.get("/v1/me", headers=token)).json()["roles"] == ["user"]


async def test_a_recent_log_in_is_recent_for_ten_minutes_and_again_once_confirmed(
    host: Host,
) -> None:
    ada = await host.named()
    host.clock.move(timedelta(minutes=9))
    assert (await ada.get("/recent")).status_code == 200
    host.clock.move(timedelta(minutes=1))
    answer = await ada.get("/recent")
    assert_refuses(answer, ReauthenticationRequired, 403)
    assert "/v1/me/confirm" in answer.json()["detail"]
    wrong = await ada.post("/v1/me/confirm", json={"password": "not hers"})
    assert wrong.status_code == 401
    assert (await ada.get("/recent")).status_code == 403
    confirmed = await ada.post("/v1/me/confirm", json={"password": PASSWORD})
    assert confirmed.status_code == 200
    assert (await ada.get("/recent")).status_code == 200


@pytest.mark.attack("A-071")
async def test_nothing_but_a_proof_makes_a_session_recent_and_only_that_session(
    host: Host,
) -> None:
    ada, phone = await host.named(), host.browser()
    assert (await phone.log_in("ada", PASSWORD)).status_code == 200
    said = (await host.client().log_in("ada", PASSWORD, deliver="tokens")).json()
    host.clock.move(timedelta(minutes=10))
    later = {"Date": "Wed, 01 Jan 2020 00:00:00 GMT", "Cookie": ""}
    for client in (ada, phone):
        await client.get("/v1/me")
        assert (await client.patch("/v1/me", json={"given_name": "Ada"})).status_code == 200
        assert_refuses(await client.get("/recent"), ReauthenticationRequired, 403)
    renewed = await host.client().post(
        "/v1/tokens/refresh", json={"refresh_token": said["refresh_token"]}
    )
    token = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    fresh = await host.client().get("/recent", headers=token | later)
    assert_refuses(fresh, ReauthenticationRequired, 403)
    assert (await ada.post("/v1/me/confirm", json={"password": PASSWORD})).status_code == 200
    assert (await ada.get("/recent")).status_code == 200
    assert_refuses(await phone.get("/recent"), ReauthenticationRequired, 403)
    assert_refuses(await host.client().get("/recent", headers=token), ReauthenticationRequired, 403)


async def test_how_long_it_counts_as_recent_is_a_setting(sqlite_url: str, tmp_path: Path) -> None:
    vestibule = made(sqlite_url, tmp_path, scopes=SCOPES, recent_authentication=60)
    async with Host.serving(routes(mount(Quart("host"), vestibule)), vestibule) as host:
        ada = await host.named()
        host.clock.move(timedelta(seconds=60))
        assert (await ada.get("/recent")).status_code == 403


async def test_a_role_of_a_hosts_own_is_a_row(sqlite_url: str, tmp_path: Path) -> None:
    vestibule = made(sqlite_url, tmp_path, scopes="stamps=clerk")
    await vestibule.start()
    async with vestibule.unit() as unit:
        await unit.session.execute(insert(Role).values(name="clerk", description="Stamps."))
    app = mount(Quart("host"), vestibule)

    @app.get("/stamps")
    @requires("clerk", scope="stamps")
    async def stamps() -> str:
        return "in"

    async with Host.serving(app, vestibule) as host:
        ada = await sign_in(vestibule, roles=["clerk"])
        grace = await sign_in(vestibule, "grace@example.org")
        assert (await host.client().get("/stamps", headers=ada)).status_code == 200
        assert (await host.client().get("/stamps", headers=grace)).status_code == 403


def a_role_that_there_is_not(app: Quart) -> None:
    @app.get("/open")
    @requires(any_of=("admin", "editr"))
    async def view() -> str:
        return "in"


def a_role_that_there_is_not_below_another_guard(app: Quart) -> None:
    @app.get("/open")
    @requires("admin")
    @requires("editr")
    async def view() -> str:
        return "in"


def a_scope_that_there_is_not(app: Quart) -> None:
    @app.get("/open")
    @requires(scope="notes:wirte")
    async def view() -> str:
        return "in"


def in_a_class(app: Quart) -> None:
    class Page(View):
        decorators: ClassVar = [requires("editr")]

        async def dispatch_request(self, **_: Any) -> ResponseReturnValue:
            return "in"

    app.add_url_rule("/open", view_func=Page.as_view("open"))


def in_a_method(app: Quart) -> None:
    class Page(MethodView):
        @requires("editr")
        async def get(self) -> ResponseReturnValue:
            return "in"

    app.add_url_rule("/open", view_func=Page.as_view("open"))


MISTAKES: list[Callable[[Quart], None]] = [
    a_role_that_there_is_not,
    a_role_that_there_is_not_below_another_guard,
    a_scope_that_there_is_not,
    in_a_class,
    in_a_method,
]


async def start(
    database_url: str, folder: Path, mistake: Callable[[Quart], None] | None = None, **settings: Any
) -> str:
    """Return what the start says that it stumbled over."""
    vestibule = made(database_url, folder, **settings)
    app = mount(Quart("host"), vestibule)
    if mistake is not None:
        mistake(app)
    try:
        with pytest.raises(CannotStart) as refused:
            await app.startup()
    finally:
        await vestibule.stop()
    [line] = str(refused.value).splitlines()
    return line


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_guard_that_names_what_there_is_not_stops_the_start(
    mistake: Callable[[Quart], None], sqlite_url: str, tmp_path: Path
) -> None:
    said = await start(sqlite_url, tmp_path, mistake, scopes=SCOPES)
    assert said.startswith("/open requires a")
    assert said.endswith((": editr", ": notes:wirte"))


async def test_a_scope_that_names_no_role_stops_the_start(sqlite_url: str, tmp_path: Path) -> None:
    said = await start(sqlite_url, tmp_path, scopes="notes:read=usr")
    assert said == "VESTIBULE_SCOPES: notes:read names a role that there is not: usr"


def test_a_condition_that_says_something_else_than_it_means_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match=r'@requires\("admin"\)'):
        requires(any_of="admin")
    with pytest.raises(TypeError, match="any_of several"):
        requires("admin", any_of=("editor",))
    for wrong in ({"any_of": ("",)}, {"scope": ""}):
        with pytest.raises(ValueError, match="has a name"):
            requires(**wrong)
    with pytest.raises(ValueError, match="has a name"):
        requires("")
