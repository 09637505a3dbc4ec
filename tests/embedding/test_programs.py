"""A host's routes, asked by programs with an API key."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from quart import Quart
from quart.typing import ResponseReturnValue

from tests.embedding.host import Host, made, mount
from tests.embedding.test_access import assert_refuses
from tests.embedding.test_roles import give, take
from vestibule import (
    AddressNotProved,
    NotSignedIn,
    ScopeRequired,
    SessionRequired,
    current_account,
    requires,
    signed_in,
)


def routes(app: Quart) -> Quart:
    @app.get("/greeting")
    async def greeting() -> ResponseReturnValue:
        account = await current_account()
        return {"hello": account and account.username, "roles": account and account.roles}

    @app.get("/people")
    @signed_in
    async def people() -> str:
        return "in"

    @app.get("/admin")
    @requires("admin", scope="notes:read")
    async def admin() -> str:
        return "in"

    @app.get("/recent")
    @requires(recent=True, scope="notes:read")
    async def recent() -> str:
        return "in"

    @app.route("/write", methods=["GET", "POST"])
    @requires(scope="notes:write")
    async def write() -> str:
        return "in"

    @app.get("/read")
    @requires(scope="notes:read")
    async def read() -> str:
        return "in"

    @app.get("/proved")
    @requires(scope="notes:read", verified=True)
    async def proved() -> str:
        return "in"

    return app


@pytest.fixture
async def host(database_url: str, tmp_path: Path) -> AsyncIterator[Host]:
    vestibule = made(database_url, tmp_path, scopes="notes:read=user, notes:write=editor")
    async with Host.serving(routes(mount(Quart("host"), vestibule)), vestibule) as running:
        yield running


async def test_a_program_is_let_in_by_its_scopes_and_by_nothing_else(host: Host) -> None:
    ada = await host.named()
    for role in ("admin", "editor"):
        await give(host, role)
    wanted = {"name": "x", "scopes": ["notes:read", "notes:write"]}
    made_key = (await ada.post("/v1/me/api-keys", json=wanted)).json()["key"]
    program = host.client(**{"X-API-Key": made_key})
    assert (await program.get("/greeting")).json() == {"hello": "ada", "roles": []}
    for path in ("/people", "/admin", "/recent"):
        assert_refuses(await program.get(path), SessionRequired, 403)
        assert (await ada.get(path)).status_code == 200
    assert_refuses(await program.get("/proved"), AddressNotProved, 403)
    assert (await program.post("/write")).status_code == 200
    await take(host, "editor")
    assert_refuses(await program.post("/write"), ScopeRequired, 403)
    assert (await program.get("/read")).status_code == 200


async def test_a_key_without_scopes_says_who_its_owner_is_and_opens_nothing(host: Host) -> None:
    ada = await host.named()
    made_key = (await ada.post("/v1/me/api-keys", json={"name": "x"})).json()["key"]
    program = host.client(Authorization=f"Bearer {made_key}")
    assert (await program.get("/greeting")).json()["hello"] == "ada"
    assert_refuses(await program.get("/read"), ScopeRequired, 403)
    assert_refuses(await program.get("/people"), SessionRequired, 403)
    gone = host.client(Authorization=f"Bearer {made_key[:-1]}")
    assert_refuses(await gone.get("/read"), NotSignedIn, 401)
