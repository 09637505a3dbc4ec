"""Load that costs little: sockets that stay open, bytes made before, one thread, no framework.

A request costs it some 15 µs of a core, so it is not what is measured until a service answers
some tens of thousands a second; whoever prints figures says so where it was (`Rate.starved`).
"""

import re
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

Following = Callable[[bytes], bytes]  # the answer before, empty at first, to the next request

_WARM = 0.3  # seconds that do not count
_PATIENCE = 20.0  # seconds for one answer
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass(frozen=True)
class Rate:
    """What one client after the other got: answers a second, and how busy both sides were."""

    per_second: float
    cost: float  # µs of processor that the service spent on one
    starved: bool  # the load's core was busy, the service's was not

    def __lt__(self, other: "Rate") -> bool:
        return self.per_second < other.per_second


class Wire:
    """A connection with one request under way at most."""

    def __init__(self, port: int, following: Following) -> None:
        self._port = port
        self._following = following
        self._came = b""
        self._last = b""
        self.idle = True
        self._open()

    def _open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self._port), timeout=_PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self) -> None:
        self.idle = False
        self.socket.sendall(self._following(self._last))

    def hear(self) -> bool:
        """Take in what came; return whether the answer is whole."""
        more = self.socket.recv(65_536)
        self._came += more
        head = self._came.find(b"\r\n\r\n")
        if not more or head < 0:
            if not more:
                raise RuntimeError(f"the service hung up after {self._came[:200]!r}")
            return False
        length = _LENGTH.search(self._came, 0, head)
        if len(self._came) < head + 4 + (int(length[1]) if length else 0):
            return False
        status = self._came[9:12]
        if status >= b"300":
            raise RuntimeError(f"answered {self._came[:600]!r}")
        self._last, self._came = self._came, b""
        self.idle = True
        return True

    def ask_and_hear(self) -> None:
        self.ask()
        while not self.hear():
            pass

    def close(self) -> None:
        self._following(self._last)  # which may hold what the next connection goes on with
        self.socket.close()


def same(request: bytes) -> Following:
    return lambda _: request


@contextmanager
def wires(port: int, following: Sequence[Following], count: int) -> Iterator[list[Wire]]:
    """Open `count` connections and ask once on each; they share out who asks what."""
    opened: list[Wire] = []
    try:
        for number in range(count):
            wire = Wire(port, following[number % len(following)])
            opened.append(wire)
            wire.ask_and_hear()
        yield opened
    finally:
        for wire in opened:
            wire.close()


@contextmanager
def _heard(opened: Sequence[Wire]) -> Iterator[tuple[select.epoll, dict[int, Wire]]]:
    by_number = {wire.socket.fileno(): wire for wire in opened}
    poll = select.epoll()
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    try:
        yield poll, by_number
    finally:
        poll.close()


def keep_asking(opened: Sequence[Wire], *, seconds: float) -> tuple[int, float]:
    """Ask on every connection without pause; return how many answers came in how many seconds."""
    with _heard(opened) as (poll, by_number):
        for wire in opened:
            wire.ask()
        answered, began = 0, time.perf_counter()
        end = began + seconds
        while (now := time.perf_counter()) < end:
            for number, _ in poll.poll(0.1):
                wire = by_number[number]
                if wire.hear():
                    answered += 1
                    wire.ask()
        _finish(poll, by_number)
    return answered, now - began


def steadily(opened: Sequence[Wire], *, rate: float, seconds: float) -> list[float]:
    """Ask so often a second, whatever the answers do; return how long each took.

    It counts from when a request was due, so what is late because of another is late. Who does not
    keep up is asked for some seconds more, and then no more.
    """
    waits: list[float] = []
    due: dict[int, float] = {}
    rested = deque(opened)
    with _heard(opened) as (poll, by_number):
        asked, began = 0, time.perf_counter()
        while asked < rate * seconds and time.perf_counter() < began + seconds + _PATIENCE:
            next_at = began + asked / rate
            early = next_at - time.perf_counter()
            if rested and early <= 0:
                wire = rested.popleft()
                due[wire.socket.fileno()] = next_at
                wire.ask()
                asked += 1
                continue
            for number, _ in poll.poll(early if rested else 0.1):
                if by_number[number].hear():
                    waits.append(time.perf_counter() - due[number])
                    rested.append(by_number[number])
        waits += [time.perf_counter() - due[number] for number in _finish(poll, by_number)]
    return waits


def _finish(poll: select.epoll, by_number: dict[int, Wire]) -> list[int]:
    """Hear what is under way."""
    heard = []
    end = time.perf_counter() + _PATIENCE
    while any(not wire.idle for wire in by_number.values()):
        if time.perf_counter() > end:
            raise RuntimeError(f"an answer did not come within {_PATIENCE:g} s")
        for number, _ in poll.poll(0.1):
            if by_number[number].hear():
                heard.append(number)
    return heard


def measure(
    opened: Sequence[Wire], *, seconds: float, spent: Callable[[], float], cores: tuple[int, int]
) -> Rate:
    """Return how many answers a second come on these connections.

    Args:
        spent: the seconds of processor that the service has had.
        cores: the service's and the load's.
    """
    keep_asking(opened, seconds=_WARM)
    before, rested = spent(), [_rested(core) for core in cores]
    answered, took = keep_asking(opened, seconds=seconds)
    cost = (spent() - before) / max(answered, 1)
    service, load = (
        1 - (_rested(core) - at_first) / took for core, at_first in zip(cores, rested, strict=True)
    )
    return Rate(answered / took, cost * 1e6, starved=load > 0.9 > service)


def _rested(core: int) -> float:
    """Return the seconds for which a core had nothing to do."""
    with open("/proc/stat", encoding="ascii") as told:  # noqa: PTH123 - read hundreds of times
        for line in told:
            name, *ticks = line.split()
            if name == f"cpu{core}":
                return (int(ticks[3]) + int(ticks[4])) / 100
    return 0.0
