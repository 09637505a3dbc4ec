"""Workers under the supervisor, as a program: each notes its number, and ends as it is told to.

Run with a file to note in, and with what a worker does: `serve`, or `crash` as soon as it is ready,
or `fail` before that, or `hang` once it is told to stop. It says `ready` once all of two are.
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from vestibule import server, supervisor


def say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - the test reads it


async def work(line: socket.socket, how: str) -> None:
    if how == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    supervisor.report(line)
    if how != "crash":
        await asyncio.Event().wait()


if __name__ == "__main__":
    notes, how, *descriptors = sys.argv[1:]
    if descriptors:
        with Path(notes).open("a") as file:
            file.write(f"{os.getpid()}\n")
        if how == "fail":
            sys.exit(1)
        asyncio.run(work(socket.socket(fileno=int(descriptors[-1].partition("=")[2])), how))
        sys.exit(3)
    listener = server.listen("127.0.0.1", 0)
    crew = supervisor.Supervisor(listener, [sys.executable, __file__, notes, how], count=2)
    asyncio.run(crew.run(ready=lambda: say("ready")))
