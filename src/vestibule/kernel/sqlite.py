"""SQLAlchemy's way to SQLite, with one visit to the connection's thread a statement.

aiosqlite keeps every connection in a thread of its own. SQLAlchemy goes there four times a
statement: to make a cursor, to execute, to fetch, to close. A statement here takes half the time,
and leaves no cursor behind that would hold a lock until Python has collected it. What begins a
transaction goes with the first statement in it, and statements that do not wait for each other's
rows go there together.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from vestibule.kernel.prepared import Statement

T = TypeVar("T")


def driver() -> AsyncAdapt_aiosqlite_dbapi:
    """Return what `create_async_engine` takes as `module`."""
    return _Driver(aiosqlite, sqlite3)


async def in_turn(
    connection: AsyncConnection, statements: Sequence[Statement], *, commit: bool = False
) -> int:
    """Run `statements` one after the other, up to a `needed` one that returns no row.

    Args:
        commit: end the transaction at once, in the same visit, unless the caller has left; what
            follows on the connection is in none.

    Returns:
        How many were run before that one.

    Raises:
        DBAPIError: as SQLAlchemy would.
    """

    def there(cursor: sqlite3.Cursor) -> int:
        for done, each in enumerate(statements):
            cursor.execute(each.text, each.values)
            if each.needed and cursor.fetchone() is None:
                return done
        return len(statements)

    ours: Any = (await connection.get_raw_connection()).dbapi_connection  # Any: ours, behind theirs
    try:
        return await cast(_Connection, ours).visit(there, commit=commit)
    except sqlite3.Error as error:
        raise DBAPIError.instance(None, None, error, sqlite3.Error) from error


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
        def there(cursor: sqlite3.Cursor) -> tuple[Any, deque[Any]]:  # Any: as theirs
            act(cursor)
            rows = deque(cursor.fetchall() if cursor.description else ())
            return _Done(cursor.description, cursor.rowcount, cursor.lastrowid), rows

        ours: _Connection = self._adapt_connection  # type: ignore[assignment]
        self._cursor, self._rows = await ours.visit(there)


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

    async def visit(self, act: Callable[[sqlite3.Cursor], T], *, commit: bool = False) -> T:
        """Have `act` done in the connection's thread, behind what begins a transaction."""
        connection: Any = self._connection  # Any: its parts have no public names
        left = False

        def there(begin: str | None) -> T:
            cursor = connection._conn.cursor()  # noqa: SLF001
            try:
                if begin:
                    cursor.execute(begin)
                done = act(cursor)
            finally:
                cursor.close()
            if commit and not left:
                connection._conn.commit()  # noqa: SLF001
            return done

        async with self._execute_mutex:
            begin, self._beginning = self._beginning, None
            # From here it may be open, whatever becomes of whoever waits for it.
            self._is_open = self._is_open or begin is not None
            try:
                done = cast(T, await connection._execute(there, begin))  # noqa: SLF001
            except asyncio.CancelledError:
                left = True
                raise
            except sqlite3.Error:
                if begin and not connection.in_transaction:
                    self.begin(begin)  # what comes next shall not be done for good at once
                raise
            self._is_open = self._is_open and not commit
            return done

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
