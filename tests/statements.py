"""Hearing the SQL that a service sends, as it is sent."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any  # Any: what events and drivers hand over
from unittest.mock import patch

from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from tests.world import World
from vestibule.kernel import sqlite


class _Cursor:
    """A cursor of sqlite3's that says what it is about to execute."""

    def __init__(self, cursor: sqlite3.Cursor, listen: Callable[[str], None]) -> None:
        self._cursor = cursor
        self._listen = listen

    def execute(self, statement: str, *values: Any) -> Any:
        self._listen(statement)
        return self._cursor.execute(statement, *values)

    def executemany(self, statement: str, *values: Any) -> Any:
        self._listen(statement)
        return self._cursor.executemany(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)


@contextmanager
def heard(world: World, listen: Callable[[str], None]) -> Iterator[None]:
    """Have `listen` called before each statement, without what BEGIN and COMMIT add to it.

    It may raise in its place, also what sqlite3 would; on SQLite it is called in a thread.
    """
    database = world.vestibule.means.database
    with _on_sqlite(listen) if database.is_sqlite else _on_postgresql(world, listen):
        yield


@contextmanager
def _on_sqlite(listen: Callable[[str], None]) -> Iterator[None]:
    visit = sqlite._Connection.visit

    async def heard_visit(connection: Any, act: Any, **how: Any) -> Any:
        return await visit(connection, lambda cursor: act(_Cursor(cursor, listen)), **how)

    with patch.object(sqlite._Connection, "visit", heard_visit):
        yield


@contextmanager
def _on_postgresql(world: World, listen: Callable[[str], None]) -> Iterator[None]:
    def before(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("BEGIN"):
            return
        try:
            listen(statement)
        except sqlite3.Error as error:
            raise OperationalError(statement, None, error) from error

    target = world.vestibule.means.database.engine.sync_engine
    event.listen(target, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(target, "before_cursor_execute", before)
