"""Secrets that were dropped open nothing any more; those that follow seal from the first day."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from secrets import token_bytes
from typing import cast

import pytest
from sqlalchemy import select

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import House, Kept
from tests.world import PASSWORD, Client, Mail
from vestibule.courier.models import Letter
from vestibule.tokens import keys

V = "v@victim.test"
DEVICE = "__Host-vestibule_device"
COOKIE = "__Host-vestibule"
OLD, NEW = (base64.b64encode(token_bytes(32)).decode() for _ in range(2))
Opening = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def opening(database_url: str, tmp_path: Path) -> Opening:
    """Open the service of production on one database again and again, with other secrets."""

    @asynccontextmanager
    async def opened(*secrets: str) -> AsyncIterator[House]:
        given = PRODUCTION | {"secrets": ",".join(secrets), "limits": "log_in_identifier=3/15m"}
        async with House.running(database_url, tmp_path, transport=Kept(), **given) as world:
            yield cast(House, world)

    return opened


async def ask(world: House, email: str) -> tuple[str, Mail]:
    """Sign up; return the handle and the letter."""
    asked = await world.client().sign_up(email)
    return asked.json()["sign_up"], (await world.mails(email))[-1]


async def knows(world: House, device: str) -> bool:
    """Tell whether a device is known again when strangers have used up the log-ins of a name."""
    while (await world.client().log_in(V, "not the password")).status_code == 401:
        pass
    answer = await world.client(Cookie=f"{DEVICE}={device}").log_in(V)
    assert answer.status_code in (200, 429)
    return answer.status_code == 200


async def device_of(world: House, former: str) -> str:
    """Log in with a device's cookie; return the one that takes its place."""
    answer = await world.client(Cookie=f"{DEVICE}={former}").log_in(V)
    assert answer.status_code == 200, answer.text
    return answer.cookies[DEVICE]


@pytest.mark.attack("A-095")
async def test_what_a_dropped_secret_sealed_opens_nothing(opening: Opening) -> None:
    async with opening(OLD) as world:
        member = await world.member(V)
        session, device = member.cookies[COOKIE], member.cookies[DEVICE]
        first, second, third = [
            await ask(world, f"{name}@victim.test") for name in ("first", "second", "third")
        ]
        tokens = (await world.client().log_in(V, deliver="tokens")).json()
        await world.client().sign_up("waits@victim.test")  # its letter has not left
        assert await knows(world, device)

    async with opening(NEW, OLD) as world:
        assert await knows(world, device), "the old one still opens"
        renewed = await device_of(world, device)
        fresh = await ask(world, "fresh@victim.test")
        await proves(world.client(), *first, status=200)
        assert [mail.to for mail in await world.mails("waits@victim.test")]
        await world.client().sign_up("waits@victim.test")
        for _ in range(2):  # the key that signs and the next one are the new secret's
            await world.vestibule.run(keys.rotate)

    async with opening(OLD, NEW) as world:
        assert await knows(world, renewed), "the order says which one seals, not which one opens"
        backwards = await device_of(world, renewed)

    async with opening(NEW) as world:
        assert await knows(world, renewed), "the newest sealed it"
        assert not await knows(world, device)
        held = {"refresh_token": tokens["refresh_token"]}
        assert (await world.client().post("/v1/tokens/refresh", json=held)).status_code == 401
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        me = await world.client().get("/v1/me", headers=bearer)
        assert me.status_code == 200, "a signature needs no secret: keys are retired by themselves"
        assert not await knows(world, backwards), "sealed by the one that stood first then"
        await proves(world.client(), *second, status=400)
        _, letter = third
        for client in (world.client(), world.browser()):
            by_link = await client.prove(token=letter.token, password=PASSWORD)
            assert (by_link.status_code, by_link.json()["code"]) == (400, "proof_refused")
        await proves(world.client(), *fresh, status=200)
        assert [mail.to for mail in await world.mails("waits@victim.test")]
        # Sessions are no secret's work: a rotation signs nobody out.
        mine = world.client(Cookie=f"{COOKIE}={session}")
        assert (await mine.get("/v1/me")).json()["email"] == V


@pytest.mark.attack("A-095")
async def test_a_letter_that_waits_under_a_dropped_secret_fails_where_it_can_be_seen(
    opening: Opening,
) -> None:
    async with opening(OLD) as world:
        await world.client().sign_up("waits@victim.test")
        await world.member(V)
        await world.client().sign_up("late@victim.test")
    async with opening(NEW, OLD) as world:
        for _ in range(2):
            await world.vestibule.run(keys.rotate)
    async with opening(NEW) as world:
        await world.client().sign_up("fresh@victim.test")
        assert [mail.to for mail in await world.mails()] == ["fresh@victim.test"]
        states = dict(await world.rows(select(Letter.recipient, Letter.state)))
        assert states["late@victim.test"] == "failed"
        assert states["fresh@victim.test"] == "sent"


async def proves(client: Client, handle: str, letter: Mail, *, status: int) -> None:
    answer = await client.prove(sign_up=handle, code=letter.code)
    assert answer.status_code == status, answer.text
