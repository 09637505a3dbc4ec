"""Telling a host what happened: blinker signals, sent once the change is in the database.

A receiver is the host's: it may be slow, hang or raise, and nobody who sends a request shall
notice. So nothing waits for it but a stop, and that for a moment only.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, fields
from datetime import datetime
from inspect import isawaitable, iscoroutinefunction
from typing import Any, TypeVar
from uuid import UUID

import blinker

log = logging.getLogger("vestibule.signals")

Receiver = TypeVar("Receiver", bound=Callable[..., Any])  # Any: what it returns is not looked at

_TIME = 30.0  # seconds that a receiver may take
_MOST = 1000  # calls under way or waiting for their turn
_LAST_CALL = 1.5  # seconds in which receivers may still finish at a stop
_SPARE = 0.3  # seconds for those that were cut off


class Signal(blinker.Signal):
    """A blinker signal that keeps its receivers: it is forgotten together with its Vestibule."""

    def connect(
        self,
        receiver: Receiver,
        sender: Any = blinker.ANY,  # Any: as blinker has it
        weak: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> Receiver:
        return super().connect(receiver, sender, weak)


@dataclass(frozen=True)
class Happened:
    """What a receiver is told: ids and a time, never a secret."""

    account_id: UUID | None
    session_id: UUID | None
    at: datetime


class Signals:
    """One signal for each thing that a host may want to act on; each is called as its audit event.

    A receiver is called as `receiver(vestibule, account_id=…, session_id=…, at=…)`, outside of any
    request. An async one runs on the loop, another one in a thread of its own.
    """

    def __init__(self, sender: object) -> None:
        self.account_opened = Signal("An account exists from now on.")
        self.account_changed = Signal("Its owner changed names, picture or profile.")
        self.account_disabled = Signal("Nobody logs in to it any more; its sessions ended.")
        self.account_enabled = Signal("It is open again.")
        self.address_proved = Signal("The account's address is its owner's.")
        self.login_succeeded = Signal("Somebody logged in; `session_id` is the new session.")
        self.login_refused = Signal("Somebody did not get in; `account_id` where it is known.")
        self.session_ended = Signal("One session ended: a log-out, here or from elsewhere.")
        self.sessions_ended = Signal("All sessions of an account ended, or all but one.")
        self.session_evicted = Signal("One ended to make room: the account had too many.")
        self._sender = sender
        self._under_way: set[asyncio.Task[None]] = set()

    def send(self, name: str, happened: Happened) -> None:
        """Have everybody told who is connected; return before anybody is.

        Without a running loop, or for an event that is no signal, nothing happens.
        """
        signal = vars(self).get(name)
        if not isinstance(signal, Signal):
            return
        for receiver in list(signal.receivers_for(self._sender)):
            if len(self._under_way) >= _MOST:
                log.error("a receiver of %s is left out: %d calls wait", name, _MOST)
                continue
            # In a context of its own: the request that it tells about may be over.
            task = asyncio.get_running_loop().create_task(
                self._call(name, receiver, happened), context=Context()
            )
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def drain(self) -> None:
        """Let receivers that are under way finish; what takes too long is cut off, and logged."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_CALL):
                while self._under_way:  # what a receiver does may be told to others
                    await asyncio.wait(set(self._under_way))
        if left := set(self._under_way):
            log.error("receivers of signals were cut off by the stop: %d", len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_SPARE)

    async def _call(self, name: str, receiver: Callable[..., Any], happened: Happened) -> None:
        told = {each.name: getattr(happened, each.name) for each in fields(happened)}
        try:
            async with asyncio.timeout(_TIME):
                if iscoroutinefunction(receiver):
                    await receiver(self._sender, **told)
                    return
                answer = await _in_thread(lambda: receiver(self._sender, **told))
                if isawaitable(answer):  # an async one behind an object or a decorator
                    await answer
        except TimeoutError:
            log.error("a receiver of %s took longer than %d s", name, _TIME)  # noqa: TRY400 - no news
        except (Exception, SystemExit):  # nobody gets out of the server this way
            log.exception("a receiver of %s failed", name)


async def _in_thread(call: Callable[[], object]) -> object:
    """Run `call` beside the loop, in a thread that nobody has to wait for at the end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[tuple[object, BaseException | None]] = loop.create_future()

    def finish(answer: object, error: BaseException | None) -> None:
        if not done.cancelled():
            done.set_result((answer, error))  # as a result: a future takes no StopIteration

    def run() -> None:
        answer: object = None
        error: BaseException | None = None
        try:
            answer = call()
        except BaseException as raised:  # noqa: BLE001 - it is raised again on the loop
            error = raised
        with suppress(RuntimeError):  # the loop is gone: nobody asks any more
            loop.call_soon_threadsafe(finish, answer, error)

    threading.Thread(target=run, name="vestibule-signal", daemon=True).start()
    answer, error = await done
    if error is not None:
        raise error
    return answer
