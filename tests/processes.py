"""The service as a process of its own, which can be killed."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.world import GENEROUS


@dataclass(frozen=True)
class Served:
    """A running server; `errors` is the file that its standard error goes to."""

    base_url: str
    process: asyncio.subprocess.Process
    errors: Path

    def client(self) -> httpx.AsyncClient:
        """A page of its own origin, with a cookie jar."""
        return httpx.AsyncClient(
            base_url=self.base_url, headers={"Origin": self.base_url}, timeout=60
        )

    async def open_account(self, username: str, password: str) -> None:
        async with self.client() as client:
            body = {"username": username, "password": password}
            answer = await client.post("/v1/accounts", json=body)
            assert answer.status_code == 201, answer.text

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        await self.process.wait()


def outside(**variables: str) -> dict[str, str]:
    """Return this process's environment without its settings, and with `variables`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VESTIBULE_") and name not in ("HOST", "PORT", "WEB_CONCURRENCY")
    }
    return kept | variables


@asynccontextmanager
async def serving(
    folder: Path,
    *command: str,
    says: str = "http",
    program: Sequence[str] = ("-m", "vestibule"),
    **variables: str,
) -> AsyncIterator[Served]:
    """Run `vestibule serve` (or another command) in `folder` on a free port until the end.

    Args:
        says: what its first line must hold before it counts as running.
        program: what Python is to run in its place.
    """
    errors = folder / "errors.log"
    chosen: Sequence[str] = command or ("serve", "--port", "0")
    with errors.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *program, *chosen),
            cwd=folder,
            env=outside(
                **{"VESTIBULE_LIMITS": GENEROUS, "VESTIBULE_ALLOWED_HOSTS": "127.0.0.1"} | variables
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
        )
    assert process.stdout is not None
    try:
        first = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        assert says in first, first + errors.read_text()
        # Production names the socket, for the proxy, before the URL that people type.
        address = re.search(r"listening on (\S+)", first) or re.search(r"http://(\S+)", first)
        yield Served(f"http://{address[1]}" if address else "", process, errors)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()
            assert process.returncode == 0, errors.read_text()
