"""One transaction, and what a flow may reach for while it is open."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.orm import Session as SyncSession

from vestibule.kernel.clock import Clock
from vestibule.kernel.database import Database
from vestibule.kernel.errors import DatabaseUnavailable, Refusal
from vestibule.kernel.passwords import Passwords
from vestibule.kernel.seal import Seals
from vestibule.kernel.settings import Settings

_RETRY_AFTER = 5
_ONLY_READS = "a reading unit cannot write"


@dataclass(frozen=True)
class Caller:
    """Who is at the other end, as far as the network tells; `network` is what limits count."""

    address: str | None = None
    user_agent: str | None = None
    network: str | None = None


NOBODY = Caller()


@dataclass(frozen=True, kw_only=True)
class Means:
    """What every unit of one Vestibule works with."""

    settings: Settings
    database: Database
    passwords: Passwords
    seals: Seals
    clock: Clock
    wake_courier: Callable[[], None]
    # Sessions used since their rows were last written.
    touched: set[UUID]


@dataclass
class Unit:
    """Handed to every flow. `now` is the time of this unit, renewed by each pause."""

    session: AsyncSession
    means: Means
    caller: Caller
    now: datetime
    wrote: bool = False
    afterwards: list[Callable[[], None]] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        return self.means.settings

    @property
    def passwords(self) -> Passwords:
        return self.means.passwords

    @property
    def seals(self) -> Seals:
        return self.means.seals

    async def pause(self) -> None:
        """Give the connection back before slow work; the next statement takes one again.

        What was read before is a guess afterwards: the statement that acts on it checks it again.

        Raises:
            RuntimeError: something was written; half a change must never be committed.
        """
        if self.wrote or self.session.new or self.session.dirty or self.session.deleted:
            raise RuntimeError("a unit that has written something cannot pause")
        self.session.expunge_all()  # first: a rollback would empty what was read
        await self.session.rollback()
        self.now = self.means.clock.now()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[AsyncConnection]:
        """Statements that stay whatever becomes of this unit: counters, spent marks.

        On PostgreSQL each is a transaction of its own, on SQLite all are one. Pauses first, so that
        one request never holds two connections.
        """
        await self.pause()
        async with self.means.database.aside() as connection:
            yield connection

    def after_commit(self, act: Callable[[], None]) -> None:
        """Have `act` called once the change is in the database: waking a worker, nothing more."""
        self.afterwards.append(act)


@asynccontextmanager
async def opening(
    means: Means, *, reading: bool = False, caller: Caller = NOBODY
) -> AsyncIterator[Unit]:
    """Commit on success and on a `Refusal`; roll back on everything else.

    Args:
        reading: single reads without a transaction around them; a write is refused.
        caller: for sessions and the audit log.

    Raises:
        DatabaseUnavailable: no connection, or one that broke; nothing was written.
    """
    try:
        sessions = means.database.reading if reading else means.database.writing
        async with sessions(sync_session_class=_Session) as session:
            unit = Unit(session, means, caller, means.clock.now())
            watched = cast(_Session, session.sync_session)
            watched.unit, watched.reading = unit, reading
            try:
                yield unit
            except Refusal:
                await _finish(unit, reading=reading)
                raise
            await _finish(unit, reading=reading)
    except (DBAPIError, PoolTimeoutError, TimeoutError, ConnectionError) as error:
        # A statement that takes too long ends with a TimeoutError of the driver's, untranslated.
        if _is_passing(error):
            raise DatabaseUnavailable(_RETRY_AFTER) from error
        raise


async def _finish(unit: Unit, *, reading: bool) -> None:
    if reading:
        if unit.session.new or unit.session.dirty or unit.session.deleted:
            raise RuntimeError(_ONLY_READS)
        return
    await uninterrupted(_commit(unit))


async def _commit(unit: Unit) -> None:
    await unit.session.commit()
    for act in unit.afterwards:
        act()


class _Session(SyncSession):
    """A session that knows its unit, so that what it writes is noticed, by the ORM or by statement.

    A reading unit is stopped before it writes: where no transaction is around it, there would be
    nothing to roll back.
    """

    unit: Unit
    reading: bool

    def writes(self) -> None:
        if self.reading:
            raise RuntimeError(_ONLY_READS)
        self.unit.wrote = True


@event.listens_for(_Session, "do_orm_execute")
def _executed(state: ORMExecuteState) -> None:
    if not state.is_select:
        cast(_Session, state.session).writes()


@event.listens_for(_Session, "before_flush")
def _flushed(session: SyncSession, _context: object, _instances: object) -> None:
    cast(_Session, session).writes()


async def uninterrupted(work: Awaitable[None]) -> None:
    """See `work` through even if the request is cancelled meanwhile, then be cancelled.

    A client that hangs up cancels its handler; a commit cut off in the middle would leave nobody
    knowing whether it happened.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()


# SQLSTATE classes: connection, password and database (both may be in the middle of a change), no
# room, operator intervention, read-only after a failover, serialisation failure and deadlock, lock
# not available.
_PASSING = ("08", "28", "3D", "53", "57", "25006", "40001", "40P01", "55P03")


def _is_passing(error: Exception) -> bool:
    if not isinstance(error, DBAPIError) or error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return str(state).startswith(_PASSING)
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # a statement that makes no sense there: our mistake
    return isinstance(error, (OperationalError, InterfaceError))
