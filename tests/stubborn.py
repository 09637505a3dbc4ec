"""A service whose requests do not end by themselves; it says which is under way.

Run with two spans of seconds: until idle connections are closed once a stop is asked for, and what
requests under way get after that. It prints its port first.
"""

import asyncio
import sys
import time
from pathlib import Path

from quart import Quart, request

from vestibule import server

app = Quart(__name__)


def say(word: str) -> None:
    print(word, flush=True)  # noqa: T201 - the test reads it


@app.get("/quick")
async def quick() -> str:
    return "done"


@app.get("/held")
async def held() -> str:
    """Answer once there is a file `release`."""
    say("held")
    while not await asyncio.to_thread(Path("release").exists):
        await asyncio.sleep(0.01)
    return "done"


@app.get("/endless")
async def endless() -> str:
    say("endless")
    await asyncio.Event().wait()
    return "never"


@app.get("/thread")
async def thread() -> str:
    """Hold a thread, which nobody can cancel."""
    say("thread")
    await asyncio.to_thread(time.sleep, 3600)
    return "never"


@app.post("/body")
async def body() -> str:
    say("body")
    return str(len(await request.get_data()))


if __name__ == "__main__":
    listener = server.listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    goodbye, grace = map(float, sys.argv[1:])
    asyncio.run(
        server.run(app, listener, ready=lambda: say(str(port)), goodbye=goodbye, grace=grace)
    )
