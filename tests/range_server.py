"""Who is asked about passwords in place of Have I Been Pwned: on loopback, as the test wants it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from hashlib import sha1

HANG, DRIP, ENDLESS = b"hang", b"drip", b"endless"


def line(password: str, count: int = 7) -> str:
    return f"{sha1(password.encode()).hexdigest().upper()[5:]}:{count}"


def answer(lines: Iterable[str], *, status: str = "200 OK", headers: str = "") -> bytes:
    body = "\r\n".join(lines).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


class Range:
    def __init__(self) -> None:
        self.says = answer([])
        self.asked: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/range"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            match self.says:
                case b"hang":
                    await reader.read()
                case b"drip":
                    for sign in answer(["x" * 1000]):
                        writer.write(bytes([sign]))
                        await writer.drain()
                        await asyncio.sleep(0.1)
                case b"endless":
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                    while not reader.at_eof():
                        writer.write(b"x" * 65_536)
                        await writer.drain()
                case said:
                    writer.write(said)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def range_server() -> AsyncIterator[Range]:
    served = Range()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
