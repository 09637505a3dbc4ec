"""The whole way against an OpenID provider that others wrote, and that is certified."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Any: settings
from urllib.parse import quote_plus

import httpx
import pytest

from tests.federation.provider import CLIENT, SECRET
from tests.world import Client, World

FOLDER = Path(__file__).parent.parent / "oidc"
CALLBACK = "http://localhost:8000/v1/oauth/oidc/callback"
BASIC, POST = "client_secret_basic", "client_secret_post"


@dataclass
class Certified:
    world: World
    issuer: str

    async def steer(self, **what: bool) -> None:
        async with httpx.AsyncClient() as client:
            assert (await client.post(f"{self.issuer}/steer", json=what)).status_code == 204

    def browser(self) -> Client:
        return self.world.client(**{"Sec-Fetch-Site": "none"})

    async def sign_in(
        self, browser: Client, email: str = "ada@example.org", **asked: str
    ) -> httpx.Response:
        """Go where a browser is sent, until the service has answered the callback."""
        query = {"login_hint": email} | asked
        met = await browser.get("/v1/oauth/oidc/start", params=query)
        async with httpx.AsyncClient(base_url=self.issuer) as there:
            while not met.headers["Location"].startswith(CALLBACK):
                met = await there.get(met.headers["Location"])
                assert met.is_redirect, met.text
        return await browser.get(met.headers["Location"].removeprefix("http://localhost:8000"))


@asynccontextmanager
async def certified(
    database_url: str, folder: Path, method: str = BASIC, **settings: Any
) -> AsyncIterator[Certified]:
    client = {"id": CLIENT, "secret": SECRET, "method": method, "redirects": [CALLBACK]}
    process = await asyncio.create_subprocess_exec(
        *("node", "provider.mjs", json.dumps({"clients": [client]})),
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        issuer = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))["issuer"]
        provider = {"issuer": issuer, "client_id": CLIENT, "client_secret": SECRET}
        oidc = {"oidc": provider | {"trust_email": True}}
        async with World.running(database_url, folder, oidc=oidc, **settings) as world:
            yield Certified(world, issuer)
    finally:
        process.stdin.close()  # it ends with us
        await process.wait()


@pytest.mark.parametrize("method", [BASIC, POST])
async def test_people_sign_in_and_come_back(database_url: str, tmp_path: Path, method: str) -> None:
    async with certified(database_url, tmp_path, method) as there:
        ids = []
        for _ in range(2):
            ada = there.browser()
            assert (await there.sign_in(ada)).status_code == 303
            me = (await ada.get("/v1/me")).json()
            ids.append(me["id"])
            assert (me["email"], me["email_verified"], me["given_name"]) == (
                *("ada@example.org", True, "Ada"),
            )
        assert len(set(ids)) == 1
        bob = there.browser()
        await there.sign_in(bob, "bob@example.org")
        assert (await bob.get("/v1/me")).json()["id"] not in ids


@pytest.mark.parametrize("method", [BASIC, POST])
async def test_it_takes_a_secret_in_no_other_way_than_a_client_registered(
    sqlite_url: str, tmp_path: Path, method: str
) -> None:
    async with certified(sqlite_url, tmp_path, method) as there, httpx.AsyncClient() as client:
        published = await client.get(f"{there.issuer}/.well-known/openid-configuration")
        assert published.json()["token_endpoint_auth_methods_supported"] == [method]
        pair, form = (quote_plus(CLIENT), quote_plus(SECRET)), {"code": "x"}
        form |= {"grant_type": "authorization_code", "redirect_uri": CALLBACK}
        ways: dict[str, dict[str, Any]] = {
            BASIC: {"data": form, "auth": pair},
            POST: {"data": form | {"client_id": CLIENT, "client_secret": SECRET}},
        }
        met = {
            way: (await client.post(f"{there.issuer}/token", **sent)).json()["error"]
            for way, sent in ways.items()
        }
        assert met == {way: "invalid_grant" if way == method else "invalid_client" for way in ways}


async def test_its_keys_may_change_at_any_moment(sqlite_url: str, tmp_path: Path) -> None:
    async with certified(sqlite_url, tmp_path) as there:
        assert (await there.sign_in(there.browser())).status_code == 303
        await there.steer(rotate=True)
        assert (await there.sign_in(there.browser())).status_code == 303


async def test_whoever_does_not_agree_is_not_signed_in(sqlite_url: str, tmp_path: Path) -> None:
    async with certified(sqlite_url, tmp_path) as there:
        ada = there.browser()
        await there.steer(refuse=True)
        refused = await there.sign_in(ada)
        assert (refused.status_code, refused.json()["code"]) == (400, "provider_refused")
        assert (await ada.get("/v1/me")).status_code == 401
        await there.steer(refuse=False)
        assert (await there.sign_in(ada)).status_code == 303


async def test_an_address_that_is_not_verified_opens_nobodys_account(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with certified(sqlite_url, tmp_path) as there:
        ada = await there.world.member()
        await there.steer(unverified=True)
        stranger = there.browser()
        assert (await there.sign_in(stranger)).status_code == 303
        me = (await stranger.get("/v1/me")).json()
        assert me["id"] != (await ada.get("/v1/me")).json()["id"]
        assert (me["email"], me["email_verified"]) == (None, False)
