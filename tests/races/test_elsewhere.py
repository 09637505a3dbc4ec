"""What one process takes away, another one that remembers it hears of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.world import PASSWORD, Client, World
from vestibule.accounts import queries
from vestibule.roles import grants

SCOPES = "notes:read=editor"


@pytest.fixture
async def worlds(postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    """Two services on one database, both of which remember."""
    async with (
        World.running(postgres_url, tmp_path, scopes=SCOPES) as here,
        World.running(postgres_url, tmp_path, scopes=SCOPES) as there,
    ):
        await until(lambda: _said(here.vestibule.means.memory.is_trusted))
        await until(lambda: _said(there.vestibule.means.memory.is_trusted))
        yield here, there


async def _said(answer: bool) -> bool:
    return answer


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await is_so():
            await asyncio.sleep(0.02)


async def change(world: World, act: str, role: str = "editor") -> None:
    async with world.vestibule.unit() as unit:
        account = await queries.by_identifier(unit, "ada@example.org")
        assert account is not None
        flow = grants.grant if act == "grant" else grants.revoke
        assert await flow(unit, account.id, role)


async def test_roles_and_keys_that_are_gone_here_are_gone_there(
    worlds: tuple[World, World],
) -> None:
    here, there = worlds
    ada = await here.member()
    await change(here, "grant")
    wanted = {"name": "x", "scopes": ["notes:read"]}
    made = (await ada.post("/v1/me/api-keys", json=wanted)).json()
    cookie = f"vestibule={ada.cookies['vestibule']}"
    program, person = (
        there.client(**{"X-API-Key": made["key"]}),
        there.browser(Cookie=cookie),
    )

    async def said(client: Client, field: str) -> object:
        return (await client.get("/v1/me")).json().get(field)

    for _ in range(2):  # the second time from what it remembers
        assert await said(program, "scopes") == ["notes:read"]
        assert await said(person, "roles") == ["editor", "user"]
    await change(here, "revoke")
    assert (await ada.get("/v1/me")).json()["roles"] == ["user"], "here at once"

    async def has_no_role() -> bool:
        return await said(program, "scopes") == [] and await said(person, "roles") == ["user"]

    await until(has_no_role)
    assert (await ada.delete(f"/v1/me/api-keys/{made['id']}")).status_code == 204

    async def is_nobodys() -> bool:
        return (await program.get("/v1/me")).status_code == 401

    await until(is_nobodys)
    assert (await ada.post("/v1/me/confirm", json={"password": PASSWORD})).status_code == 200

    async def is_strange() -> bool:
        return (await person.get("/v1/me")).status_code == 401

    await until(is_strange)
