"""The app of docs/getting-started.md, run as it stands there."""

import re
from pathlib import Path
from typing import Any, cast  # Any: the example's own names

import httpx
from quart import Quart

from tests.world import PASSWORD

PAGE = (Path(__file__).parents[2] / "docs" / "getting-started.md").read_text("utf-8")


async def test_the_app_of_the_page_signs_somebody_up_and_knows_them() -> None:
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert block
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(block[1], "getting-started.md", "exec"), names)
    app = cast(Quart, names["app"])
    await app.startup()
    try:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(cast(Any, app)), base_url="http://localhost:8000"
        ) as client:
            assert (await client.get("/greeting")).json() == {"hello": "stranger"}
            opened = await client.post(
                "/v1/accounts", json={"username": "ada", "password": PASSWORD}
            )
            assert opened.status_code == 201
            asked = await client.post(
                "/v1/accounts", json={"email": "ada@example.org", "password": PASSWORD}
            )
            assert asked.status_code == 202
            assert (await client.get("/verify-email?token=x")).status_code == 200
            entered = await client.post(
                "/v1/login", json={"identifier": "ada", "password": PASSWORD}
            )
            assert entered.status_code == 200
            assert (await client.get("/greeting")).json() == {"hello": None}
            assert (await client.get("/v1/me")).json()["username"] == "ada"
    finally:
        await app.shutdown()
