"""The only place that asks what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time: aware, UTC."""
        ...

    def here(self) -> datetime:
        """Return what this machine takes for the time."""
        ...

    def follow(self, there: datetime, *, asked: datetime, answered: datetime) -> None:
        """Learn what the database's clock said at some moment between two of `here`."""
        ...


def _machine() -> datetime:
    return datetime.now(UTC)


class SystemClock:
    """This machine's clock, put right by what a database's says.

    Two servers half a minute apart must not call an honest tab a thief.
    """

    def __init__(self, machine: Callable[[], datetime] = _machine) -> None:
        self.here = machine
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self.here() + self._ahead

    def follow(self, there: datetime, *, asked: datetime, answered: datetime) -> None:
        # What may be right already is left alone, so that time does not shake with the network.
        self._ahead = max(there - answered, min(self._ahead, there - asked))


class MovableClock:
    """A clock for tests: runs like the system's, from wherever it is moved to."""

    def __init__(self) -> None:
        self._moved = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._moved

    here = now

    def follow(self, there: datetime, *, asked: datetime, answered: datetime) -> None:
        """Go its own way: the test says what time it is."""

    def move(self, span: timedelta) -> None:
        self._moved += span
