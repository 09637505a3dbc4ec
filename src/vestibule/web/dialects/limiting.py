"""Limits of a dialect's own, beside those that every log-in has.

They stand in the table of all limits, under names that begin with the dialect's, so that
`VESTIBULE_LIMITS` sets them and the audit log tells when one is reached. Each counts by client
address, before a body is read.
"""

from functools import wraps
from typing import Any

from quart import Blueprint, request

from vestibule.extension import current_vestibule
from vestibule.kernel.limits import Limit
from vestibule.throttle import counters
from vestibule.web import identity
from vestibule.web.dialects.guarding import AnyView, Guarded


def limit(blueprint: Blueprint, *limits: Limit) -> None:
    """Count each request to `blueprint`, but for what browsers ask before one of another origin.

    Raises (when a request comes):
        TooManyAttempts: a limit is reached.
    """

    async def count() -> None:
        if request.method != "OPTIONS":
            await _take(limits)

    blueprint.before_request(count)


def limited(view: AnyView, *limits: Limit) -> Guarded:
    """Count each request to one view, in the same way."""

    @wraps(view)
    async def counted(*args: Any, **named: Any) -> Any:  # Any: whatever the view takes and returns
        await _take(limits)
        return await view(*args, **named)

    return counted


async def _take(limits: tuple[Limit, ...]) -> None:
    caller = identity.caller()
    if caller.network is None:
        return
    wanted = [(each, caller.network) for each in limits]
    await current_vestibule().run(lambda unit: counters.take(unit, *wanted), caller=caller)
