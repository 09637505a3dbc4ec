"""Counting as a flow does."""

from datetime import timedelta

from vestibule import Vestibule
from vestibule.kernel.errors import TooManyAttempts
from vestibule.kernel.limits import Limit
from vestibule.throttle import counters

HOUR = timedelta(hours=1)
TEN = Limit("ten", most=10, within=24 * HOUR)


async def take(vestibule: Vestibule, limit: Limit = TEN, key: str = "ada@example.org") -> bool:
    """Tell whether one more attempt was let through."""
    try:
        async with vestibule.unit() as unit:
            await counters.take(unit, (limit, key))
    except TooManyAttempts:
        return False
    return True


async def give_back(vestibule: Vestibule, limit: Limit = TEN, key: str = "ada@example.org") -> None:
    async with vestibule.unit() as unit:
        await counters.give_back(unit, (limit, key))
