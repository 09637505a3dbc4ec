"""Removing what nobody needs any more, from every table that grows by itself."""

import asyncio
import logging
import random
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from vestibule.accounts import challenges, closing
from vestibule.api_keys import keys as api_keys
from vestibule.audit import retention
from vestibule.courier import outbox
from vestibule.federation import spent
from vestibule.kernel.errors import VestibuleError
from vestibule.kernel.means import Means
from vestibule.kernel.running import running
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.throttle import counters
from vestibule.tokens import keys

log = logging.getLogger("vestibule.pruning")

BATCH = 500
_REST = 0.02  # seconds after a batch, so that others get their turn: SQLite has one writer
_EVERY = 600.0  # seconds


class Flow(Protocol):
    async def __call__(self, unit: Unit, *, most: int) -> int:
        """Remove at most `most` rows; return how many. Fewer than `most`: there are no more."""
        ...


FLOWS: Mapping[str, Flow] = {
    "accounts": closing.erase,
    "sessions": store.prune,
    "challenges": challenges.prune,
    "letters": outbox.prune,
    "counters": counters.prune,
    "signing_keys": keys.prune,
    "api_keys": api_keys.prune,
    "spent": spent.prune,
    "audit_entries": retention.prune,
}


async def prune(means: Means) -> dict[str, int]:
    """Remove in small transactions; return how many rows of what.

    It may be killed at any point, run again, and run in several processes at once.
    """
    removed = dict.fromkeys(FLOWS, 0)
    for table, flow in FLOWS.items():
        full = True
        while full:
            batch = await running(means, partial(flow, most=BATCH))
            removed[table] += batch
            means.metrics.pruned(table, batch)
            full = batch == BATCH
            await asyncio.sleep(_REST)
    return removed


async def keep_pruning(means: Means) -> None:
    """Prune every ten minutes or so, for ever. What goes wrong is logged and tried again."""
    while True:
        # Servers that were started together do not prune together.
        await asyncio.sleep(_EVERY * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        try:
            await prune(means)
        except VestibuleError as error:
            log.warning("what is out of date cannot be removed: %s", error.code)
        except Exception:
            log.exception("what is out of date cannot be removed; trying again")
