"""Servers killed while they replace a refresh token: who asked again is signed in as before."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.faults.fleet import Fleet
from tests.world import PASSWORD

AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(1200)]


async def refresh(port: int, token: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        return await client.post("/v1/tokens/refresh", json={"refresh_token": token})


@pytest.mark.fault("F-04")
@pytest.mark.parametrize("kills", [1, pytest.param(100, marks=AT_SIZE)])
async def test_who_never_got_the_answer_asks_again_and_stays_signed_in(
    database_url: str, tmp_path: Path, kills: int
) -> None:
    outcomes: Counter[str] = Counter()
    async with Fleet(tmp_path, 1, VESTIBULE_DATABASE_URL=database_url) as fleet:
        [served] = fleet.servers
        await served.open_account("ada", PASSWORD)
        async with served.client() as client:
            body = {"identifier": "ada", "password": PASSWORD, "deliver": "tokens"}
            held = (await client.post("/v1/login", json=body)).json()
        for _ in range(kills):
            asking = asyncio.create_task(refresh(fleet.ports[0], held["refresh_token"]))
            await asyncio.sleep(random.uniform(0.005, 0.06))
            await fleet.kill_one()
            try:
                answer = await asking
                outcomes["answered"] += 1
            except httpx.TransportError:
                answer = await refresh(fleet.ports[0], held["refresh_token"])
                outcomes["asked again"] += 1
            assert answer.status_code == 200, answer.text
            held = answer.json()
        # By the server that lives: each has a port, and so an issuer, of its own.
        held = (await refresh(fleet.ports[0], held["refresh_token"])).json()
        async with fleet.servers[0].client() as client:
            bearer = {"Authorization": f"Bearer {held['access_token']}"}
            assert (await client.get("/v1/me", headers=bearer)).status_code == 200
    print(f"\n  {kills} kills: {dict(outcomes)}")  # noqa: T201
