"""The service as strangers meet it: in production mode, or as a process of its own."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.attacks.looking import House, Kept
from tests.processes import serving
from vestibule.kernel.settings.dialects import NAMES

PRODUCTION: dict[str, Any] = {  # Any: whatever the settings take
    "mode": "production",
    "base_url": "https://auth.test",
    "sqlite_in_production": True,
    "secrets": "b7Qy0uT1vJx4nR8kZ2mW6cH9sL3dF5gA0pE7iO1yUqM=",
    "mail_transport": "smtp",
    "mail_from": "Vestibule <no-reply@auth.test>",
    "smtp_host": "mail.test",
}


@pytest.fixture(params=["", pytest.param(",".join(NAMES), id="dialects", marks=pytest.mark.prove)])
async def world(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> AsyncIterator[House]:
    """The service in production mode, on each database; its letters are kept.

    With every dialect beside it, too: what one promises its front end changes nothing at `/v1`.
    """
    mounted = PRODUCTION | {"dialects": request.param}
    async with House.running(database_url, tmp_path, transport=Kept(), **mounted) as made:
        yield cast(House, made)


@dataclass(frozen=True)
class Wire:
    """A process of its own, in development mode on SQLite."""

    base_url: str
    said: Path

    async def raw(self, sent: bytes) -> bytes:
        """Send bytes as they are; return all that comes back before the line rests."""
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(self.base_url).port)
        writer.write(sent)
        came = b""
        try:
            async with asyncio.timeout(5):
                while not _is_whole(came) and (more := await reader.read(65_536)):
                    came += more
        finally:
            writer.close()
        return came

    async def request(
        self,
        line: str,
        *headers: bytes,
        host: Sequence[bytes] = (b"localhost",),
        body: bytes = b"",
    ) -> int:
        """Send one request whose headers are any bytes at all; return the answer's status."""
        hosts = [b"Host: " + name for name in host]
        head = [line.encode(), *hosts, *headers, b"Content-Length: %d" % len(body)]
        came = await self.raw(b"\r\n".join(head) + b"\r\n\r\n" + body)
        assert came.startswith(b"HTTP/1.1 "), (line, headers, came[:200])
        return int(came[9:12])

    async def letters(self) -> list[dict[str, str]]:
        async with httpx.AsyncClient(base_url=self.base_url) as client:
            answer = await client.get("/dev/mailbox", headers={"Accept": "application/json"})
            return cast(list[dict[str, str]], answer.json())


def _is_whole(answer: bytes) -> bool:
    head, blank, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(blank) and length is not None and len(body) >= int(length[1])


@pytest.fixture(scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    folder = tmp_path_factory.mktemp("served")
    async with serving(folder) as running:
        yield Wire(running.base_url, running.errors)
