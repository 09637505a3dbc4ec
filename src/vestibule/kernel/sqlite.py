"""SQLAlchemy's way to SQLite, with one visit to the connection's thread a statement.

aiosqlite keeps every connection in a thread of its own. SQLAlchemy goes there four times a
statement: to make a cursor, to execute, to fetch, to close. A statement here takes half the time,
and leaves no cursor behind that would hold a lock until Python has collected it. What begins a
transaction goes with the first statement in it.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.util import await_only


def driver() -> AsyncAdapt_aiosqlite_dbapi:
    """Return what `create_async_engine` takes as `module`."""
    return _Driver(aiosqlite, sqlite3)


@dataclass(frozen=True)
class _Done:
    """What a statement left: as much of a cursor as is looked at afterwards."""

    description: Any = None  # Any: sqlite3's own
    rowcount: int = -1
    lastrowid: int | None = None
    arraysize: int = 1

    def close(self) -> None:
        """It was closed where it was made."""


class _Cursor(AsyncAdapt_aiosqlite_cursor):
    __slots__ = ()
    _awaitable_cursor_close: ClassVar[bool] = False  # type: ignore[misc]

    def _aenter_cursor(self, cursor: Any) -> Any:  # Any: SQLAlchemy's own signature
        return cursor

    def _make_new_cursor(self, connection: Any) -> Any:  # Any: the same
        return _Done()

    async def _execute_async(self, operation: Any, parameters: Any) -> None:  # Any: the same
        await self._visit(lambda cursor: cursor.execute(operation, parameters or ()))

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> None:  # Any: same
        await self._visit(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _visit(self, act: Callable[[sqlite3.Cursor], object]) -> None:
        def there(connection: sqlite3.Connection, begin: str | None) -> tuple[_Done, deque[Any]]:
            cursor = connection.cursor()
            try:
                if begin:
                    cursor.execute(begin)
                act(cursor)
                rows = deque(cursor.fetchall() if cursor.description else ())
                return _Done(cursor.description, cursor.rowcount, cursor.lastrowid), rows
            finally:
                cursor.close()

        ours: _Connection = self._adapt_connection  # type: ignore[assignment]
        connection: Any = self._connection  # Any: its parts have no public names
        async with ours._execute_mutex:  # noqa: SLF001 - as it is done upstream
            begin = ours.take_beginning()
            try:
                done = await connection._execute(there, connection._conn, begin)  # noqa: SLF001
            except sqlite3.Error:
                if begin and not connection.in_transaction:
                    ours.begin(begin)  # what comes next shall not be done for good at once
                raise
        self._cursor, self._rows = done


class _Connection(AsyncAdapt_aiosqlite_connection):
    __slots__ = ("_beginning", "_is_open")
    _cursor_cls = _Cursor

    def __init__(self, *given: Any) -> None:  # Any: SQLAlchemy's own signature
        super().__init__(*given)
        self._beginning: str | None = None
        self._is_open = False

    def begin(self, how: str) -> None:
        """Have the next statement begin a transaction."""
        self._beginning = how

    def take_beginning(self) -> str | None:
        begin, self._beginning = self._beginning, None
        # From here it may be open, whatever becomes of whoever waits for the statement.
        self._is_open = self._is_open or begin is not None
        return begin

    def commit(self) -> None:
        self._end(super().commit)

    def rollback(self) -> None:
        self._end(super().rollback)

    def _end(self, end: Callable[[], None]) -> None:
        self._beginning = None
        connection = self._connection  # one that is closed cannot be asked
        there = connection._connection is not None  # noqa: SLF001 - as it is done upstream
        if self._is_open or (there and connection.in_transaction):  # a savepoint begins one, too
            end()
            self._is_open = False


class _Driver(AsyncAdapt_aiosqlite_dbapi):
    def connect(self, *arg: Any, **kw: Any) -> _Connection:  # Any: SQLAlchemy's own signature
        connection: Any = aiosqlite.connect(*arg, **kw)  # Any: its parts have no public names
        connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does
        return _Connection(self, await_only(connection))
