"""`make bench`: our service and its peers side by side, as a table of medians and ratios.

Services run on one core; this process, which asks, and PostgreSQL on another. Each row is measured
in rounds, one service after the other in each, so that what else the machine does meets all alike.
"""

import argparse
import asyncio
import resource
import signal
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

TOP = Path(__file__).parents[1]
sys.path[:0] = [str(TOP)]

from bench import load, processes, services, storm  # noqa: E402 - the checkout is no package
from bench.load import Rate  # noqa: E402
from bench.services import Service  # noqa: E402
from tests.postgres import server  # noqa: E402

LONGEST = 3600  # seconds, after which it gives up


@dataclass(frozen=True)
class Effort:
    """How much is asked."""

    rounds: int
    seconds: float  # of a row, for a service, in a round
    storm: float  # the same, for the storm
    steady: float  # the same, for steady requests over many connections
    connections: tuple[int, int]


FULL = Effort(rounds=5, seconds=4, storm=10, steady=10, connections=(1000, 5000))
QUICK = Effort(rounds=1, seconds=0.5, storm=2, steady=2, connections=(100, 500))

# What is asked, on how many connections, and what asks it.
ROWS: Mapping[str, tuple[int, Callable[[Service], list[load.Following]]]] = {
    "who-am-I, bearer": (32, lambda each: each.bearer),
    "who-am-I, cookie": (32, lambda each: each.cookie),
    "/v1/verify": (32, lambda each: each.verify),
    "bare hello": (32, lambda each: each.hello),
    "refresh": (32, lambda each: each.refresh),
    "log-in": (8, lambda each: each.log_in),
}
SIGN_UP = "sign-up, no hash"
STEADY = 400  # requests a second
BAR = "-"


class Bench:
    """Services that run, and what was measured of them: row, then service, then figures."""

    def __init__(self, effort: Effort, cores: tuple[int, int]) -> None:
        self._effort = effort
        self._cores = cores
        self.running: list[Service] = []
        self.cheap: list[Service] = []
        self.rates: dict[str, dict[str, list[Rate]]] = {}
        self.figures: dict[str, dict[str, list[float]]] = {}
        self.trouble: list[str] = []

    async def measure(self) -> None:
        for service in self.running + self.cheap:
            processes.pin(service.pid, self._cores[0])
        for service in self.running:
            self._note("memory at rest, MiB", service, processes.held(service.pid))
        for turn in range(self._effort.rounds):
            say(f"round {turn + 1} of {self._effort.rounds}")
            await self._round()
        for service in self.running:
            if service.bearer:
                self._many(service)

    async def _round(self) -> None:
        for row, (connections, asks) in ROWS.items():
            for service in self.running:
                self._rate(row, service, asks(service), connections)
        for service in self.cheap:
            self._rate(SIGN_UP, service, service.sign_up, 32)
        for service in self.running:
            if service.log_in:
                await self._storm(service)

    def _rate(
        self, row: str, service: Service, following: list[load.Following], connections: int
    ) -> None:
        if not following:
            return
        processes.pin(service.pid, self._cores[0])
        with (
            self._troubled(f"{service.name}, {row}"),
            load.wires(service.port, following, connections) as opened,
        ):
            rate = load.measure(
                opened,
                seconds=self._effort.seconds,
                spent=lambda: processes.spent(service.pid),
                cores=self._cores,
            )
            self.rates.setdefault(row, {}).setdefault(service.name, []).append(rate)

    async def _storm(self, service: Service) -> None:
        subject = storm.Subject(
            name=service.name,
            port=service.port,
            pid=service.pid,
            hasher=service.hasher,
            log_in=service.log_in[0](b""),
            who_am_i=lambda _: service.bearer[0](b""),
        )
        with self._troubled(f"{service.name}, storm"):
            figures = await storm.measure(subject, seconds=self._effort.storm)
            share = 100 * figures.log_ins / figures.bare
            self._note("storm: who-am-I p99 before, ms", service, figures.quiet_p99)
            self._note("storm: who-am-I p99 in it, ms", service, figures.storm_p99)
            self._note("storm: log-ins, % of the bare hash", service, share)
            self._note("storm: requests answered 500", service, figures.broken)

    def _many(self, service: Service) -> None:
        """Hold connections, and ask steadily over all of them."""
        before = processes.held(service.pid)
        for count in self._effort.connections:
            say(f"{count} connections to {service.name}")
            with (
                self._troubled(f"{service.name}, {count} connections"),
                load.wires(service.port, service.bearer, count) as opened,
            ):
                grown = processes.held(service.pid) - before
                self._note(f"memory of {count} idle connections, MiB", service, grown)
                if count == max(self._effort.connections):
                    waits = load.steadily(opened, rate=STEADY, seconds=self._effort.steady)
                    p99 = statistics.quantiles(waits, n=100)[98] * 1e3
                    self._note(f"p99 of {STEADY}/s over {count} connections, ms", service, p99)

    @contextmanager
    def _troubled(self, what: str) -> Iterator[None]:
        """Go on with the others when a service fails, and tell of it under the table."""
        try:
            yield
        except (OSError, EOFError, RuntimeError) as error:
            self.trouble.append(f"{what}: {type(error).__name__} {error}"[:200])
            say(self.trouble[-1])

    def _note(self, row: str, service: Service, figure: float) -> None:
        self.figures.setdefault(row, {}).setdefault(service.name, []).append(figure)


OURS = {"hypercorn": "Vestibule", "granian": "Vestibule, granian"}
HELLO = {"hypercorn": "hello", "granian": "hello, granian"}
PEERS = ("fastapi-users", "Flask-JWT-Extended")


def table(bench: Bench) -> str:
    columns = [*OURS.values(), *PEERS]
    lines = [f"{'median':<42}" + "".join(f"{name:>24}" for name in columns)]
    for row in [*ROWS, SIGN_UP]:
        got = bench.rates.get(row, {})
        if row == "bare hello":
            got = {OURS[by]: got[HELLO[by]] for by in OURS if HELLO[by] in got}
        missing = "not there" if row == "/v1/verify" else BAR
        cells = [_cell(got.get(each), BAR if each in PEERS else missing) for each in columns]
        lines.append(f"{row + ', 1/s (µs of processor)':<42}" + "".join(f"{c:>24}" for c in cells))
    for row, figures in bench.figures.items():
        cells = [_figure(figures.get(name)) for name in columns]
        lines.append(f"{row:<42}" + "".join(f"{cell:>24}" for cell in cells))
    lines += ["", *_ratios(bench)]
    if any(each.starved for got in bench.rates.values() for all_ in got.values() for each in all_):
        lines += ["", "* the load, not the service, was busy: it can do more than that"]
    if bench.trouble:
        lines += ["", "What failed, and is in no figure:", *dict.fromkeys(bench.trouble)]
    return "\n".join(lines)


def _figure(figures: list[float] | None) -> str:
    return f"{statistics.median(figures):.1f} " if figures else f"{BAR} "


def _cell(rates: list[Rate] | None, no: str) -> str:
    if not rates:
        return f"{no} "
    middle = statistics.median_low(rates)
    return f"{middle.per_second:.0f} ({middle.cost:.0f}){'*' if middle.starved else ' '}"


def _ratios(bench: Bench) -> list[str]:
    """Ours to the better peer, and the gate to an app that does nothing."""

    def median(row: str, name: str) -> float | None:
        rates = bench.rates.get(row, {}).get(name)
        return statistics.median(each.per_second for each in rates) if rates else None

    lines = []
    for by, name in OURS.items():
        for row in [*ROWS, SIGN_UP]:
            ours = median(row, name)
            asked = "who-am-I, bearer" if row == "/v1/verify" else row
            others = [each for peer in PEERS if (each := median(asked, peer)) is not None]
            if ours and others:
                times = ours / max(others)
                lines.append(f"{name}: {row} is {times:.1f} times the better peer's {asked}")
        gate, bare = median("/v1/verify", name), median("bare hello", HELLO[by])
        if gate and bare:
            lines.append(f"{name}: /v1/verify is {gate / bare:.0%} of a bare hello")
    return lines


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="a trial: figures mean nothing")
    effort = QUICK if arguments.parse_args().quick else FULL
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(LONGEST)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    bench = Bench(effort, processes.two_cores())
    with TemporaryDirectory() as folder, server() as postgres:
        async with AsyncExitStack() as stack:
            for by, name in OURS.items():
                for cheap, kept in ((False, bench.running), (True, bench.cheap)):
                    made = services.vestibule(name, postgres, Path(folder), by=by, cheap=cheap)
                    kept.append(await stack.enter_async_context(made))
            for starts in (services.fastapi_users, services.flask_jwt_extended):
                for cheap, kept in ((False, bench.running), (True, bench.cheap)):
                    kept.append(await stack.enter_async_context(starts(postgres, cheap=cheap)))
            for by, name in HELLO.items():
                made = services.hello(name, Path(folder), by=by)
                bench.running.append(await stack.enter_async_context(made))
            await bench.measure()
    print(table(bench))
    if effort is QUICK:
        print("\nThis was a trial: figures mean nothing.")


def _give_up(*_: object) -> NoReturn:
    raise SystemExit(f"given up after {LONGEST} s")  # which nobody takes for a slow service


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
