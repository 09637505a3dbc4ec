"""What a host is told, and what its receivers cannot do to us."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any  # Any: what receivers are told
from uuid import UUID

import pytest
from quart import Quart, has_request_context

from tests.embedding.host import Host, made, mount
from tests.world import PASSWORD, World
from vestibule import Vestibule, create_app
from vestibule.accounts import queries, state
from vestibule.accounts.signup import Person, sign_up
from vestibule.audit.events import Event
from vestibule.kernel import signals
from vestibule.kernel.errors import BadCredentials
from vestibule.kernel.signals import Signal


class Heard:
    """A receiver of everything: who sent it, what it is called, what it told."""

    def __init__(self, vestibule: Vestibule) -> None:
        self.all: list[tuple[str, dict[str, Any]]] = []
        self.senders: set[object] = set()
        for name, signal in vars(vestibule.signals).items():
            if isinstance(signal, Signal):
                signal.connect(self._receiver(name))

    def _receiver(self, name: str) -> Any:
        async def receive(sender: object, **told: Any) -> None:
            self.senders.add(sender)
            self.all.append((name, told))

        return receive

    async def names(self) -> list[str]:
        await asyncio.sleep(0.02)
        return [name for name, _ in self.all]


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path) as running:
        yield running


async def ada_of(vestibule: Vestibule) -> UUID:
    async with vestibule.unit(reading=True) as unit:
        account = await queries.by_identifier(unit, "ada")
        assert account is not None
        return account.id


def test_every_signal_is_called_as_its_event(tmp_path: Path) -> None:
    vestibule = made(f"sqlite:///{tmp_path}/x.db", tmp_path)
    names = {name for name, each in vars(vestibule.signals).items() if isinstance(each, Signal)}
    assert len(names) == 10
    assert names <= {event.replace(".", "_") for event in Event}


async def test_a_host_is_told_what_happened_and_to_whom(world: World) -> None:
    heard = Heard(world.vestibule)
    ada = await world.member("ada@example.org", username="ada")
    account_id = await ada_of(world.vestibule)
    await ada.patch("/v1/me", json={"given_name": "Ada"})
    await world.browser().log_in("ada", "a wrong password")
    await ada.post("/v1/logout")
    async with world.vestibule.unit() as unit:  # one that a host opens itself
        await state.disable(unit, account_id)
    async with world.vestibule.unit() as unit:
        await state.enable(unit, account_id)
    assert await heard.names() == [
        *("account_opened", "address_proved", "login_succeeded", "account_changed"),
        *("login_refused", "session_ended", "account_disabled", "sessions_ended"),
        "account_enabled",
    ]
    assert heard.senders == {world.vestibule}
    for name, told in heard.all:
        assert set(told) == {"account_id", "session_id", "at"}, name
        assert told["account_id"] == account_id, name
        assert told["at"].tzinfo is not None
    assert heard.all[2][1]["session_id"] == heard.all[5][1]["session_id"] is not None


async def test_nobody_is_told_of_what_was_taken_back(world: World) -> None:
    heard = Heard(world.vestibule)
    with suppress(ZeroDivisionError):
        async with world.vestibule.unit() as unit:
            await sign_up(unit, Person(username="ada", password=PASSWORD))
            raise ZeroDivisionError
    assert await heard.names() == []
    seen = []

    async def look(sender: Vestibule, *, account_id: UUID, **_: Any) -> None:
        async with sender.unit(reading=True) as unit:
            seen.append(await queries.by_id(unit, account_id))

    world.vestibule.signals.account_opened.connect(look)
    async with world.vestibule.unit() as unit:
        await sign_up(unit, Person(username="ada", password=PASSWORD))
        await asyncio.sleep(0.02)
        assert await heard.names() == [], "not before it is there"
    await world.vestibule.signals.drain()
    assert seen[0] is not None, "and then it is"


async def test_a_refusal_is_told_for_it_stays(world: World) -> None:
    heard = Heard(world.vestibule)
    answer = await world.browser().log_in("nobody")
    assert answer.json()["code"] == BadCredentials.code
    assert await heard.names() == ["login_refused"]
    assert heard.all[0][1]["account_id"] is None


async def test_receivers_that_fail_or_hang_are_nobodys_business(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    signal = world.vestibule.signals.login_succeeded
    done: list[str] = []
    inside: list[bool] = []
    let_go = threading.Event()

    @signal.connect
    async def raise_it(_sender: object, **_: Any) -> None:
        raise ValueError("a receiver's own fault")

    @signal.connect
    def raise_in_a_thread(_sender: object, **_: Any) -> None:
        raise LookupError("a receiver's own fault")

    @signal.connect
    async def hang(_sender: object, **_: Any) -> None:
        await asyncio.sleep(3600)

    @signal.connect
    def hang_in_a_thread(_sender: object, **_: Any) -> None:
        let_go.wait(60)

    @signal.connect
    async def look_around(_sender: object, **_: Any) -> None:
        inside.append(has_request_context())

    @signal.connect
    def note(_sender: object, **_: Any) -> None:
        done.append(threading.current_thread().name)

    await world.browser().sign_up(None, username="ada")
    answers = [await world.browser().log_in("ada") for _ in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
    deadline = time.monotonic() + 10
    while len(done) < 3 and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert done == ["vestibule-signal"] * 3
    assert inside == [False] * 3, "the request may be over"
    logged = [each for each in caplog.records if "login_succeeded failed" in each.message]
    assert len(logged) == 6
    let_go.set()


async def test_a_receiver_has_its_time_and_then_is_cut_off(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_TIME", 0.05)
    cut = asyncio.Event()

    @world.vestibule.signals.account_opened.connect
    async def hang(_sender: object, **_: Any) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cut.set()

    await world.browser().sign_up(None, username="ada")
    await asyncio.wait_for(cut.wait(), 10)
    await asyncio.sleep(0)
    assert "took longer than" in caplog.text


async def test_a_flood_is_bounded(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_MOST", 2)

    @world.vestibule.signals.account_opened.connect
    async def hang(_sender: object, **_: Any) -> None:
        await asyncio.sleep(3600)

    for name in ("ada", "grace", "joan"):
        assert (await world.browser().sign_up(None, username=name)).status_code == 201
    assert caplog.text.count("is left out") == 1


async def test_a_stop_waits_a_moment_for_receivers_and_no_longer(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vestibule = made(sqlite_url, tmp_path)
    finished: list[str] = []

    @vestibule.signals.account_opened.connect
    async def slow(sender: Vestibule, *, account_id: UUID, **_: Any) -> None:
        await asyncio.sleep(0.2)
        async with sender.unit(reading=True) as unit:  # the database is still there
            account = await queries.by_id(unit, account_id)
            finished.append(account.username or "" if account else "gone")

    async with vestibule.unit() as unit:
        await sign_up(unit, Person(username="ada", password=PASSWORD))
    await vestibule.stop()
    assert finished == ["ada"]

    @vestibule.signals.account_opened.connect
    async def stubborn(_sender: object, **_: Any) -> None:
        for _number in range(4):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async with vestibule.unit() as unit:
        await sign_up(unit, Person(username="grace", password=PASSWORD))
    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(vestibule.stop(), 10)
    assert "cut off by the stop: 1" in caplog.text
    await asyncio.sleep(0)


async def test_two_vestibules_do_not_hear_each_other(database_url: str, tmp_path: Path) -> None:
    one = made(database_url, tmp_path / "one")
    other = made(f"sqlite:///{tmp_path}/other.db", tmp_path / "other")
    first, second = Heard(one), Heard(other)
    host = mount(Quart("host"), other)
    async with Host.serving(create_app(one), one) as here, Host.serving(host, other) as there:
        await here.named("ada")
        await there.named("grace")
        assert await first.names() == ["account_opened", "login_succeeded"]
        assert await second.names() == ["account_opened", "login_succeeded"]
        assert {told["account_id"] for _, told in first.all}.isdisjoint(
            told["account_id"] for _, told in second.all
        )
