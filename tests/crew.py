"""Two workers under the supervisor, as a program; it says `ready` once both are.

Run with a file in which each notes its number, and with what a worker does: `serve`, or `crash` as
soon as it is ready, or `fail` before that, or `hang` once it is told to stop.
"""

import asyncio
import sys
from pathlib import Path

from tests import hand
from vestibule import server, supervisor


def say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    listener = server.listen("127.0.0.1", 0)
    command = [sys.executable, str(Path(str(hand.__file__))), *sys.argv[1:]]
    crew = supervisor.Supervisor(listener, command, count=2)
    asyncio.run(crew.run(ready=lambda: say("ready")))
