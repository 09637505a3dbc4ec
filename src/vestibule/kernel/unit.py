"""One transaction, and what a flow may reach for while it is open."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import ORMExecuteState
from sqlalchemy.orm import Session as SyncSession

from vestibule.kernel import inserts
from vestibule.kernel.errors import DatabaseUnavailable, Refusal
from vestibule.kernel.means import NOBODY, Caller, Means
from vestibule.kernel.memory import CHANNEL, Fact, Forgotten, words
from vestibule.kernel.passing import is_passing, is_undone
from vestibule.kernel.passwords import Passwords
from vestibule.kernel.pool import PATIENCE
from vestibule.kernel.seal import Seals
from vestibule.kernel.settings import Settings
from vestibule.kernel.signals import Happened
from vestibule.kernel.uninterrupted import uninterrupted

_RETRY_AFTER = 5
_ONLY_READS = "a reading unit cannot write"
_SAYING = text("SELECT pg_notify(:channel, :words)")


@dataclass
class Unit:
    """Handed to every flow. `now` is the time of this unit, renewed by each pause."""

    session: AsyncSession
    means: Means
    caller: Caller
    now: datetime
    patience: asyncio.Timeout
    wrote: bool = False
    committing: bool = False
    rows: list[inserts.Row] = field(default_factory=list)
    forgotten: set[Forgotten] = field(default_factory=set)
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
        if self.session.in_transaction():
            await self.session.rollback()
        self.patience.reschedule(None)  # what comes now may take its time
        self.now = self.means.clock.now()

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[AsyncConnection]:
        """Statements that stay whatever becomes of this unit: spent marks, some of the audit log.

        On PostgreSQL each is a transaction of its own, on SQLite all are one. Pauses first, so that
        one request never holds two connections.
        """
        await self.pause()
        async with asyncio.timeout(PATIENCE), self.means.database.aside() as connection:
            yield connection

    def glance(self) -> "AbstractAsyncContextManager[Unit]":
        """A unit that reads once, before this one has begun: what it finds is a guess in any case.

        It costs one round trip and no lock, where a read and a pause here would cost three.
        """
        return opening(self.means, reading=True, caller=self.caller)

    def insert(self, table: Table, values: dict[str, object]) -> None:
        """Have a row written at the end of this unit, together with all others of the kind."""
        cast(_Session, self.session.sync_session).writes()
        self.rows.append(inserts.Row(table, values))

    def forget(self, fact: Fact, named: UUID | None = None) -> None:
        """Have every process forget a row that this unit changes, with the commit.

        Here it is forgotten before anything is answered, elsewhere within a second. On SQLite
        nothing is remembered.
        """
        if not self.means.database.is_sqlite:
            self.forgotten.add((fact, named))

    def begin_to_wait(self) -> None:
        """Count the time that is spent on the database from now, unless it is counted already.

        One time for everything between two pauses: waits for a connection and for statements must
        not add up. SQLite has none: nothing but another writer is waited for there, and that ends.
        """
        if self.patience.when() is None and not self.means.database.is_sqlite:
            self.patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)

    def tell(
        self, event: str, *, account_id: UUID | None = None, session_id: UUID | None = None
    ) -> None:
        """Tell the host of an audit event once it has happened, and count it.

        `sessions.ended` is a name of one.
        """
        happened = Happened(account_id, session_id, self.now)
        self.after_commit(lambda: self.means.metrics.happened(event))
        self.after_commit(lambda: self.means.signals.send(event.replace(".", "_"), happened))

    def after_commit(self, act: Callable[[], None]) -> None:
        """Have `act` called once the change is in the database: waking a worker or a receiver."""
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
        DatabaseUnavailable: no connection, one that broke, or no answer in time.
    """
    unit = None
    sessions = means.database.reading if reading else means.database.writing
    try:
        async with asyncio.timeout(None) as patience, sessions(sync_session_class=_Session) as own:
            unit = Unit(own, means, caller, means.clock.now(), patience)
            watched = cast(_Session, own.sync_session)
            watched.unit, watched.reading = unit, reading
            try:
                yield unit
            except Refusal:
                await _finish(unit, reading=reading)
                raise
            await _finish(unit, reading=reading)
    except DatabaseUnavailable as error:
        if not error.undone:  # else it was told already, or nothing failed
            means.database.absence.tell(error)
        raise
    except (DBAPIError, PoolTimeoutError, TimeoutError, ConnectionError) as error:
        # A statement that takes too long ends with a TimeoutError of the driver's, untranslated.
        if not is_passing(error):
            raise
        means.database.absence.tell(error)
        undone = is_undone(error, committing=unit is not None and unit.committing)
        raise DatabaseUnavailable(_RETRY_AFTER, undone=undone) from error


async def _finish(unit: Unit, *, reading: bool) -> None:
    if reading:
        if unit.session.new or unit.session.dirty or unit.session.deleted:
            raise RuntimeError(_ONLY_READS)
        return
    if unit.rows:
        at_once = not unit.means.database.is_sqlite
        await inserts.write(unit.session, unit.rows, at_once=at_once)
    if unit.forgotten:
        await unit.session.execute(_SAYING, {"channel": CHANNEL, "words": words(unit.forgotten)})
    unit.committing = True
    unit.patience.reschedule(None)  # a commit has a time of its own, and is seen through
    await uninterrupted(_commit(unit))


async def _commit(unit: Unit) -> None:
    try:
        await unit.session.commit()
    finally:  # whether it arrived is not always known
        unit.means.memory.forget(unit.forgotten)
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
    session = cast(_Session, state.session)
    session.unit.begin_to_wait()
    if not state.is_select:
        session.writes()


@event.listens_for(_Session, "before_flush")
def _flushed(session: SyncSession, _context: object, _instances: object) -> None:
    cast(_Session, session).writes()
