"""Ending everybody's sessions, a few accounts at a time."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import Session


@dataclass(frozen=True)
class Ended:
    """How many sessions a step ended; `last` is where the next begins, None at the end."""

    ended: int
    last: UUID | None


async def end_some(unit: Unit, *, begun: datetime, after: UUID | None, most: int) -> Ended:
    """End every session of at most `most` accounts that come after the id `after`.

    An account that had none at `begun` is passed over, so that whoever calls this again and again
    comes to an end while people log in.
    """
    holders = (
        select(Session.account_id)
        .where(Session.ended_at.is_(None), Session.created_at <= begun)
        .where(Session.expires_at > unit.now)
        .distinct()
        .order_by(Session.account_id)
        .limit(most)
    )
    if after is not None:
        holders = holders.where(Session.account_id > after)
    found = (await unit.session.scalars(holders)).all()
    ended = [await store.end_all(unit, each, reason="operator", opened_by=begun) for each in found]
    return Ended(sum(ended), found[-1] if len(found) == most else None)
