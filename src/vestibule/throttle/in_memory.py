"""Counters of one process, gone with it: for what concerns this process alone, and for tests."""

from collections.abc import Sequence
from datetime import datetime

from vestibule.kernel.counting import Count, Reached

_SWEEP_AT = 1000


class InMemory:
    """Nothing is waited for, so whatever is counted at once is counted one by one."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], tuple[int, datetime]] = {}
        self._sweep_at = _SWEEP_AT

    async def count(
        self, wanted: Sequence[Count], *, now: datetime, back: Sequence[Count] = ()
    ) -> Reached | None:
        for each in wanted:
            counted, resets_at = self._counts.get(_place(each), (0, now))
            if resets_at <= now:
                counted, resets_at = 0, now + each.limit.within
            elif each.limit.most is not None and counted >= each.limit.most:
                return Reached(each, resets_at - now)
            elif not each.limit.from_first:
                resets_at = now + each.limit.within
            self._counts[_place(each)] = counted + 1, resets_at
        for each in back:
            counted, resets_at = self._counts.get(_place(each), (0, now))
            if counted:
                self._counts[_place(each)] = counted - 1, resets_at
        self._sweep(now)
        return None

    async def close(self) -> None:
        pass

    @property
    def size(self) -> int:
        return len(self._counts)

    def _sweep(self, now: datetime) -> None:
        """Forget what rested for a whole span, once that may be half of it all."""
        if self.size > self._sweep_at:
            self._counts = {at: held for at, held in self._counts.items() if held[1] > now}
            self._sweep_at = max(_SWEEP_AT, 2 * self.size)


def _place(count: Count) -> tuple[str, str]:
    return count.limit.name, count.key
