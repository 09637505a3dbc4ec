"""Apps on phones, keys that change under one name, and providers that dawdle at each step."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any  # Any: settings

import pytest

from tests.federation.conftest import House, opened
from tests.federation.provider import CLIENT, MISSING, SECRET, rsa
from tests.federation.test_signing_in import VERIFIED
from vestibule.federation import fetching

APP = "our app"


@pytest.fixture
async def one(sqlite_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(sqlite_url, tmp_path) as made:
        yield made


async def by_token(house: House, **claims: Any) -> int:
    """Sign in as an app does that was given an ID token."""
    nonce = f"nonce {time.monotonic_ns()}"
    token = house.op1.id_token(nonce=nonce, **claims)
    body = {"id_token": token, "nonce": nonce}
    return (await house.world.client().post("/v1/oauth/op1/id-token", json=body)).status_code


async def test_an_app_is_given_tokens_for_its_server(sqlite_url: str, tmp_path: Path) -> None:
    """As Google gives them on Android: for the server, and by `azp` to the app."""
    async with opened(sqlite_url, tmp_path) as house:
        assert await by_token(house, azp=APP) == 424, "an app that nobody listed"
        issuer = house.op1
        listed = {
            "issuer": issuer.issuer,
            "client_id": CLIENT,
            "client_secret": SECRET,
            "audiences": (APP,),
        }
        async with opened(sqlite_url, tmp_path, oidc={"op1": listed}) as listing:
            listing.op1 = issuer
            assert await by_token(listing, azp=APP) == 200
            assert await by_token(listing, aud=APP) == 200
            assert await by_token(listing, aud=APP, azp=APP) == 200
            assert await by_token(listing, azp="another app") == 424
            assert await by_token(listing, aud="another app", azp=APP) == 424
            # A browser's sign-in is for the server alone.
            issuer.claims = {"azp": APP}
            assert (await listing.sign_in(listing.browser())).status_code == 424


@pytest.mark.parametrize("kid", ["first", None])
async def test_a_key_may_take_anothers_place(one: House, kid: str | None) -> None:
    """Under the same name, or where keys have none."""
    one.op1.header = {} if kid else {"kid": MISSING}
    assert (await one.sign_in(one.browser(), "1")).status_code == 303
    one.op1.keys = [rsa("first", whose="anew")]
    assert (await one.sign_in(one.browser(), "2")).status_code == 303
    assert len(one.op1.to("/jwks")) == 2
    # Whoever signs by themselves does not make us ask again and again.
    one.op1.signs_with = rsa("first", whose="ours")
    for number in range(3):
        assert (await one.sign_in(one.browser(), f"evil {number}")).status_code == 424
    assert len(one.op1.to("/jwks")) == 2


@pytest.mark.fault("F-25")
async def test_a_sign_in_is_given_up_in_time_however_many_answers_it_takes(
    one: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each answer of it comes in time, and all of them together do not."""
    ada = one.browser()
    brought = one.op1.agree(await one.begin(ada))
    monkeypatch.setattr(fetching, "WITHIN", 1.0)
    one.op1.dawdles = 0.4
    failed = await one.come_back(ada, brought)
    assert (failed.status_code, failed.json()["code"]) == (424, "provider_failed")
    assert await one.who(ada) is None
    monkeypatch.undo()
    one.op1.dawdles = 0
    assert (await one.sign_in(ada, **VERIFIED)).status_code == 303


@pytest.mark.fault("F-18")
@pytest.mark.parametrize("seconds, status", [(-50, 200), (50, 200), (-660, 424), (90, 424)])
async def test_a_providers_clock_may_be_a_minute_off(one: House, seconds: int, status: int) -> None:
    made = int(time.time()) + seconds
    assert await by_token(one, iat=made, exp=made + 3600) == status
