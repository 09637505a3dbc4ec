"""Processes that are measured: where they run, what they spend, what they hold."""

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def two_cores() -> tuple[int, int]:
    """Return a core for services and one for everything else, ours from now on.

    Raises:
        RuntimeError: there is one only.
    """
    may = sorted(os.sched_getaffinity(0))
    if len(may) == 1:
        raise RuntimeError("it takes two cores: one serves, the other asks")
    os.sched_setaffinity(0, {may[-1]})
    return may[0], may[-1]


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that it started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text("ascii").split():
            yield from family(int(child))


def pin(pid: int, core: int) -> None:
    """Keep a process, its threads and its children on a core; those to come inherit it."""
    for member in family(pid):
        for task in Path(f"/proc/{member}/task").iterdir():
            os.sched_setaffinity(int(task.name), {core})


def spent(pid: int) -> float:
    """Return the seconds of processor that a process and its children have had."""
    ticks = 0
    for member in family(pid):
        after_the_name = Path(f"/proc/{member}/stat").read_text("utf-8").rpartition(")")[2]
        ticks += sum(map(int, after_the_name.split()[11:13]))
    return ticks / _TICKS


def held(pid: int) -> float:
    """Return the MiB in memory that are a process' and its children's alone, or their share."""
    kib = 0
    for member in family(pid):
        told = Path(f"/proc/{member}/smaps_rollup").read_text("ascii")
        [line] = [line for line in told.splitlines() if line.startswith("Pss:")]
        kib += int(line.split()[1])
    return kib / 1024
