"""How often somebody may try: counted before it is tried, whatever becomes of it afterwards."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from uuid import UUID

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from vestibule.audit import log as audit
from vestibule.audit.events import Event
from vestibule.kernel.counting import Count, Reached
from vestibule.kernel.database import Base
from vestibule.kernel.errors import TooManyAttempts
from vestibule.kernel.limits import TABLE, Limit
from vestibule.kernel.means import Means
from vestibule.kernel.removal import remove
from vestibule.kernel.unit import Unit

log = logging.getLogger("vestibule.throttle")

_SHORTEST = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)


class Counter(Base):
    """How often a key was counted since it last rested for a whole span."""

    __tablename__ = "counters"

    limit_name: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    count: Mapped[int]
    resets_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True, kw_only=True)
class Whose:
    """Whom the audit log shall name where a limit is reached, as far as it is known."""

    account_id: UUID | None = None
    identifier: str | None = None


_NOBODYS = Whose()


async def take(unit: Unit, *wanted: tuple[Limit, str], whose: Whose = _NOBODYS) -> None:
    """Count one attempt under each key before it is made, as `Counters` promises.

    The limits are those of the settings, asked in the order given.

    Raises:
        TooManyAttempts: a limit is reached.
    """
    reached = await _count(unit, wanted, (), whose)
    if reached is not None:
        raise TooManyAttempts(_seconds(reached.wait))


async def admits(
    unit: Unit,
    limit: Limit,
    key: str,
    *,
    if_so_give_back: Sequence[tuple[Limit, str]] = (),
    whose: Whose = _NOBODYS,
) -> bool:
    """Count one attempt as `take` does; False where the limit is reached.

    Args:
        if_so_give_back: attempts to uncount if this one is admitted.
    """
    return await _count(unit, [(limit, key)], if_so_give_back, whose) is None


async def give_back(unit: Unit, *taken: tuple[Limit, str]) -> None:
    """Uncount attempts that turned out right: the limits are on wrong ones."""
    await _count(unit, (), taken, _NOBODYS)


async def take_here(means: Means, limit: Limit) -> None:
    """Count one of everybody's requests to this process; nothing is waited for.

    Raises:
        TooManyAttempts: it has as many as it may.
    """
    limit = means.settings.limit(limit)
    if limit.most is None:
        return
    now = means.clock.now()
    reached = await means.counters_here.count([Count(limit, "")], now=now)
    if reached is None:
        return
    means.metrics.refused(limit.name)
    if await _is_first(means, limit, "", _MINUTE, now=now, everywhere=False):
        log.warning("this process gets more than %s; the rest is refused", limit)
    raise TooManyAttempts(_seconds(reached.wait))


async def prune(unit: Unit, *, most: int) -> int:
    """Remove counters that rested for a whole span: no counter counts the same."""
    return await remove(unit, Counter, Counter.resets_at, until=unit.now, most=most)


async def _count(
    unit: Unit,
    wanted: Sequence[tuple[Limit, str]],
    back: Sequence[tuple[Limit, str]],
    whose: Whose,
) -> Reached | None:
    await unit.pause()  # one request never holds two connections
    counters, now = unit.means.counters, unit.now
    reached = await counters.count(_as_set(unit, wanted), now=now, back=_as_set(unit, back))
    if reached is not None:
        unit.means.metrics.refused(reached.count.limit.name)
        await _record(unit, reached, whose)
    return reached


def _as_set(unit: Unit, counts: Sequence[tuple[Limit, str]]) -> list[Count]:
    set_ones = ((unit.settings.limit(limit), key) for limit, key in counts)
    # Under a key: whoever copies the counts could guess addresses at a plain digest.
    return [
        Count(limit, unit.seals.mac("counter", key.encode()).hex())
        for limit, key in set_ones
        if limit.most is not None
    ]


async def _record(unit: Unit, reached: Reached, whose: Whose) -> None:
    """Write that a limit was reached, once for a key and span: floods do not grow the log."""
    limit, key, wait = reached.count.limit, reached.count.key, max(reached.wait, _SHORTEST)
    if limit.name in TABLE and await _is_first(
        unit.means, limit, key, wait, now=unit.now, everywhere=True
    ):
        await audit.record_aside(
            unit,
            Event(f"{limit.name}.reached"),
            account_id=whose.account_id,
            identifier=whose.identifier,
        )


async def _is_first(
    means: Means, limit: Limit, key: str, within: timedelta, *, now: datetime, everywhere: bool
) -> bool:
    """Tell whether nobody was told of `limit` yet, asking in this process before elsewhere."""
    told = Count(Limit(f"{limit.name}.told", most=1, within=within), key)
    if await means.counters_here.count([told], now=now):
        return False
    return not everywhere or await means.counters.count([told], now=now) is None


def _seconds(wait: timedelta) -> int:
    return max(1, ceil(wait.total_seconds()))
