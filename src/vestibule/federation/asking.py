"""Asking a provider on somebody's behalf: how often, and for how long."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from vestibule.federation import fetching
from vestibule.federation.provider import Provider
from vestibule.kernel.errors import ProviderFailed
from vestibule.kernel.limits import PROVIDER_CLIENT
from vestibule.kernel.means import Caller, Means
from vestibule.kernel.running import running
from vestibule.throttle import counters

T = TypeVar("T")

log = logging.getLogger("vestibule.federation")


async def count(means: Means, caller: Caller) -> None:
    """Count a sign-in before its provider is asked.

    Raises:
        TooManyAttempts: too many from this client address.
    """
    network = caller.network
    if network is not None:
        await running(means, lambda unit: counters.take(unit, (PROVIDER_CLIENT, network)))


async def told(provider: Provider, asking: Awaitable[T]) -> T:
    """Await what a provider is asked for, ten seconds at most, however many requests that takes.

    Why it failed, the log is told and nobody else.

    Raises:
        ProviderFailed: as `asking`, or not in time.
    """
    try:
        async with asyncio.timeout(fetching.WITHIN):
            return await asking
    except TimeoutError:
        log.warning("signing in with %s: no answer in time", provider.name)
        raise ProviderFailed("no answer in time") from None
    except ProviderFailed as error:
        log.warning("signing in with %s: %s", provider.name, error)
        raise
