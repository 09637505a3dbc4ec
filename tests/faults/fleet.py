"""Servers as processes on ports of their own, and what the system says of each."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.processes import Served, serving

SECRET = "2b1c5e0a94d7f83c6b1d0e5f7a9c3b8d4e6f1a2b3c4d5e6f708192a3b4c5d6e7"


class Fleet:
    """So many servers on one database. `ports` is one list for good: who holds it sees changes."""

    def __init__(self, folder: Path, count: int, **variables: str) -> None:
        self.folder, self.count = folder, count
        self.variables = {"VESTIBULE_SECRETS": SECRET} | variables
        self.ports: list[int] = []
        self.kills = 0
        self._running: list[tuple[AsyncExitStack, Served]] = []

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(self._start(str(number)) for number in range(self.count)))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(stack.aclose() for stack, _ in self._running))

    @property
    def servers(self) -> list[Served]:
        return [served for _, served in self._running]

    async def kill_one(self) -> None:
        """Kill the server that runs the longest, and start another."""
        stack, served = self._running.pop(0)
        await served.kill()
        self.kills += 1
        self.ports.remove(port_of(served))
        await stack.aclose()
        await self._start(served.errors.parent.name)

    async def _start(self, name: str) -> None:
        place = self.folder / name
        place.mkdir(exist_ok=True)
        stack = AsyncExitStack()
        served = await stack.enter_async_context(serving(place, **self.variables))
        self._running.append((stack, served))
        self.ports.append(port_of(served))


def port_of(served: Served) -> int:
    return int(served.base_url.rpartition(":")[2])


def descriptors(pid: int) -> int:
    """How many files and sockets a process holds open."""
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


def memory(pid: int) -> int:
    """How much of a process is in memory, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])
