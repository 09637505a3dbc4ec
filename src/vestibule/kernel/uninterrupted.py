"""Work that a client who hangs up does not cut off."""

import asyncio
from collections.abc import Awaitable


async def uninterrupted(work: Awaitable[None]) -> None:
    """See `work` through even if the request is cancelled meanwhile, then be cancelled.

    A client that hangs up cancels its handler; a commit cut off in the middle would leave nobody
    knowing whether it happened.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
