"""The process that is fuzzed: production with its description shown, limits off, one account."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Any: JSON
from uuid import uuid4

import httpx

from tests.attacks.conftest import PRODUCTION
from tests.processes import Served, serving
from tests.world import PASSWORD
from vestibule.kernel import limits
from vestibule.kernel.settings import PREFIX

OWN = PRODUCTION["base_url"]
COOKIE = "__Host-vestibule"


@dataclass(frozen=True)
class Subject:
    """A service that goes on, whatever it is sent."""

    served: Served
    document: dict[str, Any]

    @property
    def port(self) -> int:
        return int(self.served.base_url.rpartition(":")[2])

    async def log_in(self) -> str:
        """Return the cookie of a new session."""
        async with self._client() as client:
            body = {"identifier": "ada", "password": PASSWORD}
            answer = await client.post("/v1/login", json=body)
            if answer.status_code == 401:  # one of the requests closed the account
                name = f"ada{uuid4().hex}"
                opened = await client.post(
                    "/v1/accounts", json={"username": name, "password": PASSWORD}
                )
                assert opened.status_code == 201, opened.text
                answer = await client.post("/v1/login", json=body | {"identifier": name})
            assert answer.status_code == 200, answer.text
            lines = answer.headers.get_list("Set-Cookie")
            return next(each for each in lines if each.startswith(f"{COOKIE}=")).partition(";")[0]

    async def check(self) -> None:
        """Assert that it is the same process, that it is well, and that nothing surprised it."""
        assert self.served.process.returncode is None, "it died"
        async with self._client() as client:
            assert (await client.get("/readyz")).status_code == 200
        await self.log_in()
        assert "Traceback" not in self.served.errors.read_text()

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.served.base_url, headers={"Origin": OWN}, timeout=10)

    @property
    def memory(self) -> int:
        """MiB that it holds."""
        pages = Path(f"/proc/{self.served.process.pid}/statm").read_text("ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") >> 20


@asynccontextmanager
async def fuzzed(database_url: str, folder: Path) -> AsyncIterator[Subject]:
    given = PRODUCTION | {
        "database_url": database_url,
        "courier": False,
        "api_docs": True,
        "limits": ", ".join(f"{name}=off" for name in limits.TABLE),  # or 429 would be all there is
    }
    variables = {PREFIX + name.upper(): str(value) for name, value in given.items()}
    async with serving(folder, **variables) as served:
        async with httpx.AsyncClient(
            base_url=served.base_url, headers={"Origin": OWN}, timeout=10
        ) as client:
            document = (await client.get("/openapi.json")).json()
            body = {"username": "ada", "password": PASSWORD}
            opened = await client.post("/v1/accounts", json=body)
            assert opened.status_code == 201, opened.text
        yield Subject(served, document)
