"""Counting elsewhere while the counters of choice are away: a limit is never lifted by a fault."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime

from vestibule.kernel.counting import Count, Counters, Reached

log = logging.getLogger("vestibule.throttle")

_REST = 5.0  # seconds


class Unavailable(Exception):
    """These counters cannot count at the moment; says what kind of fault it is."""


class Fallback:
    """Counts in `first` while it works, and in `second` while it does not.

    Whatever comes and goes, at most twice as many attempts pass as a limit says: what `first` had
    counted may be lost with it, so after a fault both count for as long as the limit's span. After
    a fault it is left alone for `rest` seconds, then one caller tries it again: nobody waits for a
    server that does not answer but now and then one.
    """

    def __init__(self, first: Counters, second: Counters, *, rest: float = _REST) -> None:
        self._first, self._second = first, second
        self._rest = rest
        self._away = False
        self._again_at = 0.0
        self._rose_at: datetime | None = None

    async def count(
        self, wanted: Sequence[Count], *, now: datetime, back: Sequence[Count] = ()
    ) -> Reached | None:
        if not self._may_try():
            return await self._second.count(wanted, now=now, back=back)
        in_both = [each for each in wanted if self._is_doubtful(each, now)]
        given_back = [each for each in back if self._is_doubtful(each, now)]
        if reached := await self._second.count(in_both, now=now, back=given_back):
            return reached
        try:
            reached = await self._first.count(wanted, now=now, back=back)
        except Unavailable as error:
            self._fell(error)
            # Not what should be given back: it was taken there, here it would be somebody else's.
            rest = [each for each in wanted if each not in in_both]
            return await self._second.count(rest, now=now)
        self._rose(now)
        return reached

    async def close(self) -> None:
        await self._first.close()
        await self._second.close()

    def _may_try(self) -> bool:
        now = asyncio.get_running_loop().time()
        if self._away:
            if now < self._again_at:
                return False
            self._again_at = now + self._rest  # the others go on without
        return True

    def _fell(self, error: Unavailable) -> None:
        self._again_at = asyncio.get_running_loop().time() + self._rest
        if not self._away:
            self._away = True
            log.warning("Redis does not count (%s); the database does meanwhile", error)

    def _is_doubtful(self, count: Count, now: datetime) -> bool:
        """Tell whether `second` knows of attempts within the span that `first` may not know of."""
        return self._rose_at is not None and now - self._rose_at < count.limit.within

    def _rose(self, now: datetime) -> None:
        if self._away:
            self._away = False
            self._rose_at = now
            log.warning("Redis counts again")
