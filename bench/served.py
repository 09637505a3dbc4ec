"""Started by `bench/table.py` in a process of its own: what `vestibule serve` cannot serve.

`hello` is an app of five lines behind our own connections, the yardstick for what a server costs.
`cheap` is the service with a hash that takes no time.
"""

import argparse
import asyncio
import os
from typing import Any  # Any: as ASGI defines them

from argon2 import PasswordHasher

from vestibule import Settings, Vestibule, create_app, server
from vestibule.cli import logs
from vestibule.connections import Connections

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"5")]


class Hello:
    async def startup(self) -> None: ...
    async def shutdown(self) -> None: ...

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b"hello"})


def opening(name: str) -> server.Opening:
    if name == "hypercorn":
        return Connections
    from vestibule import granian  # noqa: PLC0415 - an extra brings it

    return granian.Connections


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("app", choices=["hello", "cheap"])
    arguments.add_argument("server", choices=["hypercorn", "granian"])
    chosen = arguments.parse_args()
    listener = server.listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    settings = Settings.load(port=port)
    app: Any = Hello()
    if chosen.app == "cheap":
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        app = create_app(Vestibule(settings, hasher=hasher))

    def ready() -> None:
        print(f"http://localhost:{port}", flush=True)

    with logs.written(settings):
        asyncio.run(
            server.run(app, listener, ready=ready, most=6000, opening=opening(chosen.server))
        )
    os._exit(0)  # as `vestibule serve` leaves granian


if __name__ == "__main__":
    main()
