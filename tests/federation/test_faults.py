"""Providers that are away, slow or wrong: signing in with them fails cleanly, and nothing else."""

import asyncio
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from time import monotonic
from typing import Any  # Any: claims

import pytest

from tests.federation.conftest import House, opened
from tests.federation.provider import Raw
from tests.federation.test_signing_in import VERIFIED
from tests.range_server import answer, line, range_server
from tests.world import PASSWORD
from vestibule.federation import fetching


def held(house: House) -> int:
    """Connections to the database that are in use."""
    return sum(pool.checkedout() for pool in house.world.vestibule.means.database.pools().values())


@pytest.mark.fault("F-25")
async def test_while_a_provider_is_asked_everybody_else_is_served(house: House) -> None:
    house.op1.holding = asyncio.Event()
    ada = await house.world.member()
    browsers = [house.browser() for _ in range(20)]
    waiting = [asyncio.create_task(house.sign_in(each)) for each in browsers]
    async with asyncio.timeout(10):
        while not house.op1.calls:
            await asyncio.sleep(0.01)
    for _ in range(20):
        assert (await ada.get("/v1/me")).status_code == 200
        assert held(house) == 0
    assert not any(each.done() for each in waiting)
    assert len(house.op1.calls) == 1, "one asks for what all need"
    house.op1.holding.set()
    assert [each.status_code for each in await asyncio.gather(*waiting)] == [303] * 20


@pytest.mark.fault("F-25")
async def test_a_provider_that_hangs_takes_no_place_from_others(
    sqlite_url: str, tmp_path: Path
) -> None:
    """However many wait for it: others answer, and passwords are checked."""
    async with range_server() as known:
        known.says = answer([line(PASSWORD)])
        async with opened(sqlite_url, tmp_path, breach_check_url=known.url) as house:
            # Codes at once, so that it is the provider that is waited for.
            browsers = [house.browser() for _ in range(40)]
            brought = [house.op1.agree(await house.begin(each)) for each in browsers]
            house.op1.holding = asyncio.Event()
            waiting = [
                asyncio.create_task(house.come_back(*each))
                for each in zip(browsers, brought, strict=True)
            ]
            async with asyncio.timeout(10):
                while len(house.op1.to("/token")) < 20:
                    await asyncio.sleep(0.01)
            assert (await house.sign_in(house.browser(), "7", "op2")).status_code == 303
            refused = await house.world.browser().sign_up()
            assert (refused.status_code, refused.json()["code"]) == (422, "weak_password")
            house.op1.holding.set()
            assert {each.status_code for each in await asyncio.gather(*waiting)} == {303}


@pytest.mark.fault("F-25")
async def test_a_provider_that_hangs_is_given_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetching.WITHIN == 10
    ada = house.browser()
    brought = house.op1.agree(await house.begin(ada))
    monkeypatch.setattr(fetching, "WITHIN", 0.2)
    house.op1.holding = asyncio.Event()
    failed = await house.come_back(ada, brought)
    assert (failed.status_code, failed.json()["code"]) == (424, "provider_failed")
    house.op1.holding.set()
    monkeypatch.undo()
    assert (await house.sign_in(ada)).status_code == 303


@pytest.mark.fault("F-25")
@pytest.mark.parametrize(
    "raw",
    [
        Raw(b"oops", 500),
        Raw(b"", 204),
        Raw(b"<html>"),
        Raw(b"null"),
        Raw(b"[]"),
        Raw(b'"x"'),
        Raw(b"{}"),
        Raw(b'{"error": "server_error"}'),
        Raw(b'{"access_token": "x"}'),
        Raw(b'{"access_token": "x", "token_type": "mac"}'),
        Raw(b'{"access_token": 7, "token_type": "Bearer"}'),
        Raw(b"\xff\xfe"),
        Raw(b"[" * 100_000),
        Raw(b" " * 2_000_000),
    ],
)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
async def test_an_answer_that_is_none_fails_cleanly(
    sqlite_url: str, tmp_path: Path, path: str, raw: Raw
) -> None:
    async with opened(sqlite_url, tmp_path) as house:
        house.op1.said[path] = raw
        ada = house.browser()
        left = await ada.get("/v1/oauth/op1/start")
        failed = left
        if left.status_code == 303:
            failed = await house.come_back(ada, house.op1.agree(left.headers["Location"]))
        assert (failed.status_code, failed.json()["code"]) == (424, "provider_failed")
        assert await house.who(ada) is None


@pytest.mark.fault("F-25")
async def test_what_was_published_serves_while_the_issuer_is_away(house: House) -> None:
    token = house.op1.id_token(nonce="n", **VERIFIED)
    client = house.world.client()
    body = {"id_token": token, "nonce": "n"}
    assert (await client.post("/v1/oauth/op1/id-token", json=body)).status_code == 200
    for path in ("/jwks", "/.well-known/openid-configuration"):
        house.op1.said[path] = Raw(b"oops", 503)
    house.world.clock.move(timedelta(hours=2))
    later: dict[str, Any] = {"iat": int(house.world.clock.now().timestamp())}
    later["exp"] = later["iat"] + 60
    body = {"id_token": house.op1.id_token(nonce="m", **VERIFIED, **later), "nonce": "m"}
    assert (await client.post("/v1/oauth/op1/id-token", json=body)).status_code == 200
    house.op1.said.clear()
    house.world.clock.move(timedelta(seconds=6))
    assert (await house.browser().get("/v1/oauth/op1/start")).status_code == 303


@pytest.mark.fault("F-25")
async def test_a_start_needs_no_provider(sqlite_url: str, tmp_path: Path) -> None:
    gone = {"issuer": "http://127.0.0.1:9", "client_id": "x", "client_secret": "x"}
    async with opened(sqlite_url, tmp_path, oidc={"gone": gone}) as house:
        assert (await house.browser().get("/v1/oauth/gone/start")).status_code == 424
        assert (await house.sign_in(house.browser(), "7", "github", id=7)).status_code == 303
        assert (await house.world.client().get("/readyz")).status_code == 200


@pytest.mark.parametrize(
    "people, at_once",
    [(20, 10), pytest.param(200, 20, marks=[pytest.mark.prove, pytest.mark.timeout(600)])],
)
async def test_many_sign_in_at_once(house: House, people: int, at_once: int) -> None:
    turn = asyncio.Semaphore(at_once)

    async def one(number: int) -> bool:
        async with turn:
            browser = house.browser()
            email = f"{number}@example.org"
            done = await house.sign_in(browser, str(number), email=email, email_verified=True)
            return done.status_code == 303 and (await house.who(browser) or {})["email"] == email

    assert await asyncio.gather(*(one(number) for number in range(people))) == [True] * people


async def test_somebody_who_comes_many_times_at_once_has_one_account(house: House) -> None:
    browsers = [house.browser() for _ in range(10)]
    met = await asyncio.gather(*(house.sign_in(each, **VERIFIED) for each in browsers))
    assert [each.status_code for each in met] == [303] * 10
    assert len({(await house.who(each) or {})["id"] for each in browsers}) == 1


@pytest.mark.prove
@pytest.mark.timeout(300)
async def test_a_provider_that_takes_five_seconds_delays_nobody_else(house: House) -> None:
    ada = await house.world.member()

    async def asking(seconds: float) -> float:
        """The slowest of a hundred who ask who they are, in seconds."""
        took, ends = [], monotonic() + seconds
        while monotonic() < ends:
            began = monotonic()
            assert (await ada.get("/v1/me")).status_code == 200
            took.append(monotonic() - began)
            assert held(house) == 0
            await asyncio.sleep(0.005)
        return quantiles(took, n=100)[-1]

    alone = await asking(4)
    house.op1.holding = asyncio.Event()
    waiting = [asyncio.create_task(house.sign_in(house.browser())) for _ in range(40)]
    beside = await asking(5)
    house.op1.holding.set()
    assert {each.status_code for each in await asyncio.gather(*waiting)} == {303}
    print(f"\n  p99 of who-am-I: {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside")  # noqa: T201
    assert beside < alone * 2 + 0.005
