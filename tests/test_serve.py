"""The command line, as a stranger runs it."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import httpx


async def test_serve_starts_from_nothing_and_stops_when_told(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vestibule",
        "serve",
        "--port",
        "0",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        said = await asyncio.wait_for(process.stdout.readline(), 20)
        found = re.search(r"http://localhost:\d+", said.decode())
        assert found
        async with httpx.AsyncClient(base_url=found[0]) as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert (await client.get("/v1/me")).status_code == 401
        assert (tmp_path / "data" / "vestibule.db").stat().st_mode & 0o777 == 0o600
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert process.returncode == 0
