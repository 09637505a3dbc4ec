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
async def fastapi_users(password: str, **variables: str) -> AsyncIterator[tuple[int, int]]:
    """Serve fastapi-users on uvicorn with one account or more; yield its port and process."""
    command = ("uvicorn", "--app-dir", str(HERE), "fastapi_users_app:app", "--port", "0")
    options = ("--no-access-log", "--timeout-keep-alive", "3600")
    async with _serving("fastapi_users", *command, *options, password=password, **variables) as it:
        yield it


@asynccontextmanager
async def flask_jwt_extended(password: str, **variables: str) -> AsyncIterator[tuple[int, int]]:
    """Serve Flask-JWT-Extended on gunicorn: threads, so that connections may stay open."""
    command = ("gunicorn", "--chdir", str(HERE), "flask_jwt_extended_app:app")
    options = ("--bind", "127.0.0.1:0", "--worker-class", "gthread", "--threads", "8")
    kept = ("--keep-alive", "3600", "--worker-connections", "6000", "--no-control-socket")
    async with _serving(
        "flask_jwt_extended", *command, *options, *kept, password=password, **variables
    ) as it:
        yield it


@asynccontextmanager
async def _serving(
    name: str, *command: str, password: str, **variables: str
) -> AsyncIterator[tuple[int, int]]:
    python = _environment(name)
    with TemporaryDirectory() as folder:
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-m", *command),
            cwd=folder,
            env={"PEER_PASSWORD": password, "PATH": "/usr/bin:/bin"} | variables,
            stderr=asyncio.subprocess.PIPE,
        )
        told = None
        try:
            port = await _port(process)
            told = asyncio.create_task(_let_it_speak(process))
            yield port, process.pid
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            if told is not None:
                await told


def _environment(name: str) -> Path:
    """Return the Python of the peer's environment, which is made where it is not current."""
    place = VENVS / name
    python, ready, wanted = place / "bin/python", place / "ready", HERE / f"{name}.txt"
    if not ready.exists() or ready.read_text("ascii") != wanted.read_text("ascii"):
        print(f"making {place.relative_to(HERE.parents[1])}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", wanted], check=True)
        ready.write_text(wanted.read_text("ascii"), "ascii")
    return python


async def _port(process: asyncio.subprocess.Process) -> int:
    """Read what the server says until it names its port and takes requests."""
    assert process.stderr is not None
    said, port = b"", 0
    async for line in process.stderr:
        said += line
        if named := re.search(rb"(?:running on|Listening at:) http://127\.0\.0\.1:(\d+)", line):
            port = int(named[1])
        if port and (b"running on" in line or b"Booting worker" in line):
            return port
    raise RuntimeError(f"it did not start: {said.decode()[-2000:]}")


async def _let_it_speak(process: asyncio.subprocess.Process) -> None:
    """Read on, so that it never waits for us."""
    assert process.stderr is not None
    while await process.stderr.readline():
        pass
