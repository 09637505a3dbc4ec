"""The service with two OpenID providers and GitHub, all of which do what a test tells them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Any: settings

import httpx
import pytest

from tests.federation.provider import CLIENT, SECRET, Provider, providing
from tests.world import Client, World

OURS = "https://app.example.test/cb"


@dataclass
class House:
    """`op1` says whose an address is, and is believed; `op2` is not."""

    world: World
    op1: Provider
    op2: Provider
    github: Provider

    def browser(self) -> Client:
        """As a browser goes from page to page."""
        return self.world.client(**{"Sec-Fetch-Site": "none"})

    async def begin(self, browser: Client, name: str = "op1", **asked: str) -> str:
        """Leave for a provider; return the URL that the browser is sent to."""
        left = await browser.get(f"/v1/oauth/{name}/start", params=asked)
        assert left.status_code == 303, left.text
        return left.headers["Location"]

    async def come_back(
        self, browser: Client, brought: dict[str, str], name: str = "op1"
    ) -> httpx.Response:
        return await browser.get(f"/v1/oauth/{name}/callback", params=brought)

    async def sign_in(
        self,
        browser: Client,
        subject: str = "1000",
        name: str = "op1",
        intent: str = "either",
        **claims: Any,
    ) -> httpx.Response:
        """The whole way of a browser."""
        url = await self.begin(browser, name, intent=intent)
        brought = getattr(self, name).agree(url, subject, **claims)
        return await self.come_back(browser, brought, name)

    async def who(self, browser: Client) -> dict[str, Any] | None:
        answer = await browser.get("/v1/me")
        return answer.json() if answer.status_code == 200 else None


@asynccontextmanager
async def opened(database_url: str, folder: Path, **settings: Any) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        op1, op2, github = [await stack.enter_async_context(providing()) for _ in range(3)]
        of_each = {"client_id": CLIENT, "client_secret": SECRET}
        given = {
            "oidc": {
                "op1": {"issuer": op1.issuer, "trust_email": True, **of_each},
                "op2": {"issuer": op2.issuer, **of_each},
            },
            "github_client_id": CLIENT,
            "github_client_secret": SECRET,
            "github_url": github.issuer,
            "github_api_url": github.issuer,
            "oauth_redirect_uris": OURS,
        }
        world = await stack.enter_async_context(
            World.running(database_url, folder, **given | settings)
        )
        yield House(world, op1, op2, github)


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(database_url, tmp_path) as made:
        yield made
