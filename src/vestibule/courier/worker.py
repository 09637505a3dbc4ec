"""The courier: takes letters from the outbox and hands them to the transport, a few at a time.

At least once, never zero: a letter whose worker was killed is claimed again when its lease ends,
with the same Message-ID. One that cannot be sent steps back and lets the others pass.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial

from vestibule.courier import outbox
from vestibule.courier.models import Letter
from vestibule.courier.rendering import Templates, Unrenderable
from vestibule.courier.transports import Message, Misconfigured, Permanent, Temporary, Transport
from vestibule.kernel import mailboxes
from vestibule.kernel.errors import VestibuleError
from vestibule.kernel.means import Means
from vestibule.kernel.running import running
from vestibule.kernel.seal import Unsealable
from vestibule.kernel.unit import Unit

log = logging.getLogger("vestibule.courier")

AT_ONCE = 8
# Longer than any transport's time-out, so that a lease ends only with its worker.
LEASE = timedelta(seconds=30)
_POLL = 2.0  # for letters of other processes, and those that wait for their next try
_LAST_CALL = 2.0  # seconds in which letters under way may still arrive at a stop
_SWEEP = timedelta(minutes=1)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=15)
_MENDING = timedelta(minutes=1)  # how long to wait for somebody to mend the settings


class Worker:
    def __init__(self, means: Means, transport: Transport) -> None:
        self._means = means
        self._transport = transport
        self._templates = Templates(means.settings)
        self._sender = means.settings.sender
        sender = mailboxes.sender(self._sender)
        self._domain = sender.domain if sender else "localhost"
        self._woken = asyncio.Event()
        self._stopping = False
        self._under_way: set[asyncio.Task[None]] = set()
        self._closed_until = means.clock.now()
        self._swept_at = means.clock.now() - _SWEEP

    def wake(self) -> None:
        """There may be a letter to send."""
        self._woken.set()

    async def run(self) -> None:
        """Work until stopped. Whatever goes wrong with one letter or one look is logged."""
        self._stopping = False
        self._woken = asyncio.Event()  # that of an earlier run may belong to another loop
        while not self._stopping:
            self._woken.clear()
            try:
                await self._look()
            except VestibuleError as error:
                log.warning("the outbox cannot be read: %s", error.code)
            except Exception:
                log.exception("the outbox cannot be read")
            await self._rest()

    async def stop(self) -> None:
        """Let the letters under way arrive. What does not is claimed again later."""
        self._stopping = True
        self.wake()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_CALL)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def send_due(self) -> int:
        """Send what is due now, one after the other, and return how many letters were tried."""
        tried = 0
        while letters := await self._claim(1):
            await self._deliver(letters[0])
            tried += 1
        return tried

    async def _look(self) -> None:
        now = self._means.clock.now()
        if now - self._swept_at >= _SWEEP:
            self._swept_at = now
            await running(self._means, outbox.erase_expired)
        free = AT_ONCE - len(self._under_way)
        if now < self._closed_until or free <= 0:
            return
        for letter in await self._claim(free):
            task = asyncio.create_task(self._deliver(letter))
            self._under_way.add(task)
            task.add_done_callback(self._arrived)

    async def _claim(self, most: int) -> Sequence[Letter]:
        return await running(self._means, partial(outbox.claim, most=most, lease=LEASE))

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), _POLL)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.wake()  # there is room for another
        if not task.cancelled() and (error := task.exception()):
            # Its state could not be written; the lease brings it back.
            log.error("a letter's state could not be written", exc_info=error)

    async def _deliver(self, letter: Letter) -> None:
        why = await self._try(letter)
        await running(self._means, partial(self._note, letter=letter, why=why))

    async def _note(self, unit: Unit, *, letter: Letter, why: Exception | None) -> None:
        """Write down what became of a letter."""
        match why:
            case None:
                await outbox.sent(unit, letter)
            case Temporary() | Misconfigured():
                at = unit.now + self._wait(letter, why)
                if at >= letter.expires_at:
                    await outbox.failed(unit, letter, why=f"given up: {why}")
                    _tell(letter, "given up", why)
                else:
                    await outbox.again(unit, letter, at=at, why=str(why))
                    _tell(letter, f"next try at {at:%Y-%m-%dT%H:%M:%SZ}", why)
            case Permanent():
                await outbox.failed(unit, letter, why=str(why))
                _tell(letter, "given up", why)
            case _Expired():
                await outbox.dropped(unit, letter, why="out of date before it could be sent")

    async def _try(self, letter: Letter) -> Exception | None:
        """Send one letter; return what kept it from leaving."""
        if letter.expires_at <= self._means.clock.now():
            return _Expired()
        try:
            await self._transport.send(self._write(letter))
        except (Temporary, Permanent, Misconfigured) as error:
            return error
        except Exception as error:  # a transport's own fault must not lose a letter
            log.exception("the mail transport failed")
            return Temporary(f"the transport failed: {type(error).__name__}")
        return None

    def _write(self, letter: Letter) -> Message:
        """Put a letter into its final words.

        Raises:
            Permanent: it cannot be unsealed, or its template fails.
        """
        try:
            words = outbox.words(self._means.seals, letter)
            rendered = self._templates.render(letter.kind, words)
        except Unsealable:
            why = "sealed under a secret that is not among VESTIBULE_SECRETS"
            raise Permanent(why) from None
        except Unrenderable as error:
            raise Permanent(str(error)) from error
        except Exception as error:  # a host's template may do anything
            log.exception("letter %s (%s) cannot be written", letter.id, letter.kind)
            raise Permanent(f"its template fails: {type(error).__name__}") from error
        return Message(
            message_id=f"<{letter.id}@{self._domain}>",
            sender=words.get("sender") or self._sender,
            recipient=letter.recipient,
            subject=f"{words.get('subject_prefix') or ''} {rendered.subject}".lstrip(),
            text=rendered.text,
            html=rendered.html,
        )

    def _wait(self, letter: Letter, why: Temporary | Misconfigured) -> timedelta:
        """Return how long to leave a letter alone; close the house where all would fail."""
        now = self._means.clock.now()
        if isinstance(why, Misconfigured):
            self._closed_until = now + _MENDING
            return _MENDING
        if why.retry_after is not None:
            self._closed_until = now + why.retry_after
            return why.retry_after
        doubled = _FIRST_WAIT * 2 ** min(letter.attempts - 1, 10)
        spread: float = random.uniform(0.75, 1.25)  # noqa: S311 - no secret
        return timedelta(seconds=min(doubled, _LONGEST_WAIT).total_seconds() * spread)


def _tell(letter: Letter, what_next: str, why: Exception) -> None:
    log.warning(
        "letter %s (%s): attempt %d failed, %s: %s",
        *(letter.id, letter.kind, letter.attempts, what_next, why),
    )


class _Expired(Exception):
    """Nobody would want this letter any more."""
