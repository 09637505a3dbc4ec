"""Running a flow in a unit of its own, once more where the database took it back."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from vestibule.kernel.errors import DatabaseUnavailable
from vestibule.kernel.means import NOBODY, Caller, Means
from vestibule.kernel.unit import Unit, opening

T = TypeVar("T")

_TRIES = 3


async def running(
    means: Means,
    flow: Callable[[Unit], Awaitable[T]],
    *,
    reading: bool = False,
    caller: Caller = NOBODY,
) -> T:
    """Run `flow` in a unit, and once more where the database took its transaction back.

    That happens to whoever loses a deadlock, and to connections that died while they rested. What a
    flow did aside stays done: attempts that a limit counted are counted again.

    Raises:
        DatabaseUnavailable: as `opening`, or taken back three times.
    """
    for tried in range(1, _TRIES + 1):
        try:
            async with opening(means, reading=reading, caller=caller) as unit:
                return await flow(unit)
        except DatabaseUnavailable as error:
            if not error.undone or tried == _TRIES:
                raise
        # Those who met each other shall not meet again.
        await asyncio.sleep(tried * random.uniform(0.01, 0.05))  # noqa: S311 - no secret
    raise AssertionError("unreachable")
