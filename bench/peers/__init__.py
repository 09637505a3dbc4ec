"""Others, with their defaults, each in a virtual environment of its own under `.venv-peers`."""

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent
VENVS = HERE.parents[1] / ".venv-peers"


@asynccontextmanager
async def fastapi_users(password: str) -> AsyncIterator[tuple[int, int]]:
    """Serve fastapi-users on uvicorn with one account; yield its port and process."""
    python = _environment("fastapi_users")
    with TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(python, "-m", "uvicorn", "--app-dir", HERE, "fastapi_users_app:app"),
            *("--port", "0", "--no-access-log"),
            cwd=folder,
            env={"PEER_PASSWORD": password, "PATH": "/usr/bin:/bin"},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield await _port(process), process.pid
        finally:
            process.terminate()
            await process.wait()


def _environment(name: str) -> Path:
    """Return the Python of the peer's environment."""
    place = VENVS / name
    python = place / "bin/python"
    if not (place / "ready").exists():
        print(f"making {place.relative_to(HERE.parents[1])}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        wanted = HERE / f"{name}.txt"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
        (place / "ready").touch()
    return python


async def _port(process: asyncio.subprocess.Process) -> int:
    """Read what uvicorn says until it names its port."""
    assert process.stderr is not None
    async for line in process.stderr:
        if said := re.search(rb"running on http://127\.0\.0\.1:(\d+)", line):
            return int(said[1])
    raise RuntimeError("uvicorn did not start")
