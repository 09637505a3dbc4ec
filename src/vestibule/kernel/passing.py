"""Which of the database's errors pass by themselves, and which left nothing behind."""

import logging
import sqlite3
import time

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

log = logging.getLogger("vestibule")

_SAID_AGAIN = 10.0  # seconds


class Absence:
    """Says in the log why the database could not be used: at once, and again while it lasts.

    Never what the driver says: its messages hold URLs and what people typed.
    """

    def __init__(self) -> None:
        self._said_at: dict[str, float] = {}

    def tell(self, error: Exception) -> None:
        why, now = reason(error), time.monotonic()
        if now - self._said_at.get(why, -_SAID_AGAIN) >= _SAID_AGAIN:
            self._said_at[why] = now
            log.warning("the database failed us: %s", why)


def reason(error: Exception) -> str:
    """Return the error's kind, and the database's own code for it where there is one."""
    origin = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    kind = type(origin.__cause__ or origin).__name__
    return f"{kind} {code}" if code else kind


def is_undone(error: Exception, *, committing: bool) -> bool:
    """Tell whether the database certainly took everything back, and may take it at a second try."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    broken = isinstance(error, DBAPIError) and error.connection_invalidated
    return state in _BROKEN_OFF or (broken and not committing)


_BROKEN_OFF = ("40001", "40P01")  # serialisation failure, deadlock: also where a commit meets it
# SQLSTATE classes: connection, password and database (both may be in the middle of a change), no
# room, operator intervention, read-only after a failover, serialisation failure and deadlock, lock
# not available.
_PASSING = ("08", "28", "3D", "53", "57", "25006", "40001", "40P01", "55P03")


def is_passing(error: Exception) -> bool:
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state).startswith(_PASSING)
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # a statement that makes no sense there: our mistake
    return isinstance(error, (OperationalError, InterfaceError))
