"""How recently somebody proved who they are: judged by the session's row, never by a token."""

from datetime import datetime

from sqlalchemy import ColumnElement, update

from vestibule.kernel import opaque
from vestibule.kernel.memory import Fact
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.settings import Settings
from vestibule.kernel.unit import Unit
from vestibule.sessions.models import Kind, Session
from vestibule.sessions.store import Opened


def recent_until(settings: Settings, session: Session) -> datetime:
    """Return until when what the holder of `session` proved counts as recent."""
    return session.auth_time + settings.recent_authentication


async def confirm(unit: Unit, session: Session, *, holder_is: ColumnElement[bool]) -> Opened | None:
    """Count a session as authenticated now, in one statement; None if it is not as it was read.

    A cookie's secret is replaced: whoever copied it before gains nothing. (ASVS 7.2.4)

    Args:
        holder_is: a condition on the session's account.
    """
    cookie = session.kind == Kind.COOKIE
    secret, digest = opaque.issue(Purpose.SESSION) if cookie else (None, None)
    confirmed = await unit.session.scalar(
        update(Session)
        .where(
            Session.id == session.id,
            Session.secret_digest.is_not_distinct_from(session.secret_digest),
            Session.ended_at.is_(None),
            Session.expires_at > unit.now,
            holder_is,
        )
        .values(auth_time=unit.now, secret_digest=digest)
        .returning(Session)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if confirmed is None:
        return None
    unit.forget(Fact.SESSION, confirmed.id)
    return Opened(confirmed, secret)
