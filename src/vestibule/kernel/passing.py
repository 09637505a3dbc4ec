"""Which of the database's errors pass by themselves, and which left nothing behind."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError


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
