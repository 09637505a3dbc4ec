"""Argon2id off the event loop, bounded in threads and in waiting.

The threads are our own and run at a lower priority, so that everybody else's requests are answered
while people log in. The queue is short, in places and in time, because a caller who waits for
seconds is better served by an honest "try again".
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from vestibule.kernel import foreign
from vestibule.kernel.errors import Busy

T = TypeVar("T")

# OWASP Password Storage: 19 MiB, t=2, p=1; said in full because the library's default costs 5 times
# as much time and 3 times as much memory.
STANDARD = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# A hash says itself what checking it costs. Beyond this one is corrupt, and would cost everybody.
_MOST_MEMORY = 262_144  # KiB
_MOST_PASSES = 16
_MOST_LANES = 16  # a thread each

_NICENESS = 10
_WAITING_A_THREAD = 80  # about two seconds of work at 25 ms a hash
_RETRY_AFTER = 2
# On a busy machine the threads come last, and the places alone would hold people for minutes. Long
# enough for a full queue at 25 ms a hash; with the wait for a database it stays below 10 s.
_PATIENCE = 3.0


@dataclass(frozen=True)
class Load:
    """How many passwords are at work, wait for it, and were never hashed since the start."""

    running: int
    waiting: int
    refused: int


class Passwords:
    """The queue of passwords that are to be hashed.

    Args:
        waiting: how many may wait, beside those at work.
        patience: seconds that one waits before its hash begins; what has begun is finished.
        double_hash_salt: what Flask-Security mixed into passwords before it hashed them.
    """

    def __init__(
        self,
        *,
        threads: int,
        hasher: PasswordHasher = STANDARD,
        waiting: int | None = None,
        patience: float = _PATIENCE,
        double_hash_salt: str | None = None,
    ) -> None:
        self.patience = patience
        self._hasher = hasher
        self._double_hash_salt = double_hash_salt
        # Made by the same hasher, so a miss costs what a hit costs.
        self._decoy = hasher.hash("decoy")
        self._count = threads
        self._threads: ThreadPoolExecutor | None = None
        self._bound = threads + (_WAITING_A_THREAD * threads if waiting is None else waiting)
        self._taken = 0
        self._late = False  # somebody waited in vain, and no thread has come free since
        self._refused = 0
        self._guard = threading.Lock()

    async def hash(self, password: str) -> str:
        """Hash `password`, never truncated.

        Raises:
            Busy: the queue is full, or too slow; nobody looked at the password.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def matches(self, password: str, hashed: str | None, *, like: str | None = None) -> bool:
        """Tell whether `hashed` was made from `password`; without a hash, spend the time anyway.

        A hash that is none, or costs more than any should, is nobody's.

        Args:
            like: a hash that costs what this one shall, where there is none.

        Raises:
            Busy: the queue is full, or too slow; nobody looked at the password.
        """
        usable = (each for each in (hashed, like) if each and _is_affordable(each))
        checked = next(usable, self._decoy)
        right = await self._run(lambda: self._verify(password, checked))
        return right and checked == hashed  # the decoy is nobody's

    def outdated(self, hashed: str) -> bool:
        """Tell whether `hashed` was made elsewhere, or with other parameters than today's."""
        return foreign.is_foreign(hashed) or self._hasher.check_needs_rehash(hashed)

    def load(self) -> Load:
        running = min(self._taken, self._count)
        return Load(running, self._taken - running, self._refused)

    def close(self) -> None:
        """End the threads; the next password starts new ones."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    def _verify(self, password: str, hashed: str) -> bool:
        try:
            if foreign.is_foreign(hashed):
                salt = self._double_hash_salt
                return foreign.matches(foreign.read(hashed), password, double_hash_salt=salt)
            return self._hasher.verify(hashed, password)
        except VerifyMismatchError:
            return False
        except (Argon2Error, InvalidHashError, UnicodeEncodeError, foreign.Unreadable):
            with suppress(Argon2Error, UnicodeEncodeError):  # nobody can tell: spend the time
                self._hasher.verify(self._decoy, password)
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        with self._guard:
            if self._taken >= self._bound or self._late:
                self._refused += 1
                raise Busy(_RETRY_AFTER)
            self._taken += 1
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._count, "vestibule-hash", _step_back)
            threads = self._threads
        done = threads.submit(work)
        # The place is given back when the work ends, not when the request does: a client that
        # hangs up must not make room for more hashing than the bound allows.
        done.add_done_callback(self._give_back)
        answer = asyncio.wrap_future(done)
        try:
            # Not left to the threads: where they come last, they would be late to say so, too.
            await asyncio.wait([answer], timeout=self.patience)
            if self._gives_up(done):
                raise Busy(_RETRY_AFTER)
            return await answer
        finally:
            answer.cancel()  # a caller who leaves while waiting makes room

    def _gives_up(self, waiting: Future[T]) -> bool:
        """Give up what no thread has begun, and tell whether it was that."""
        if waiting.done() or not waiting.cancel():
            return False
        with self._guard:
            self._refused += 1
            self._late = self._taken > 0
        return True

    def _give_back(self, done: Future[T]) -> None:
        with self._guard:
            self._taken -= 1
            if not done.cancelled() or self._taken == 0:
                self._late = False


def _is_affordable(hashed: str) -> bool:
    try:
        if foreign.is_foreign(hashed):
            foreign.read(hashed)
            return True
        cost = extract_parameters(hashed)
    except ValueError:  # the base of both that say it is none, and what numbers raise
        return False
    if cost.parallelism > _MOST_LANES:
        return False
    return cost.memory_cost <= _MOST_MEMORY and cost.time_cost <= _MOST_PASSES


def _step_back() -> None:
    # On Linux a thread has a niceness of its own.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
