"""What a log-in costs whose name nobody has, while hashes of other software are about.

Each kind of hash takes a time of its own. If unknown names all cost the same, whoever costs
something else would be known to have an account. So each name costs what one of the hashes would,
always the same one, and as many names cost each as there are accounts that do.
"""

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select, text

from vestibule.accounts import names
from vestibule.accounts.models import Account
from vestibule.kernel import foreign
from vestibule.kernel.errors import VestibuleError
from vestibule.kernel.means import Means
from vestibule.kernel.running import running
from vestibule.kernel.unit import Unit

_EVERY = 300.0  # seconds
_PURPOSE = "disguise"
_OURS = ""  # the label of what we hash ourselves

log = logging.getLogger("vestibule.disguise")


@dataclass
class Disguises:
    """How many hashes of each label there are, and what one costs; empty while all are ours."""

    counted: Mapping[str, int] = field(default_factory=dict)
    decoys: Mapping[str, str | None] = field(default_factory=dict)


def for_identifier(unit: Unit, identifier: str, account: Account | None) -> str | None:
    """Return a hash that costs what a log-in by this name shall, if not what ours do.

    An account that lets nobody in costs what it did before.
    """
    if account is not None and account.password_hash is not None:
        return account.password_hash
    known = unit.means.part(Disguises)
    if not known.counted:
        return None
    key = names.counted_as(identifier)

    def weight(label: str) -> float:
        # Weighted rendezvous: as people are hashed anew, as few names as can be cost another thing.
        drawn = unit.seals.mac(_PURPOSE, f"{label} {key}".encode())[-8:]
        return math.log((int.from_bytes(drawn) + 1) / 2**64) / known.counted[label]

    return known.decoys[max(known.counted, key=weight)]


async def learn(unit: Unit) -> None:
    """Count the hashes that are about, so that names nobody has cost what they do."""
    counted = await count(unit)
    known = unit.means.part(Disguises)
    known.decoys = {each: _decoy(each) for each in counted}
    known.counted = counted if set(counted) - {_OURS} else {}


def _decoy(label: str) -> str | None:
    """Make up a hash that costs what the label's do; ours, where that cannot be checked."""
    try:
        return foreign.decoy(label) if label else None
    except foreign.Unreadable:
        return None


async def count(unit: Unit) -> dict[str, int]:
    """Return how many hashes there are of each label, ours under the empty one."""
    is_foreign = text(f"password_hash LIKE '{foreign.MARK}%'")
    if await unit.session.scalar(select(Account.id).where(is_foreign).limit(1)) is None:
        return {}
    find = func.instr if unit.means.database.is_sqlite else func.strpos
    rest = func.substr(Account.password_hash, 2)
    whole = rest.concat(foreign.MARK)  # what has no second mark is a label as a whole
    label = func.substr(rest, 1, find(whole, foreign.MARK) - 1)
    by_label = await unit.session.execute(
        select(label, func.count()).where(is_foreign).group_by(text("1"))
    )
    counted = {str(name): int(number) for name, number in by_label}
    everybody = select(func.count()).where(Account.password_hash.is_not(None))
    ours = (await unit.session.scalar(everybody) or 0) - sum(counted.values())
    return counted | ({_OURS: ours} if ours > 0 else {})


async def keep_learning(means: Means) -> None:
    """Count again every few minutes, for ever: people come, and are hashed anew."""
    while True:
        await asyncio.sleep(_EVERY)
        try:
            await running(means, learn, reading=True)
        except VestibuleError as error:
            log.warning("kinds of hashes cannot be counted: %s", error.code)
        except Exception:
            log.exception("kinds of hashes cannot be counted; trying again")
