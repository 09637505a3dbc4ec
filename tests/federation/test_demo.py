"""The provider of development: a newcomer sees the whole way without a project anywhere."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any  # Any: settings

import httpx
import pytest

from tests.federation.provider import query
from tests.processes import serving
from tests.world import World


async def test_a_newcomer_signs_in_with_nothing_set_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.client() as client:
        [offered] = (await client.get("/v1/oauth")).json()["providers"]
        assert offered["title"] == "the demo provider"
        browser = httpx.AsyncClient()
        left = await browser.get(offered["start"])
        shown = await browser.get(left.headers["Location"])
        assert (shown.status_code, "Who do you want to be?" in shown.text) == (200, True)
        fields = {"email": "adá@example.org", "given_name": "Ada"}
        wrong = await browser.post(left.headers["Location"], data=fields | {"email": "ada"})
        assert wrong.status_code == 422
        agreed = await browser.post(left.headers["Location"], data=fields)
        done = await browser.get(agreed.headers["Location"])
        assert (done.status_code, done.headers["Location"][-10:]) == (303, "/signed-in")
        base = offered["start"].partition("/v1/")[0]
        me = (await browser.get(f"{base}/v1/me")).json()
        assert (me["email"], me["email_verified"], me["given_name"]) == (
            *("adá@example.org", True, "Ada"),
        )
        code = query(agreed.headers["Location"])["code"]
        again = {"code": code, "code_verifier": "x" * 43, "redirect_uri": "x", "client_id": "x"}
        await browser.aclose()
        async with httpx.AsyncClient() as program:
            for verifier in "x" * 43, "é" * 43:
                again["code_verifier"] = verifier
                answer = await program.post(f"{base}/dev/provider/token", data=again)
                assert answer.status_code == 400


@pytest.mark.parametrize(
    "headers,address",
    [
        ({"X-Forwarded-For": "1.2.3.4"}, "127.0.0.1"),
        ({"Host": "evil.test"}, "127.0.0.1"),
        ({}, "10.0.0.7"),
    ],
)
async def test_it_is_for_this_machine_alone(
    sqlite_url: str, tmp_path: Path, headers: dict[str, str], address: str
) -> None:
    async with World.running(sqlite_url, tmp_path) as world:
        path = "/dev/provider/.well-known/openid-configuration"
        assert (await world.client().get(path)).status_code == 200
        refused = await world.client(address=address, **headers).get(path)
        assert refused.status_code in (404, 421)


@pytest.mark.parametrize(
    "uri",
    ["https://evil.test/", "http://localhost:8000.evil.test/", "http://localhost:8000@evil.test/"],
)
async def test_nobody_else_is_sent_anywhere(world: World, uri: str) -> None:
    asked = f"client_id=vestibule&redirect_uri={uri}&state=x&nonce=x&code_challenge=x"
    assert (await world.client().get(f"/dev/provider/authorize?{asked}")).status_code == 404


async def test_it_is_gone_where_there_is_another(sqlite_url: str, tmp_path: Path) -> None:
    google: dict[str, Any] = {"google_client_id": "x", "google_client_secret": "x"}
    async with World.running(sqlite_url, tmp_path, **google) as world:
        offered = (await world.client().get("/v1/oauth")).json()["providers"]
        assert [each["name"] for each in offered] == ["google"]
        path = "/dev/provider/.well-known/openid-configuration"
        assert (await world.client().get(path)).status_code == 404


def test_what_goes_out_goes_over_httpx_with_its_successor_beside() -> None:
    """Authlib's own integration would change the client's class in silence."""
    assert find_spec("httpx2"), "the tests of providers run with it installed"
    looking = (
        "import pkgutil, sys, vestibule\n"
        "for each in pkgutil.walk_packages(vestibule.__path__, 'vestibule.'):\n"
        "    if '.alembic' not in each.name and 'granian' not in each.name:\n"
        "        if not each.name.endswith('__main__'): __import__(each.name)\n"
        "print('vestibule.federation.openid' in sys.modules, 'httpx2' in sys.modules)\n"
    )
    seen = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:authlib", "-c", looking],
        capture_output=True,
        text=True,
        check=False,
    )
    assert seen.stdout.split() == ["True", "False"], seen.stderr
