"""How many sessions an account has at once: whoever knows a password opens no more than so many.

The one that was unused for longest ends where a further one would be too many, so a log-in is never
refused for those before it.
"""

from uuid import UUID

from sqlalchemy import select

from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.settings import Settings
from vestibule.kernel.unit import Unit
from vestibule.sessions import rows
from vestibule.sessions.models import Session

_BESIDE = 1000  # far more than wait for one account
_MOST_AT_ONCE = 50  # where the bound was lowered, the next log-ins end the rest


def plenty(settings: Settings) -> int:
    """Return how many an account may be seen to have and have room left in any case.

    Those that log in beside are not seen: half of the room is for them, if that is room for many.
    """
    half = settings.sessions_per_account // 2
    return half if half >= _BESIDE else 0


async def make(unit: Unit, account_id: UUID) -> None:
    """End what is beyond the bound with one more session, of an account that the unit holds."""
    live = rows.theirs(account_id).where(
        Session.idle_until > unit.now, Session.expires_at > unit.now
    )
    beyond = (
        live.order_by(Session.seen_at.desc(), Session.id.desc())
        .offset(unit.settings.sessions_per_account - 1)
        .limit(_MOST_AT_ONCE)
    )
    chosen = rows.theirs(account_id).where(Session.id.in_(select(beyond.subquery().c.id)))
    # One that somebody holds is in use, or being ended: who waits for it might be waited for.
    for each in await rows.end(unit, chosen, "evicted", waits=False):
        await log.record(unit, Event.SESSION_EVICTED, account_id=account_id, session_id=each)
