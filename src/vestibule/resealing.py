"""Everything that is sealed in the database, and sealing it under the first secret."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from vestibule.accounts import challenges
from vestibule.courier import outbox
from vestibule.kernel.means import Means
from vestibule.kernel.running import running
from vestibule.kernel.sealed import Key, Sealed, reseal
from vestibule.tokens import keyring

BATCH = 200
_REST = 0.02  # seconds after a batch, so that others get their turn: SQLite has one writer

SEALED: Mapping[str, Sealed] = {
    "challenges": challenges.SEALED,
    "letters": outbox.SEALED,
    "signing_keys": keyring.SEALED,
}


@dataclass(frozen=True)
class Resealed:
    """How many rows were sealed anew, and how many no secret opens any more."""

    resealed: int
    lost: int


async def reseal_all(means: Means) -> dict[str, Resealed]:
    """Reseal every table in small transactions; return how many rows of what.

    It may be killed at any point, run again, and run beside servers.
    """
    return {name: await _table(means, sealed) for name, sealed in SEALED.items()}


async def codes_needed_until(means: Means) -> datetime | None:
    """Return when the last typed code under an older secret is out of date; None: there is none.

    A code is kept as a keyed digest alone, which nobody can make anew without the code.
    """
    return await running(means, challenges.older_codes_until, reading=True)


async def _table(means: Means, sealed: Sealed) -> Resealed:
    resealed = lost = 0
    after: Key | None = None
    while True:
        batch = await running(means, partial(reseal, sealed=sealed, after=after, most=BATCH))
        resealed, lost, after = resealed + batch.resealed, lost + batch.lost, batch.last
        if after is None:
            return Resealed(resealed, lost)
        await asyncio.sleep(_REST)
