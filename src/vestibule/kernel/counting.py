"""What counts attempts, wherever it keeps the counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Protocol

from vestibule.kernel.limits import Limit


@dataclass(frozen=True)
class Count:
    """One attempt under a limit that is not off."""

    limit: Limit
    key: str

    @property
    def digest(self) -> bytes:
        """What stands for the key: keys of any length fit."""
        return sha256(self.key.encode()).digest()


@dataclass(frozen=True)
class Reached:
    """There is no room under a limit before `wait` is over."""

    count: Count
    wait: timedelta


class Counters(Protocol):
    """Of attempts made at the same moment each is counted, and no more pass than there is room."""

    async def count(
        self, wanted: Sequence[Count], *, now: datetime, back: Sequence[Count] = ()
    ) -> Reached | None:
        """Count `wanted` in this order, up to the first that has no room: that is returned.

        What has no room is not counted, nor is anything after it. A span begins anew with every
        count, unless its limit says otherwise: whatever window of `limit.within` one looks at, it
        holds at most `limit.most`. If there is room for all, `back` is uncounted, never below 0.
        """
        ...

    async def close(self) -> None: ...
