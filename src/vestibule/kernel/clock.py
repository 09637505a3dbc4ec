"""The only place that asks what time it is."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Return the time: aware, UTC."""
        ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Corrected:
    """A clock that follows the database's, however far this machine's is off.

    Two servers half a minute apart must not call an honest tab a thief.
    """

    def __init__(self, own: Clock) -> None:
        self._own = own
        self._ahead = timedelta()

    def now(self) -> datetime:
        return self._own.now() + self._ahead

    @staticmethod
    def of_this_machine() -> datetime:
        return datetime.now(UTC)

    def follow(self, there: datetime, *, asked: datetime, answered: datetime) -> None:
        """Learn what the database's clock said at some moment between two of this machine's.

        What may be right already is left alone, so that time does not jitter with the network.
        """
        self._ahead = max(there - answered, min(self._ahead, there - asked))


class MovableClock:
    """A clock for tests: runs like the system's, from wherever it is moved to."""

    def __init__(self) -> None:
        self._moved = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._moved

    def move(self, span: timedelta) -> None:
        self._moved += span
