"""A pool whose connections are handed out first come, first served."""

import asyncio
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only

from vestibule.kernel.errors import DatabaseUnavailable

# Seconds. A unit waits as long as a statement may take, and letting go of a server that does not
# answer takes two more: whoever asks is told within six.
PATIENCE = 3.5
_RETRY_AFTER = 5


class FairPool(AsyncAdaptedQueuePool):
    """A pool whose connections are handed out first come, first served.

    The stock pool lets late comers overtake: with 64 requests on 10 connections the slowest waited
    four times as long as here. The permit is taken at check-out and given back at check-in.
    """

    def __init__(self, creator: Any, **options: Any) -> None:  # Any: SQLAlchemy's own signature
        super().__init__(_or_unavailable(creator), **options)
        self._permits = asyncio.Semaphore(self.size())
        self.waiting = 0

    def _do_get(self) -> ConnectionPoolEntry:
        try:
            await_only(self._take_permit())
        except TimeoutError:
            raise PoolTimeoutError("no connection became free in time") from None
        try:
            return super()._do_get()
        except BaseException:
            self._permits.release()
            raise

    async def _take_permit(self) -> None:
        self.waiting += 1
        try:
            async with asyncio.timeout(self._timeout):
                await self._permits.acquire()
        finally:
            self.waiting -= 1

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            super()._do_return_conn(record)
        finally:
            self._permits.release()


def _or_unavailable(connect: Any) -> Any:  # Any: SQLAlchemy's own signature
    """Say in our words that nobody is there, at a first connection and at one made again."""

    def reach(connection_record: Any = None) -> Any:  # Any: the same
        try:
            return connect(connection_record)
        except OSError as error:  # refused, unreachable, timed out
            raise DatabaseUnavailable(_RETRY_AFTER) from error

    return reach
