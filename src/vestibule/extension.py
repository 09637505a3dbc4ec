"""The Quart extension: one object per configuration, any number of apps."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import TypeVar, cast
from weakref import WeakSet

from argon2 import PasswordHasher
from quart import Quart, current_app

from vestibule import pruning
from vestibule.accounts import disguise, first
from vestibule.accounts.disguise import Disguises
from vestibule.api_keys import keys as api_keys
from vestibule.api_keys.keys import Uses
from vestibule.audit import retention
from vestibule.courier.transports import Transport
from vestibule.courier.transports.choose import choose
from vestibule.courier.worker import Worker
from vestibule.federation import choose as providers
from vestibule.federation.discovery import Discoveries
from vestibule.kernel import migrations
from vestibule.kernel.client import Client
from vestibule.kernel.clock import Clock, SystemClock
from vestibule.kernel.cores import cores
from vestibule.kernel.counting import Counters
from vestibule.kernel.database import Database
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.keyring import development_secret
from vestibule.kernel.means import NOBODY, Caller, Means
from vestibule.kernel.memory import Memory
from vestibule.kernel.metrics import Metrics
from vestibule.kernel.passwords import STANDARD, Passwords
from vestibule.kernel.running import running
from vestibule.kernel.seal import Seals
from vestibule.kernel.settings import Settings
from vestibule.kernel.signals import Signals
from vestibule.kernel.unit import Unit, opening
from vestibule.sessions import store
from vestibule.sessions.feed import Feed
from vestibule.throttle.choose import choose as choose_counters
from vestibule.throttle.in_memory import InMemory
from vestibule.tokens import keys
from vestibule.tokens.keyring import KeyRing

T = TypeVar("T")

_TOUCHES_EVERY = 60.0
_KEYS_EVERY = 3600.0

log = logging.getLogger("vestibule")


class Vestibule:
    """Wires settings, database, courier and flows together; the only place that does.

    Nothing is looked up in `app.config` after `init_app`, so the same class serves the ready-made
    service, a host's own app, the command line and the tests.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        hasher: PasswordHasher = STANDARD,
        clock: Clock | None = None,
        transport: Transport | None = None,
        counters: Counters | None = None,
    ) -> None:
        settings.check()
        self.settings = settings
        given = [each.get_secret_value() for each in settings.secrets]
        secrets = given or [development_secret(settings.data_dir)]
        threads = settings.hash_threads or max(1, cores() // settings.processes)
        self.signals = Signals(self)
        own_clock = clock or SystemClock()
        database = _database(settings, own_clock)
        salt = settings.double_hash_salt.get_secret_value() if settings.double_hash_salt else None
        passwords = Passwords(threads=threads, hasher=hasher, double_hash_salt=salt)
        memory = Memory()
        self.means = Means(
            settings=settings,
            database=database,
            passwords=passwords,
            seals=Seals(secrets),
            clock=own_clock,
            wake_courier=lambda: self.courier.wake(),  # noqa: PLW0108 - it is made of this
            signals=self.signals,
            metrics=Metrics(passwords, database, memory),
            client=Client(allowed=None if settings.in_development else settings.outgoing_allow),
            counters=choose_counters(settings, database) if counters is None else counters,
            counters_here=InMemory(),
            memory=memory,
            touched=set(),
            parts={
                KeyRing: KeyRing(),
                Uses: Uses(),
                Disguises: Disguises(),
                Discoveries: Discoveries(),
                providers.Providers: providers.choose(settings),
            },
        )
        self.transport = transport or choose(settings, clock=self.means.clock)
        self.courier = Worker(self.means, self.transport)
        self.feed = Feed(settings.feed, database, memory, own_clock) if settings.feed else None
        self.has_no_administrator = False
        self._tasks: list[asyncio.Task[None]] = []
        self._at_work: set[Quart] = set()
        self._started: WeakSet[Quart] = WeakSet()

    def init_app(self, app: Quart) -> None:
        """Make `app` find this Vestibule, which starts with the first of its apps and stops with
        the last."""
        if "vestibule" in app.extensions:
            raise RuntimeError("this app has a Vestibule already")
        app.extensions["vestibule"] = self

        @app.before_serving
        async def enter() -> None:
            # To the end: what the app does there may still need us.
            app.after_serving_funcs.append(
                app.after_serving_funcs.pop(app.after_serving_funcs.index(leave))
            )
            self._at_work.add(app)
            try:
                await self.start()
            except BaseException:
                self._at_work.discard(app)
                if not self._at_work:
                    await self.stop()
                raise
            self._started.add(app)

        @app.after_serving
        async def leave() -> None:
            self._at_work.discard(app)
            if not self._at_work:
                await self.stop()

    def was_started_by(self, app: Quart) -> bool:
        """Whether `app` was started as an ASGI server does it."""
        return app in self._started

    def unit(
        self, *, reading: bool = False, caller: Caller = NOBODY
    ) -> AbstractAsyncContextManager[Unit]:
        """Open a unit: one transaction for one flow."""
        return opening(self.means, reading=reading, caller=caller)

    async def run(
        self,
        flow: Callable[[Unit], Awaitable[T]],
        *,
        reading: bool = False,
        caller: Caller = NOBODY,
    ) -> T:
        """Run one flow in a unit, again if the database took its transaction back.

        Raises:
            DatabaseUnavailable: the database does not answer, or took it back three times.
        """
        return await running(self.means, flow, reading=reading, caller=caller)

    async def start(self) -> None:
        """Check the schema (development brings it up to date), then start the workers, once.

        Raises:
            CannotStart: the database is not reachable or has another schema, or the key that signs
                tokens was sealed under a secret that is gone.
        """
        await migrations.ready(self.means.database, upgrade=self.settings.in_development)
        await self.run(keys.prepare)
        await self.run(retention.prepare)
        await self.run(disguise.learn, reading=True)
        self.has_no_administrator = await self.run(first.is_missing, reading=True)
        if any(not task.done() for task in self._tasks):
            return
        work = [self._write_touches(), pruning.keep_pruning(self.means), self._rotate_keys()]
        work.append(disguise.keep_learning(self.means))
        if self.feed is not None:
            work.append(self.feed.run())
        if self.settings.courier:
            work.append(self.courier.run())
        self._tasks = [asyncio.create_task(each) for each in work]

    async def stop(self) -> None:
        """Finish what is under way, write what is remembered, and let go of everything."""
        with suppress(Exception):  # the database may be what made us stop
            await self.write_touches()
        await asyncio.gather(self.courier.stop(), self.signals.drain())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self.means.part(Discoveries).close()
        await self.transport.close()
        self.means.passwords.close()
        await self.means.client.close()
        await self.means.counters.close()
        await self.means.database.close()

    async def write_touches(self) -> None:
        for write in (store.write_touches, api_keys.write_touches):
            while await self.run(write):
                pass

    async def _write_touches(self) -> None:
        while True:
            await asyncio.sleep(_TOUCHES_EVERY)
            try:
                await self.write_touches()
            except Exception:
                log.exception("last uses could not be written; trying again")

    async def _rotate_keys(self) -> None:
        while True:
            await asyncio.sleep(_KEYS_EVERY)
            try:
                await self.run(keys.rotate_if_due)
            except Exception:
                log.exception("whether signing keys should rotate is not known; trying again")


def _database(settings: Settings, clock: Clock) -> Database:
    try:
        if settings.in_development:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Database(
            settings.database,
            pool_size=settings.database_pool_size,
            pgbouncer=settings.pgbouncer,
            clock=clock,
        )
    except OSError as error:
        raise CannotStart(
            f"VESTIBULE_DATABASE_URL: the file cannot be opened ({error.strerror})"
        ) from None


def current_vestibule() -> Vestibule:
    """Return the Vestibule of the app that is at work."""
    found = current_app.extensions.get("vestibule")
    if found is None:
        raise RuntimeError("this app has no Vestibule: call Vestibule(settings).init_app(app)")
    return cast(Vestibule, found)
