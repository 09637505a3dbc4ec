"""Requests at a steady pace, from a process of its own, until standard input ends.

Run with a port and requests per second. Half of them come over new connections, half over a few
that stay open as long as the server lets them, as browsers and proxies keep them. At the end it
prints how many were answered, and every one that was not.
"""

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress

PATHS = ("/healthz", "/v1/me")
RIGHT = {"/healthz": b"200", "/v1/me": b"401"}
PATIENCE = 10  # seconds until an answer counts as missing
KEPT = 16

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Load:
    def __init__(self, port: int) -> None:
        self._port = port
        self._resting: list[Line] = []
        self.answered: Counter[str] = Counter()
        self.failed: list[str] = []
        self.opened = 0

    async def ask(self, path: str, *, kept: bool) -> None:
        """Ask once; nothing is tried again, as for a request that must not be sent twice."""
        kind = "kept" if kept else "new"
        try:
            async with asyncio.timeout(PATIENCE):
                line = (self._rested() if kept else None) or await self._open()
                status, stays = await self._exchange(line, path, kept=kept)
        except (OSError, EOFError, TimeoutError) as error:
            self.failed.append(f"{kind} {path}: {type(error).__name__}")
            return
        if kept and stays and len(self._resting) < KEPT:
            self._resting.append(line)
        else:
            line[1].close()
        if status == RIGHT[path]:
            self.answered[kind] += 1
        else:
            self.failed.append(f"{kind} {path}: {status.decode()}")

    def _rested(self) -> Line | None:
        while self._resting:
            reader, writer = self._resting.pop(0)
            if not reader.at_eof():  # any client looks before it sends
                return reader, writer
            writer.close()
        return None

    async def _open(self) -> Line:
        self.opened += 1
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _exchange(self, line: Line, path: str, *, kept: bool) -> tuple[bytes, bool]:
        reader, writer = line
        connection = "keep-alive" if kept else "close"
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n"
        writer.write(head.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = answer.partition(b"content-length:")[2].split(b"\r\n")[0]
        await reader.readexactly(int(length))
        return answer.split(b" ")[1], b"connection: close" not in answer


async def main(port: int, rate: float) -> None:
    load = Load(port)
    end = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    begun = asyncio.get_running_loop().time()
    asked = 0
    async with asyncio.TaskGroup() as group:
        while not end.done():
            due = (asyncio.get_running_loop().time() - begun) * rate
            while asked < due:
                group.create_task(load.ask(PATHS[asked // 2 % 2], kept=bool(asked % 2)))
                asked += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(end), 1 / rate)
    seconds = asyncio.get_running_loop().time() - begun
    report = {
        "asked": asked,
        "rate": asked / seconds,
        "answered": load.answered,
        "opened": load.opened,
        "failed": load.failed,
    }
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
