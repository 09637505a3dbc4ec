"""Several processes on one socket: started, watched, replaced, renewed and stopped together.

The supervisor binds and never accepts, so nobody is refused while its workers come and go. Each
worker is a program of its own, not a copy of this one: it reads the settings anew, and is of the
version that is installed when it starts.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence

from vestibule.kernel.errors import CannotStart
from vestibule.server import GONE, GONE_UNHURRIED
from vestibule.stopping import STOPS, on_stop

_STARTING = 60.0  # seconds that a worker may take until it serves
_SETTLED = 10.0  # seconds after which a worker that ends is no crash loop
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds between tries in one
_SPARE = 0.2  # seconds
_READY = b"\n"

log = logging.getLogger("vestibule.supervisor")


class Worker:
    """A process that serves; when it or its supervisor ends, the line between them is cut."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self.process = process
        self.retired = False
        self._line = line
        self._since = asyncio.get_running_loop().time()
        self.ended = asyncio.create_task(self._end())

    @property
    def age(self) -> float:
        return asyncio.get_running_loop().time() - self._since

    @property
    def end(self) -> str:
        code = self.process.returncode or 0
        return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

    async def serves(self) -> bool:
        """Wait until it serves, or return False once it has ended without that."""
        try:
            async with asyncio.timeout(_STARTING):
                if await asyncio.get_running_loop().sock_recv(self._line, 1) == _READY:
                    return True
                await asyncio.shield(self.ended)
        except TimeoutError:
            self.tell(signal.SIGKILL)
            await asyncio.shield(self.ended)
        return False

    async def retire(self) -> None:
        """Have it finish in peace; return once it is gone."""
        self.retired = True
        self.tell(signal.SIGHUP)
        await asyncio.wait({self.ended}, timeout=GONE_UNHURRIED + _SPARE)
        self.tell(signal.SIGKILL)
        await asyncio.shield(self.ended)

    def tell(self, what: signal.Signals) -> None:
        if self.process.returncode is None:
            self.process.send_signal(what)

    async def _end(self) -> None:
        await self.process.wait()
        self._line.close()


class Supervisor:
    """Keeps `count` workers on `listener`.

    Args:
        command: starts a worker; it is told the descriptors of the socket and of the line to us as
            `--listener` and `--line`.
    """

    def __init__(self, listener: socket.socket, command: Sequence[str], *, count: int) -> None:
        self._listener = listener
        self._command = command
        self._count = count
        self._alive: set[Worker] = set()
        self._places: list[Worker] = []
        self._locks = [asyncio.Lock() for _ in range(count)]  # one successor a place at a time
        self._renewal = asyncio.Event()

    async def run(self, *, ready: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT; a second signal kills the workers.

        SIGHUP puts a new worker into the place of each, one after the other.

        Args:
            ready: called once every worker serves.

        Raises:
            CannotStart: one of the first workers did not; it has said why.
        """
        loop = asyncio.get_running_loop()
        asked = asyncio.Event()
        on_stop(
            lambda _: asked.set(),
            within=dict.fromkeys(STOPS, GONE + 2 * _SPARE),
            again=self._kill,
        )
        loop.add_signal_handler(signal.SIGHUP, self._renewal.set)
        working = asyncio.create_task(self._work(ready))
        stopping = asyncio.create_task(asked.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel()
            await asyncio.wait({working})
            stopping.cancel()
            await self._stop()
        if not working.cancelled():
            working.result()

    async def _work(self, ready: Callable[[], None]) -> None:
        self._places.append(await self._first())  # alone: what is wrong is told once
        others = (self._first() for _ in range(1, self._count))
        self._places.extend(await asyncio.gather(*others))
        ready()
        async with asyncio.TaskGroup() as group:
            for place in range(self._count):
                group.create_task(self._keep(place))
            group.create_task(self._keep_renewing())

    async def _first(self) -> Worker:
        worker = await self._start()
        if await worker.serves():
            return worker
        told = worker.process.returncode == 1
        raise CannotStart(*([] if told else [f"a worker ended {worker.end}, before it served"]))

    async def _start(self) -> Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            inherited = {"--listener": self._listener.fileno(), "--line": theirs.fileno()}
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *(f"{option}={descriptor}" for option, descriptor in inherited.items()),
                pass_fds=tuple(inherited.values()),
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C is for the supervisor, who passes it on
            )
        worker = Worker(process, ours)
        self._alive.add(worker)
        worker.ended.add_done_callback(lambda _: self._alive.discard(worker))
        return worker

    async def _keep(self, place: int) -> None:
        """Put another worker into the place of one that ended by itself, later each time."""
        wait = 0.0
        while True:
            worker = self._places[place]
            await asyncio.shield(worker.ended)
            if self._places[place] is not worker:
                continue
            wait = 0.0 if worker.age > _SETTLED else max(wait, _FIRST_WAIT)
            log.error("worker %d ended %s; starting another", worker.process.pid, worker.end)
            while self._places[place] is worker:
                await asyncio.sleep(wait)
                wait = min(max(2 * wait, _FIRST_WAIT), _LONGEST_WAIT)
                async with self._locks[place]:
                    if self._places[place] is worker and await self._succeed(place):
                        log.info("worker %d serves instead", self._places[place].process.pid)

    async def _keep_renewing(self) -> None:
        while True:
            await self._renewal.wait()
            self._renewal.clear()
            log.info("starting a new worker in the place of each")
            for place in range(self._count):
                if not await self._renew(place):
                    break
            else:
                log.info("every worker is new")

    async def _renew(self, place: int) -> bool:
        async with self._locks[place]:
            old = self._places[place]
            if not await self._succeed(place):
                log.error("a new worker does not start; worker %d stays", old.process.pid)
                return False
        await old.retire()
        return True

    async def _succeed(self, place: int) -> bool:
        worker = await self._start()
        if not await worker.serves():
            return False
        self._places[place] = worker
        return True

    async def _stop(self) -> None:
        self._listener.close()
        for worker in self._alive:
            if not worker.retired:  # it is stopping; a second signal would cut it off
                worker.tell(signal.SIGTERM)
        ends = {worker.ended for worker in self._alive}
        if ends:
            _, late = await asyncio.wait(ends, timeout=GONE + _SPARE)
            if late:
                self._kill()
                await asyncio.wait(late)

    def _kill(self) -> None:
        for worker in self._alive:
            worker.tell(signal.SIGKILL)


def report(line: socket.socket) -> None:
    """As a worker: say that we serve, and stop as at SIGTERM once there is no supervisor."""
    loop = asyncio.get_running_loop()

    def alone() -> None:
        loop.remove_reader(line)
        os.kill(os.getpid(), signal.SIGTERM)

    try:
        line.send(_READY)
        loop.add_reader(line, alone)
    except OSError:
        alone()
