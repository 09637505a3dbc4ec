"""Ids that sort by when they were made."""

import time
from secrets import randbits
from uuid import UUID


class _Stamps:
    """The upper bits of ids: milliseconds and a count within each, never one twice."""

    def __init__(self) -> None:
        self._last = 0

    def take(self) -> int:
        # A count that overflows borrows from the next millisecond, as does a clock that went back.
        self._last = max(time.time_ns() // 1_000_000 << 12 | randbits(11), self._last + 1)
        return self._last


_STAMPS = _Stamps()


def uuid7() -> UUID:
    """Return a UUID that sorts after all those that this process made before (RFC 9562, 5.7, 6.2).

    Those of several processes sort by the millisecond they were made in.
    """
    milliseconds, count = divmod(_STAMPS.take(), 1 << 12)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | count << 64 | 0b10 << 62 | randbits(62))
