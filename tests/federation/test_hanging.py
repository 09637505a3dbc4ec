"""An issuer that hangs: what it published before serves, and nobody waits for somebody else."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any  # Any: claims

import pytest

from tests.federation.conftest import House
from tests.federation.provider import elliptic
from tests.federation.test_signing_in import VERIFIED
from vestibule.federation import discovery

pytestmark = pytest.mark.fault("F-25")

DISCOVERY = "/.well-known/openid-configuration"


def brought(house: House, nonce: str) -> dict[str, str]:
    now = int(house.world.clock.now().timestamp())
    times: dict[str, Any] = {"iat": now, "exp": now + 60}
    return {"id_token": house.op1.id_token(nonce=nonce, **VERIFIED, **times), "nonce": nonce}


async def enter(house: House, body: dict[str, str]) -> int:
    return (await house.world.client().post("/v1/oauth/op1/id-token", json=body)).status_code


async def start(house: House) -> int:
    return (await house.browser().get("/v1/oauth/op1/start")).status_code


def leaving_soon(house: House) -> asyncio.Task[Any]:
    """Whose request a server cancels when they hang up."""
    means = house.world.vestibule.means
    return asyncio.create_task(discovery.metadata(means, house.op1.issuer))


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not met():
            await asyncio.sleep(0.01)


async def test_what_was_published_serves_while_the_issuer_hangs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert discovery.WITHIN == 3
    assert await enter(house, brought(house, "a")) == 200
    monkeypatch.setattr(discovery, "WITHIN", 0.3)
    house.op1.holding = asyncio.Event()
    house.world.clock.move(timedelta(hours=2))
    async with asyncio.timeout(5):
        assert await enter(house, brought(house, "b")) == 200
    asked = len(house.op1.calls)
    for number in range(3):
        assert await enter(house, brought(house, f"c{number}")) == 200
        assert await start(house) == 303
    assert len(house.op1.calls) == asked, "it failed a moment ago"
    house.op1.holding.set()


async def test_a_failure_is_known_though_whoever_asked_has_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "AT_FIRST", 0.3)
    house.op1.holding = asyncio.Event()
    leaving = leaving_soon(house)
    await until(lambda: house.op1.calls)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert await start(house) == 424
    assert await start(house) == 424
    assert len(house.op1.calls) == 1
    house.op1.holding.set()


async def test_who_asked_first_may_leave_and_the_others_have_the_answer(house: House) -> None:
    house.op1.holding = asyncio.Event()
    leaving = leaving_soon(house)
    await until(lambda: house.op1.calls)
    staying = asyncio.create_task(start(house))
    await asyncio.sleep(0.1)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    house.op1.holding.set()
    assert await staying == 303
    assert len(house.op1.to(DISCOVERY)) == 1


async def test_a_key_that_is_looked_for_keeps_nobody_waiting_whose_key_is_known(
    house: House,
) -> None:
    assert await enter(house, brought(house, "a")) == 200
    house.op1.signs_with = elliptic("new")
    house.op1.algorithm = "ES256"
    fresh = [brought(house, "b"), brought(house, "c")]
    house.op1.signs_with, house.op1.algorithm = None, "RS256"
    asked = len(house.op1.to("/jwks"))
    house.op1.holding = asyncio.Event()
    waiting = [asyncio.create_task(enter(house, each)) for each in fresh]
    await until(lambda: len(house.op1.to("/jwks")) > asked)
    async with asyncio.timeout(2):
        assert await enter(house, brought(house, "d")) == 200
        assert await start(house) == 303
    assert not any(each.done() for each in waiting)
    house.op1.keys = [*house.op1.keys, elliptic("other")]
    house.op1.holding.set()
    assert await asyncio.gather(*waiting) == [424, 424]
    assert len(house.op1.to("/jwks")) == asked + 1
