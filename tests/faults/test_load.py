"""More than the machine can do at once, and clients that do not wait for the answer."""

import asyncio
import gc
import json
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal, cast  # Any: ASGI messages

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select, text
from sqlalchemy.pool import QueuePool

from tests.world import GENEROUS, PASSWORD, World
from vestibule.accounts.models import Account, Challenge
from vestibule.courier.models import Letter
from vestibule.kernel.database import Database


class Held(PasswordHasher):
    """A hasher that waits for the test, and notes what it saw when it was called."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go = threading.Event()
        self.go.set()
        self.world: World | None = None
        self.connections_held: list[int] = []

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self._look()
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - argon2's
        self._look()
        return super().verify(hash, password)

    def _look(self) -> None:
        if self.world is not None:
            end = time.monotonic() + 2
            # Who works beside it gives its connection back meanwhile; who asked cannot.
            while (held := checked_out(self.world)) and time.monotonic() < end:
                time.sleep(0.01)
            self.connections_held.append(held)
        self.go.wait(10)


def checked_out(world: World) -> int:
    database = world.vestibule.means.database
    engines = {id(each.pool): each.pool for each in (database.engine, database.reading_engine)}
    return sum(pool.checkedout() for pool in engines.values() if isinstance(pool, QueuePool))


@pytest.fixture
def hasher() -> Iterator[Held]:
    held = Held()
    yield held
    held.go.set()


@pytest.mark.fault("F-14")
async def test_more_hashing_than_two_seconds_of_work_is_refused_and_nobody_else_waits(
    database_url: str, tmp_path: Path, hasher: Held
) -> None:
    async with World.running(database_url, tmp_path, hasher=hasher, hash_threads=1) as world:
        ada = await world.member()
        world.vestibule.means.passwords.patience = 60
        hasher.go.clear()
        storm = [
            asyncio.create_task(world.client().sign_up(f"{number}@example.org"))
            for number in range(100)
        ]
        soonest = asyncio.as_completed(storm)
        for _ in range(100 - 81):  # one at work and eighty waiting
            answer = await next(soonest)
            assert (answer.status_code, answer.json()["code"]) == (503, "busy")
            assert answer.headers["retry-after"] == "2"
        assert (await world.client().get("/healthz")).status_code == 200
        assert (await ada.get("/v1/me")).status_code == 200
        hasher.go.set()
        answers = await asyncio.gather(*storm)
        assert Counter(each.status_code for each in answers) == {202: 81, 503: 19}
        asked = await world.rows(select(func.count()).select_from(Challenge))
        assert asked == [(81 + 1,)]


@pytest.mark.fault("F-14")
async def test_being_told_to_come_back_is_no_attempt(
    database_url: str, tmp_path: Path, hasher: Held
) -> None:
    async with World.running(database_url, tmp_path, hasher=hasher, hash_threads=1) as world:
        await world.browser().sign_up()
        [letter] = await world.mails()
        world.vestibule.means.passwords.patience = 60
        hasher.go.clear()
        storm = [asyncio.create_task(world.client().log_in()) for _ in range(81)]
        while world.vestibule.means.passwords._taken < 81:
            await asyncio.sleep(0.01)
        for _ in range(12):
            busy = await world.client().prove(token=letter.token, password=PASSWORD)
            assert busy.status_code == 503
        hasher.go.set()
        await asyncio.gather(*storm)
        proved = await world.client().prove(token=letter.token, password=PASSWORD)
        assert proved.status_code == 200


@pytest.mark.fault("F-14")
async def test_who_waited_too_long_is_told_so_and_it_was_no_attempt(
    database_url: str, tmp_path: Path, hasher: Held
) -> None:
    once = "log_in_identifier=1/1h, sign_up_client=3/1h, sign_up_passwords=1/1h"
    async with World.running(
        database_url, tmp_path, hasher=hasher, hash_threads=1, limits=once
    ) as world:
        await world.browser().sign_up()
        [letter] = await world.mails()
        world.vestibule.means.passwords.patience = 0.05
        hasher.go.clear()
        ahead = asyncio.create_task(world.client().sign_up("first@example.org"))
        while not world.vestibule.means.passwords.load().running:
            await asyncio.sleep(0.01)
        for _ in range(3):
            for told in (
                await world.client().log_in("bob@example.org"),
                await world.client().sign_up("bob@example.org"),
                await world.client().prove(token=letter.token, password=PASSWORD),
            ):
                assert (told.status_code, told.json()["code"]) == (503, "busy")
                assert told.headers["retry-after"] == "2"
        hasher.go.set()
        assert (await ahead).status_code == 202
        world.vestibule.means.passwords.patience = 60
        assert (await world.client().log_in("bob@example.org")).status_code == 401
        assert (await world.client().sign_up("bob@example.org")).status_code == 202
        proved = await world.client().prove(token=letter.token, password=PASSWORD)
        assert proved.status_code == 200


@pytest.mark.fault("F-10")
@pytest.mark.parametrize("limits", [GENEROUS, GENEROUS.replace("1000000/1h", "off")])
async def test_no_connection_is_held_while_hashing(
    database_url: str, tmp_path: Path, hasher: Held, limits: str
) -> None:
    async with World.running(database_url, tmp_path, hasher=hasher, limits=limits) as world:
        hasher.world = world
        await world.member()
        await world.browser().log_in(password="wrong")
        await world.browser().log_in("nobody@example.org")
        await world.browser().sign_up()
        token = (await world.mails("ada@example.org"))[0]
        assert token.link is not None
        asked = await world.browser().sign_up("bob@example.org")
        assert asked.status_code == 202
        letter = (await world.mails("bob@example.org"))[-1]
        await world.browser().prove(token=letter.token, password=PASSWORD)
        await world.browser().sign_up(None, username="cleo")
    assert len(hasher.connections_held) == 8
    assert set(hasher.connections_held) == {0}


async def hang_up(world: World, email: str) -> bool:
    """Sign up and disconnect at any moment; tell whether the answer had come by then."""
    body = json.dumps({"email": email, "password": PASSWORD}).encode()
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    answered = False

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.sleep(random.uniform(0, 0.03))
        return {"type": "http.disconnect"}

    async def send(message: Mapping[str, Any]) -> None:
        nonlocal answered
        answered = answered or message["type"] == "http.response.start"

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/accounts",
        "raw_path": b"/v1/accounts",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:8000"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "extensions": {},
    }
    with suppress(asyncio.CancelledError):
        await cast(Any, world.app)(scope, receive, send)
    return answered


@pytest.mark.fault("F-09")
async def test_a_statement_that_hangs_ends_in_time(postgres_url: str, tmp_path: Path) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        ada = await world.member()
        async with world.vestibule.means.database.patient_transaction() as blocker:
            await blocker.execute(text("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE"))
            held = await asyncio.gather(ada.get("/v1/me"), world.client().log_in())
            assert [each.status_code for each in held] == [503, 503]
            assert all(each.headers["retry-after"] == "5" for each in held)
            assert (await world.client().get("/healthz")).status_code == 200
        assert (await ada.get("/v1/me")).status_code == 200
        assert checked_out(world) == 0


async def test_a_migration_may_take_as_long_as_it_needs(postgres_url: str) -> None:
    database = Database(postgres_url)
    async with database.patient_transaction() as connection:
        await connection.execute(text("SELECT pg_sleep(5.5)"))
    await database.close()


def lock_at_once(url: str) -> None:
    """Take SQLite's lock as another process would, which must not find it left behind."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=2)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")


@pytest.fixture
def uncollected() -> Iterator[None]:
    """What nobody holds any more must let go by itself, not when Python happens to collect it."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.fault("F-12")
@pytest.mark.usefixtures("uncollected")
async def test_clients_that_hang_up_leave_nothing_held_and_nothing_half_done(
    world: World,
) -> None:
    answered = []
    for start in range(0, 200, 20):
        batch = (hang_up(world, f"{number}@example.org") for number in range(start, start + 20))
        answered += await asyncio.gather(*batch)
        if world.vestibule.means.database.is_sqlite:
            await asyncio.to_thread(lock_at_once, world.vestibule.settings.database)
    assert not all(answered), "nobody hung up in time"
    assert checked_out(world) == 0
    asked = await world.rows(select(Challenge.address).order_by(Challenge.address))
    posted = await world.rows(select(Letter.recipient).order_by(Letter.recipient))
    assert asked == posted, "a sign-up and its letter are one"
    assert (await world.browser().sign_up("ada@example.org")).status_code == 202
    assert await world.rows(select(Account.id)) == []
