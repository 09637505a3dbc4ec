"""People who use the service while something breaks, and what each of them was told."""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any  # Any: answers are JSON

from tests.faults.invariants import Told
from tests.mailservers import MailgunStub
from tests.world import PASSWORD

UNHEARD = 0  # in place of a status: the connection broke before an answer
_LONGEST = 30.0  # seconds; nobody is asked to wait so long
_CODE = re.compile(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: str
    body: Any

    @property
    def cookies(self) -> str:
        return "; ".join(re.findall(r"(?i)set-cookie: *([^;=]+=[^;]+)", self.headers))


class Door:
    """A keep-alive connection that costs little, so that the load does not weigh on the server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self, method: str, path: str, body: object = None, *, cookies: str = ""
    ) -> Answer:
        """Return the answer.

        Raises:
            ConnectionError, EOFError: there was none.
        """
        try:
            async with asyncio.timeout(_LONGEST):
                if self._streams is not None and self._streams[0].at_eof():
                    self.close()  # it rested for too long
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self.port)
                return await self._ask(
                    *self._streams, request(self.port, method, path, body, cookies)
                )
        except BaseException:
            self.close()
            raise

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asking: bytes
    ) -> Answer:
        writer.write(asking)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"(?i)content-length: *(\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        if re.search(r"(?i)connection: *close", head):
            self.close()
        return Answer(int(head[9:12]), head, json.loads(body) if body else None)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def request(port: int, method: str, path: str, body: object = None, cookies: str = "") -> bytes:
    """Return a request as a page of our own sends it."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"Origin: http://127.0.0.1:{port}",
        f"Content-Length: {len(content)}",
        *(["Content-Type: application/json"] if content else []),
        *([f"Cookie: {cookies}"] if cookies else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass(frozen=True)
class Outcome:
    """One request: when it was made, how long it took, and its status or `UNHEARD`."""

    what: str
    at: float
    took: float
    status: int


@dataclass
class Crowd:
    """Asks whichever server is at `ports`; the list may change while they ask."""

    ports: list[int]
    told: Told = field(default_factory=Told)
    outcomes: list[Outcome] = field(default_factory=list)
    handles: dict[str, str] = field(default_factory=dict)  # address → of its sign-up
    tried: set[str] = field(default_factory=set)  # addresses that somebody began to prove
    cookies: str = ""
    _doors: dict[int, list[Door]] = field(default_factory=dict)
    _count: int = 0

    async def settle(self, *, members: int = 4) -> None:
        """Open accounts by name and sign in, before anything breaks."""
        for number in range(members):
            body = {"username": f"member{number}", "password": PASSWORD}
            assert (await self._ask("join", "POST", "/v1/accounts", body)).status == 201
        self.cookies = await self.log_in(0) or ""
        assert self.cookies

    async def sign_up(self) -> str:
        """Return the address, which nobody else has."""
        self._count += 1
        address = f"{self._count}@example.org"
        body = {"email": address, "password": PASSWORD}
        answer = await self._ask("sign-up", "POST", "/v1/accounts", body)
        match answer.status:
            case 202:
                self.told.asked[address] += 1
                self.handles[address] = answer.body["sign_up"]
            case 0:
                self.told.unheard[address] += 1
        return address

    async def prove(self, address: str, code: str) -> int:
        self.tried.add(address)
        body = {"sign_up": self.handles[address], "code": code}
        answer = await self._ask("proof", "POST", "/v1/accounts/verification", body)
        if answer.status == 200:
            self.told.proved.add(address)
        return answer.status

    async def log_in(self, member: int) -> str | None:
        """Return the cookies, which are the session's."""
        body = {"identifier": f"member{member}", "password": PASSWORD}
        answer = await self._ask("log-in", "POST", "/v1/login", body)
        self.told.entered += answer.status == 200
        return answer.cookies if answer.status == 200 else None

    async def visit(self) -> None:
        """Log in and out again."""
        cookies = await self.log_in(random.randrange(4))
        if cookies:
            answer = await self._ask("log-out", "POST", "/v1/logout", cookies=cookies)
            self.told.left += answer.status == 204

    async def who_am_i(self) -> int:
        return (await self._ask("who-am-I", "GET", "/v1/me", cookies=self.cookies)).status

    async def healthz(self) -> float:
        """Return how long it took, in seconds."""
        await self._ask("healthz", "GET", "/healthz")
        assert self.outcomes[-1].status == 200
        return self.outcomes[-1].took

    async def _ask(
        self, what: str, method: str, path: str, body: object = None, *, cookies: str = ""
    ) -> Answer:
        port = random.choice(self.ports)
        free = self._doors.setdefault(port, [])
        door = free.pop() if free else Door(port)
        start = time.perf_counter()
        answer = Answer(UNHEARD, "", None)
        with suppress(OSError, EOFError, TimeoutError):
            answer = await door.ask(method, path, body, cookies=cookies)
            free.append(door)
        took = time.perf_counter() - start
        self.outcomes.append(Outcome(what, start, took, answer.status))
        return answer

    async def at_a_rate(self, a_second: float, *, until: asyncio.Event) -> None:
        """Ask so often, whatever became of the requests before, until told to stop.

        Nine tenths ask who they are; the rest signs up, and logs in and out.
        """
        acts: Sequence[Callable[[], Awaitable[object]]] = (self.sign_up, self.visit)
        under_way: set[asyncio.Task[object]] = set()
        start, made = time.perf_counter(), 0
        while not until.is_set():
            while made < (time.perf_counter() - start) * a_second:
                act = self.who_am_i if made % 10 else acts[made // 10 % 2]
                task = asyncio.ensure_future(act())
                under_way.add(task)
                task.add_done_callback(under_way.discard)
                made += 1
            await asyncio.sleep(0.005)
        await asyncio.gather(*under_way)

    def counted(self) -> Counter[int]:
        return Counter(outcome.status for outcome in self.outcomes)

    def close(self) -> None:
        for doors in self._doors.values():
            for door in doors:
                door.close()


def code_for(provider: MailgunStub, address: str) -> str | None:
    """Return the code in the latest letter to `address`, if one arrived."""
    for letter in reversed(provider.letters):
        if letter.fields["to"] == [address]:
            found = _CODE.search(letter.fields["text"][0])
            return found[0] if found else None
    return None


def recipients(provider: MailgunStub) -> list[str]:
    return [letter.fields["to"][0] for letter in provider.letters]


def figures(outcomes: Sequence[Outcome]) -> str:
    """Return how many were answered how, and the slowest, for people to read."""
    counted = Counter(outcome.status for outcome in outcomes)
    slowest = max((outcome.took for outcome in outcomes), default=0)
    statuses = ", ".join(f"{status or 'unheard'}: {n}" for status, n in sorted(counted.items()))
    return f"{len(outcomes)} requests ({statuses}), the slowest {slowest:.2f} s"
