"""The courier against everything that keeps a letter from leaving."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any  # Any: whatever a condition returns
from uuid import UUID

import pytest
from sqlalchemy import select, update

from tests.world import World
from vestibule.courier import letters, outbox
from vestibule.courier.models import Letter
from vestibule.courier.transports import (
    Message,
    Misconfigured,
    Permanent,
    Temporary,
    TransportError,
)
from vestibule.courier.worker import LEASE, Worker


class Scripted:
    """A transport that fails as told, and keeps what it was given to carry."""

    def __init__(self) -> None:
        self.errors: list[Exception | None] = []
        self.carried: list[Message] = []
        self.held = asyncio.Event()
        self.held.set()

    async def send(self, message: Message) -> None:
        await self.held.wait()
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.carried.append(message)

    async def check(self) -> str:
        return "as told"

    async def close(self) -> None:
        pass


@pytest.fixture
def transport() -> Scripted:
    return Scripted()


@pytest.fixture
async def world(database_url: str, tmp_path: Path, transport: Scripted) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, transport=transport) as made:
        yield made


async def post(world: World, to: str = "ada@example.org", **span: float) -> None:
    async with world.vestibule.unit() as unit:
        lasting = timedelta(**span) if span else timedelta(hours=24)
        draft = letters.custom(
            to=to, subject="Hello", text="Good day", expires_at=unit.now + lasting
        )
        await outbox.post(unit, draft)


async def the_letter(world: World) -> Letter:
    async with world.vestibule.unit() as unit:
        return (await unit.session.scalars(select(Letter))).one()


async def send(world: World) -> int:
    return await world.vestibule.courier.send_due()


async def test_a_letter_is_sent_once_and_its_secrets_are_erased(
    world: World, transport: Scripted
) -> None:
    await post(world)
    assert (await the_letter(world)).payload is not None
    assert await send(world) == 1
    assert await send(world) == 0
    letter = await the_letter(world)
    assert (letter.state, letter.payload, letter.attempts) == ("sent", None, 1)
    assert letter.sent_at is not None
    assert [message.recipient for message in transport.carried] == ["ada@example.org"]


async def test_a_passing_fault_is_tried_again_later_and_later(
    world: World, transport: Scripted
) -> None:
    await post(world)
    waits = []
    for _ in range(8):
        transport.errors = [Temporary("busy")]
        before = world.clock.now()
        assert await send(world) == 1
        assert await send(world) == 0, "not before its time"
        letter = await the_letter(world)
        assert (letter.state, letter.last_error) == ("queued", "busy")
        waits.append(letter.next_try_at - before)
        world.clock.move(letter.next_try_at - world.clock.now() + timedelta(seconds=1))
    assert timedelta(seconds=3) < waits[0] < timedelta(seconds=8)
    assert timedelta(minutes=5) < waits[-1] < timedelta(minutes=20)
    await send(world)
    assert (await the_letter(world)).state == "sent"
    assert len({message.message_id for message in transport.carried}) == 1


async def test_a_bad_recipient_does_not_hold_up_the_others(
    world: World, transport: Scripted
) -> None:
    for name in ("one", "two", "three"):
        await post(world, f"{name}@example.org")
    transport.errors = [Permanent("no such mailbox")]
    assert await send(world) == 3
    states = await world.rows(select(Letter.state).order_by(Letter.state))
    assert [state for (state,) in states] == ["failed", "sent", "sent"]


async def test_a_refused_letter_fails_where_it_can_be_seen_and_tried_again(
    world: World, transport: Scripted
) -> None:
    await post(world)
    transport.errors = [Permanent("550 no such mailbox")]
    await send(world)
    async with world.vestibule.unit(reading=True) as unit:
        [failed] = await outbox.latest_failed(unit)
        assert await outbox.count(unit) == [("failed", 1)]
    assert failed.last_error == "550 no such mailbox"
    async with world.vestibule.unit() as unit:
        assert await outbox.retry(unit, failed.id) == 1
        assert await outbox.retry(unit) == 0
    assert await send(world) == 1
    assert (await the_letter(world)).state == "sent"


async def test_each_failed_attempt_is_a_line_in_the_log(
    world: World, transport: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="vestibule.courier")
    await post(world, hours=24)
    for error in (Temporary("451 busy"), Misconfigured("535 who are you"), Permanent("550 no")):
        transport.errors = [error]
        caplog.clear()
        await send(world)
        letter = await the_letter(world)
        next_try = f"next try at {letter.next_try_at:%Y-%m-%dT%H:%M:%SZ}"
        what_next = "given up" if isinstance(error, Permanent) else next_try
        [record] = caplog.records
        assert record.levelname == "WARNING"
        assert record.getMessage() == (
            f"letter {letter.id} (custom): attempt {letter.attempts} failed, {what_next}: {error}"
        )
        world.clock.move(letter.next_try_at - world.clock.now() + timedelta(seconds=1))
    caplog.clear()
    await post(world, seconds=3)
    transport.errors = [Temporary("451 busy", retry_after=timedelta(minutes=5))]
    await send(world)
    [record] = caplog.records
    assert "given up: 451 busy" in record.getMessage()
    assert "ada@example.org" not in caplog.text


async def test_an_unknown_fault_of_the_transport_loses_nothing(
    world: World, transport: Scripted
) -> None:
    await post(world)
    transport.errors = [ZeroDivisionError()]
    await send(world)
    letter = await the_letter(world)
    assert (letter.state, letter.last_error) == (
        "queued",
        "the transport failed: ZeroDivisionError",
    )


async def test_a_letter_that_is_out_of_date_is_not_sent(world: World, transport: Scripted) -> None:
    await post(world, minutes=5)
    world.clock.move(timedelta(minutes=6))
    await send(world)
    letter = await the_letter(world)
    assert (letter.state, letter.payload, transport.carried) == ("dropped", None, [])


async def test_a_letter_is_given_up_when_the_next_try_would_come_too_late(
    world: World, transport: Scripted
) -> None:
    await post(world, seconds=2)
    transport.errors = [Temporary("busy")]
    await send(world)
    letter = await the_letter(world)
    assert (letter.state, letter.last_error) == ("failed", "given up: busy")


async def test_a_killed_workers_letter_is_claimed_again_when_its_lease_ends(
    world: World, transport: Scripted
) -> None:
    await post(world)
    async with world.vestibule.unit() as unit:
        [held] = await outbox.claim(unit, most=8, lease=LEASE)
    assert await send(world) == 0, "somebody has it"
    world.clock.move(LEASE + timedelta(seconds=1))
    assert await send(world) == 1
    assert (await the_letter(world)).state == "sent"
    # The first worker was not dead, only slow: it has no say any more.
    async with world.vestibule.unit() as unit:
        await outbox.failed(unit, held, why="too late")
    assert (await the_letter(world)).state == "sent"


async def test_of_many_workers_at_once_each_letter_has_one(
    world: World, transport: Scripted
) -> None:
    for number in range(40):
        await post(world, f"{number}@example.org")
    workers = [Worker(world.vestibule.means, transport) for _ in range(4)]

    async def drain(worker: Worker) -> None:
        while await worker.send_due():
            pass

    await asyncio.gather(*(drain(worker) for worker in workers))
    assert sorted(message.recipient for message in transport.carried) == sorted(
        f"{number}@example.org" for number in range(40)
    )


async def test_a_newer_letter_takes_the_place_of_one_that_still_waits(
    world: World, transport: Scripted
) -> None:
    opened = await world.browser().sign_up(None, username="ada")
    account_id = UUID(opened.json()["id"])
    for subject in ("first", "second"):
        async with world.vestibule.unit() as unit:
            draft = letters.custom(
                to="ada@example.org",
                subject=subject,
                text=".",
                expires_at=unit.now + timedelta(hours=1),
                account_id=account_id,
                displaces=True,
            )
            await outbox.post(unit, draft)
    await send(world)
    assert [message.subject for message in transport.carried] == ["second"]
    rows = await world.rows(select(Letter.state, Letter.payload).order_by(Letter.id))
    assert [tuple(row) for row in rows] == [("dropped", None), ("sent", None)]


async def test_a_letter_takes_nobodys_place_without_saying_whose(
    world: World, transport: Scripted
) -> None:
    await post(world)
    async with world.vestibule.unit() as unit:
        draft = letters.custom(
            to="bob@example.org",
            subject="Hello",
            text=".",
            expires_at=unit.now + timedelta(hours=1),
            displaces=True,
        )
        with pytest.raises(ValueError, match="account_id"):
            await outbox.post(unit, draft)
    assert await send(world) == 1


async def test_a_letter_sealed_under_a_lost_secret_fails_visibly(
    world: World, transport: Scripted
) -> None:
    await post(world)
    await world.rows(update(Letter).values(payload=b"0" * 40).returning(Letter.id))
    await send(world)
    letter = await the_letter(world)
    assert letter.state == "failed"
    assert "VESTIBULE_SECRETS" in (letter.last_error or "")


async def test_a_letter_without_a_template_fails_visibly(world: World, transport: Scripted) -> None:
    await post(world)
    await world.rows(update(Letter).values(kind="no_such").returning(Letter.id))
    await send(world)
    letter = await the_letter(world)
    assert (letter.state, letter.last_error) == (
        "failed",
        "there is no template no_such.subject.txt",
    )


# --- the worker as it runs ---


@pytest.fixture
async def running(world: World) -> AsyncIterator[World]:
    work = asyncio.create_task(world.vestibule.courier.run())
    yield world
    await world.vestibule.courier.stop()
    await work


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.01)


async def state_is(world: World, state: str) -> None:
    async with asyncio.timeout(5):
        while (await the_letter(world)).state != state:
            await asyncio.sleep(0.01)


async def test_posting_wakes_the_courier(running: World, transport: Scripted) -> None:
    await asyncio.sleep(0.05)  # it rests by now
    await post(running)
    async with asyncio.timeout(1):  # well before it would look by itself
        while not transport.carried:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "error", [Misconfigured("535 who are you"), Temporary("429", retry_after=timedelta(hours=1))]
)
async def test_where_every_letter_would_fail_the_others_are_kept_back(
    running: World, transport: Scripted, error: TransportError
) -> None:
    transport.errors = [error]
    await post(running)
    await until(lambda: not transport.errors)
    await state_is(running, "queued")
    await post(running, "bob@example.org")
    await asyncio.sleep(0.1)
    assert transport.carried == []
    states = await running.rows(select(Letter.state, Letter.attempts).order_by(Letter.id))
    assert [tuple(row) for row in states] == [("queued", 1), ("queued", 0)]
    running.clock.move(timedelta(hours=1, seconds=1))
    running.vestibule.courier.wake()
    await until(lambda: len(transport.carried) == 2)


async def test_one_stuck_letter_does_not_hold_up_the_others(
    running: World, transport: Scripted
) -> None:
    transport.held.clear()
    await post(running, "stuck@example.org")
    await asyncio.sleep(0.05)
    transport.held = asyncio.Event()
    transport.held.set()  # those that come now pass; the first still waits on the old one
    for number in range(20):
        await post(running, f"{number}@example.org")
    await until(lambda: len(transport.carried) == 20)


async def test_stopping_lets_a_letter_under_way_arrive(world: World, transport: Scripted) -> None:
    work = asyncio.create_task(world.vestibule.courier.run())
    transport.held.clear()
    await post(world)
    await state_is(world, "sending")
    stopping = asyncio.create_task(world.vestibule.courier.stop())
    await asyncio.sleep(0.02)
    transport.held.set()
    await stopping
    await work
    assert (await the_letter(world)).state == "sent"


async def test_what_expired_unsent_is_erased(running: World, transport: Scripted) -> None:
    transport.errors = [Permanent("no")]
    await post(running, minutes=5)
    await state_is(running, "failed")
    assert (await the_letter(running)).payload is not None
    running.clock.move(timedelta(minutes=6))
    running.vestibule.courier.wake()
    async with asyncio.timeout(5):
        while (await the_letter(running)).payload is not None:
            await asyncio.sleep(0.01)
