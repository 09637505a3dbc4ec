"""Hashing: at one cost, off the loop, with a bound."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import pytest
from argon2 import PasswordHasher

from tests.world import CHEAP
from vestibule.kernel.errors import Busy
from vestibule.kernel.passwords import STANDARD, Passwords


class Watched(PasswordHasher):
    """A hasher that tells what it was asked, and can be held up."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str | bytes] = []
        self.threads: set[int] = set()
        self.niceness: set[int] = set()
        self.begun = threading.Semaphore(0)
        self.may_go = threading.Event()
        self.may_go.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - theirs
        self.verified.append(hash)
        return super().verify(hash, password)

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.threads.add(threading.get_native_id())
        with suppress(AttributeError):
            self.niceness.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        self.begun.release()
        assert self.may_go.wait(20), "held up for ever: is this the loop's own thread?"
        return super().hash(password, salt=salt)

    def hold(self) -> None:
        while self.begun.acquire(blocking=False):
            pass
        self.may_go.clear()

    async def has_begun(self) -> None:
        await asyncio.to_thread(self.begun.acquire)


@pytest.fixture
def hasher() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.may_go.set()


@pytest.fixture
def passwords(hasher: Watched) -> Iterator[Passwords]:
    made = Passwords(threads=1, hasher=hasher, waiting=2)
    yield made
    made.close()


async def test_a_password_matches_its_own_hash_alone(passwords: Passwords) -> None:
    hashed = await passwords.hash("correct")
    assert await passwords.matches("correct", hashed)
    assert not await passwords.matches("Correct", hashed)
    assert not await passwords.matches("correct", None)
    for nothing in (None, ""):
        assert not await passwords.matches("decoy", nothing), "the decoy is nobody's"


async def test_a_long_password_is_not_cut(passwords: Passwords) -> None:
    hashed = await passwords.hash("x" * 4096 + "a")
    assert not await passwords.matches("x" * 4096 + "b", hashed)


async def test_a_miss_costs_one_verification_as_a_hit_does(
    passwords: Passwords, hasher: Watched
) -> None:
    hashed = await passwords.hash("correct")
    for asked in (hashed, None, None):
        hasher.verified.clear()
        await passwords.matches("wrong", asked)
        assert len(hasher.verified) == 1
        [verified] = hasher.verified
        assert not hasher.check_needs_rehash(verified), "made with the same parameters"


@pytest.mark.parametrize(
    "corrupt",
    [
        "",
        "nonsense",
        "$argon2id$v=19$m=8,t=1,p=1$",
        "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
        "$argon2id$v=99$m=8,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$Ü",
    ],
)
async def test_a_corrupt_hash_matches_nothing(passwords: Passwords, corrupt: str) -> None:
    assert not await passwords.matches("correct", corrupt)
    assert await passwords.matches("correct", await passwords.hash("correct"))


def test_a_hash_of_other_parameters_is_outdated() -> None:
    older, today = Passwords(threads=1, hasher=CHEAP), Passwords(threads=1)
    assert today.outdated(CHEAP.hash("x"))
    assert not older.outdated(CHEAP.hash("x"))
    assert older.outdated(STANDARD.hash("x"))
    assert not today.outdated(STANDARD.hash("x"))


def test_the_parameters_are_those_that_owasp_names() -> None:
    assert STANDARD.hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.fault("F-14")
async def test_more_than_the_bound_is_told_to_try_later(
    passwords: Passwords, hasher: Watched
) -> None:
    hasher.hold()
    taken = [asyncio.create_task(passwords.hash("x")) for _ in range(3)]
    await hasher.has_begun()
    for _ in range(2):
        with pytest.raises(Busy) as caught:
            await passwords.hash("x")
        assert caught.value.retry_after == 2
    with pytest.raises(Busy):
        await passwords.matches("x", None)
    hasher.may_go.set()
    assert len(set(await asyncio.gather(*taken))) == 3, "who was let in is served"
    assert await passwords.hash("x")


async def test_a_caller_who_leaves_keeps_the_place_until_the_work_ends(hasher: Watched) -> None:
    passwords = Passwords(threads=1, hasher=hasher, waiting=0)
    hasher.hold()
    for _ in range(3):
        leaving = asyncio.create_task(passwords.hash("x"))
        await hasher.has_begun()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        with pytest.raises(Busy):
            await passwords.hash("x")
        hasher.may_go.set()
        while True:
            with suppress(Busy):
                await passwords.hash("x")
                break
            await asyncio.sleep(0)
        hasher.hold()
    hasher.may_go.set()
    passwords.close()


async def test_who_leaves_while_waiting_makes_room(passwords: Passwords, hasher: Watched) -> None:
    hasher.hold()
    working = asyncio.create_task(passwords.hash("x"))
    await hasher.has_begun()
    for _ in range(10):
        waiting = [asyncio.create_task(passwords.hash("x")) for _ in range(2)]
        await asyncio.sleep(0)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    hasher.may_go.set()
    assert await working
    assert await passwords.hash("x")


@pytest.mark.fault("F-14")
async def test_who_waited_in_vain_is_told_so_and_what_has_begun_is_finished(
    hasher: Watched,
) -> None:
    passwords = Passwords(threads=1, hasher=hasher, waiting=2, patience=0.05)
    hasher.hold()
    begun = asyncio.create_task(passwords.hash("at work"))
    await hasher.has_begun()
    with pytest.raises(Busy):
        await passwords.hash("waiting")
    assert passwords.load().waiting == 0
    with pytest.raises(Busy):  # at once: who came before waited in vain
        await asyncio.wait_for(passwords.hash("later"), timeout=0.04)
    assert passwords.load().refused == 2
    assert not begun.done()
    hasher.may_go.set()
    assert await passwords.matches("at work", await begun)
    assert not hasher.begun.acquire(blocking=False), "nobody hashed what was given up"
    passwords.close()


async def test_hashing_is_off_the_loop(passwords: Passwords, hasher: Watched) -> None:
    hasher.threads.clear()
    await asyncio.gather(*(passwords.hash("x") for _ in range(3)))
    assert len(hasher.threads) == 1, "as many threads as were asked for"
    assert threading.get_native_id() not in hasher.threads


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has a niceness of its own on Linux")
async def test_hashing_steps_back_behind_everybody_else(
    passwords: Passwords, hasher: Watched
) -> None:
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    hasher.niceness.clear()
    await passwords.hash("x")
    assert hasher.niceness == {max(before, 10)}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
