"""What is out of date goes, in small steps; what is live stays, whatever else is going on."""

import asyncio
import itertools
import logging
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any  # Any: rows and SQLAlchemy's event arguments

import pytest
from sqlalchemy import event, func, insert, select, text, update

from tests.processes import outside
from tests.world import GENEROUS, World
from vestibule import pruning
from vestibule.accounts.models import Challenge
from vestibule.courier import letters, outbox
from vestibule.courier.models import Letter, State
from vestibule.kernel.database import Base
from vestibule.kernel.errors import DatabaseUnavailable, TooManyAttempts
from vestibule.kernel.ids import uuid7
from vestibule.kernel.limits import Limit
from vestibule.sessions.models import Session
from vestibule.throttle import counters
from vestibule.throttle.counters import Counter

NOTHING = {
    "sessions": 0,
    "challenges": 0,
    "letters": 0,
    "counters": 0,
    "accounts": 0,
    "signing_keys": 0,
    "api_keys": 0,
    "spent": 0,
    "audit_entries": 0,
}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


# Only the codes count here, so that every counter is one that a test knows of.
UNLIMITED = GENEROUS.replace("1000000/1h", "off")


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, limits=UNLIMITED) as made:
        yield made


@pytest.fixture
async def postgres_world(postgres_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(postgres_url, tmp_path, limits=UNLIMITED) as made:
        yield made


async def prune(world: World) -> dict[str, int]:
    return await pruning.prune(world.vestibule.means)


async def everything(world: World) -> dict[str, list[str]]:
    return {
        name: sorted(map(repr, await world.rows(select(table))))
        for name, table in Base.metadata.tables.items()
    }


async def count(world: World, table: type[Base]) -> int:
    [(found,)] = await world.rows(select(func.count()).select_from(table))
    return int(found)


def dead_challenges(number: int) -> list[dict[str, object]]:
    return [
        {
            "id": uuid7(),
            "purpose": "sign_up",
            "email_key": f"dead{each}@example.org",
            "address": f"dead{each}@example.org",
            "handle_digest": os.urandom(32),
            "token_digest": os.urandom(32),
            "code_mac": os.urandom(36),
            "code_expires_at": LONG_AGO,
            "expires_at": LONG_AGO,
            "created_at": LONG_AGO,
        }
        for each in range(number)
    ]


def dead_counters(number: int) -> list[dict[str, object]]:
    return [
        {"limit_name": "test", "key_digest": os.urandom(32), "count": 1, "resets_at": LONG_AGO}
        for _ in range(number)
    ]


async def fill(world: World, number: int) -> None:
    async with world.vestibule.unit() as unit:
        await unit.session.execute(insert(Challenge), dead_challenges(number))
        await unit.session.execute(insert(Counter), dead_counters(number))


@contextmanager
def deletions(world: World) -> Iterator[list[tuple[str, Any]]]:
    """Note each statement that deletes, and what was given to it."""
    noted: list[tuple[str, Any]] = []

    def after(
        _connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, _many: bool
    ) -> None:
        if "DELETE" in statement:
            noted.append((statement, given))

    target = world.vestibule.means.database.engine.sync_engine
    event.listen(target, "after_cursor_execute", after)
    try:
        yield noted
    finally:
        event.remove(target, "after_cursor_execute", after)


@contextmanager
def committed(world: World) -> Iterator[list[None]]:
    """Note each transaction that stays."""
    noted: list[None] = []
    target = world.vestibule.means.database.engine.sync_engine
    note = lambda _connection: noted.append(None)  # noqa: E731 - to be taken away by name
    event.listen(target, "commit", note)
    try:
        yield noted
    finally:
        event.remove(target, "commit", note)


# --- what goes, and when ---


async def test_proofs_and_counters_go_when_they_are_out_of_date(world: World) -> None:
    browser = world.browser()
    handle = (await browser.sign_up()).json()["sign_up"]
    used = (await browser.sign_up("bob@example.org")).json()["sign_up"]
    [mail] = await world.mails("bob@example.org")
    assert (await browser.prove(sign_up=used, code=mail.code)).status_code == 200
    assert (await browser.prove(sign_up=handle, code="2222-2222")).status_code == 400
    before = await everything(world)
    assert await prune(world) == NOTHING
    assert await everything(world) == before

    world.clock.move(timedelta(hours=23, minutes=59))
    assert await prune(world) == NOTHING, "the link and the count of wrong codes still matter"
    world.clock.move(timedelta(minutes=2))
    assert await prune(world) == NOTHING | {"challenges": 2, "counters": 2}
    assert await everything(world) == before | {"challenges": [], "counters": []}

    for gone in (handle, used):
        refused = await browser.prove(sign_up=gone, code=mail.code)
        assert (refused.status_code, refused.json()["code"]) == (400, "proof_refused")
        body = {"sign_up": gone}
        again = await browser.post("/v1/accounts/verification/letters", json=body)
        assert again.status_code == 202, "as for one that is merely out of date"


async def test_sessions_go_a_month_after_they_ended(world: World) -> None:
    ada = await world.member()
    remembered = world.browser()
    assert (await remembered.log_in(remember=True)).status_code == 200
    phone = world.browser()
    await phone.log_in()
    await phone.post("/v1/logout")
    await prune(world)
    assert await count(world, Session) == 3

    world.clock.move(timedelta(days=29, hours=12))  # ada's ended after seven days
    assert (await ada.get("/v1/me")).status_code == 401
    assert (await remembered.get("/v1/me")).status_code == 200
    await world.vestibule.write_touches()
    assert (await prune(world))["sessions"] == 0
    world.clock.move(timedelta(days=1))
    assert (await prune(world))["sessions"] == 1, "the phone's, which ended first"
    world.clock.move(timedelta(days=7))
    assert (await prune(world))["sessions"] == 1, "ada's, which nobody ended"
    assert (await remembered.get("/v1/me")).status_code == 200
    [(left,)] = await world.rows(select(Session.remember))
    assert left

    world.clock.move(timedelta(days=82))  # ninety days and a month, and nobody ever ended it
    assert (await prune(world))["sessions"] == 0
    world.clock.move(timedelta(days=1))
    assert (await prune(world))["sessions"] == 1


async def test_how_long_one_keeps_is_a_setting(database_url: str, tmp_path: Path) -> None:
    async with World.running(
        database_url, tmp_path, limits=UNLIMITED, keep_finished=timedelta(hours=1)
    ) as world:
        ada = await world.member()
        await ada.post("/v1/logout")
        world.clock.move(timedelta(minutes=59))
        assert (await prune(world))["sessions"] == 0
        world.clock.move(timedelta(minutes=2))
        assert (await prune(world))["sessions"] == 1


async def test_letters_go_a_month_after_nobody_wants_them_and_never_while_they_wait(
    world: World,
) -> None:
    async with world.vestibule.unit() as unit:
        for state in State:
            draft = letters.already_registered(
                to=f"{state}@example.org", now=unit.now, caller=unit.caller
            )
            letter = await outbox.post(unit, draft)
            await unit.session.execute(
                update(Letter).where(Letter.id == letter).values(state=state)
            )
    world.clock.move(timedelta(days=32, hours=23))  # news are news for three days
    assert await prune(world) == NOTHING
    world.clock.move(timedelta(hours=2))
    assert await prune(world) == NOTHING | {"letters": 3}
    left = await world.rows(select(Letter.state).order_by(Letter.state))
    assert left == [("queued",), ("sending",)]


# --- how ---


async def test_it_goes_in_small_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "BATCH", 4)
    await fill(world, 9)
    ada = await world.member()
    for _ in range(8):
        await ada.log_in()
    world.clock.move(timedelta(days=200))
    with committed(world) as steps:
        assert await prune(world) == NOTHING | {
            "sessions": 9,
            "challenges": 10,
            "letters": 1,
            "counters": 10,
        }
    assert len(steps) == 1 + 3 + 3 + 1 + 3 + 1 + 1 + 1 + 1
    assert await prune(world) == NOTHING


@pytest.mark.fault("F-40")
async def test_it_finds_what_to_remove_by_an_index(world: World) -> None:
    await fill(world, 3000)
    database = world.vestibule.means.database
    with deletions(world) as run:
        await prune(world)
    await fill(world, 3000)
    async with database.engine.begin() as connection:
        await connection.execute(text("ANALYZE"))
        how = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        if not database.is_sqlite:
            await connection.execute(text("SET LOCAL enable_seqscan = off"))  # tables are small
            await connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        plans = [
            "\n".join(map(str, (await connection.exec_driver_sql(how + sql, given)).all()))
            for sql, given in run
        ]
    for index in (
        "ix_sessions_ended_at",
        "ix_sessions_expires_at",
        "ix_api_keys_expires_at",
        "ix_challenges_expires_at",
        "ix_letters_expires_at",
        "ix_counters_resets_at",
        "ix_audit_entries_at",
    ):
        [*found] = [plan for plan in plans if index in plan]
        assert found, (index, plans)
        assert all("Sort" not in plan and "TEMP B-TREE" not in plan for plan in found), found


async def test_what_somebody_holds_is_left_for_the_next_time(postgres_world: World) -> None:
    world = postgres_world
    await fill(world, 3)
    async with world.vestibule.unit() as unit:
        held = select(Challenge.id).limit(1).with_for_update()
        assert await unit.session.scalar(held)
        async with asyncio.timeout(5):
            assert (await prune(world))["challenges"] == 2
    assert (await prune(world))["challenges"] == 1


# --- beside everything else ---


@pytest.mark.fault("F-40")
async def test_nothing_live_is_lost_while_people_sign_up_and_log_in(world: World) -> None:
    done = asyncio.Event()
    removed: list[dict[str, int]] = []

    async def prune_on_and_on() -> None:
        while not done.is_set():
            removed.append(await prune(world))

    async def come_in(number: int) -> None:
        browser, address = world.browser(), f"ada{number}@example.org"
        handle = (await browser.sign_up(address)).json()["sign_up"]
        assert (await browser.prove(sign_up=handle, code="2222-2222")).status_code == 400
        again = {"sign_up": handle}
        answer = await browser.post("/v1/accounts/verification/letters", json=again)
        assert answer.status_code == 202
        code = (await world.mails(address))[-1].code
        proved = await browser.prove(sign_up=handle, code=code)
        assert proved.status_code == 200, proved.text
        assert (await browser.log_in(address)).status_code == 200
        assert (await browser.get("/v1/me")).status_code == 200

    pruners = [asyncio.create_task(prune_on_and_on()) for _ in range(2)]
    try:
        for round_ in range(3):
            await fill(world, 1000)
            for number in range(4):
                await come_in(round_ * 4 + number)
    finally:
        done.set()
        await asyncio.gather(*pruners)
    removed.append(await prune(world))
    assert sum(each["challenges"] for each in removed) == 3000
    assert sum(each["counters"] for each in removed) == 3000
    assert await count(world, Session) == await count(world, Challenge) == 12
    assert await count(world, Letter) == 24
    assert await count(world, Counter) == 12


async def test_a_count_that_is_taken_while_it_would_go_is_kept(postgres_world: World) -> None:
    world = postgres_world
    limit = Limit("raced", most=3, within=timedelta(hours=1))

    async def take() -> None:
        async with world.vestibule.unit() as unit:
            await counters.take(unit, (limit, "ada"))

    for _ in range(200):
        await asyncio.gather(take(), take(), take(), prune_once(world))
        assert await world.rows(select(Counter.count)) == [(3,)]
        with pytest.raises(TooManyAttempts):
            await take()
        world.clock.move(timedelta(hours=1, seconds=1))
    async with world.vestibule.means.database.engine.begin() as taking:  # not by luck alone
        anew = {"count": 3, "resets_at": world.clock.now() + timedelta(hours=1)}
        await taking.execute(update(Counter).values(anew))
        removing = asyncio.create_task(prune_once(world))
        await asyncio.wait({removing}, timeout=0.3)
    await removing
    assert await world.rows(select(Counter.count)) == [(3,)]
    with pytest.raises(TooManyAttempts):
        await take()


async def prune_once(world: World) -> None:
    async with world.vestibule.unit() as unit:
        await counters.prune(unit, most=pruning.BATCH)


@pytest.mark.fault("F-40")
async def test_killed_midway_it_has_done_half_and_the_rest_is_done_the_next_time(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, limits=UNLIMITED) as world:
        ada = await world.member()
        await ada.sign_up("bob@example.org")
        before = await everything(world)
        for _ in range(3):
            await fill(world, 1000)
        for kill in (True, False):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "vestibule", "prune"),
                cwd=tmp_path,
                env=outside(VESTIBULE_DATABASE_URL=database_url),
                stdout=asyncio.subprocess.PIPE,
            )
            if kill:
                while await count(world, Challenge) > 2000:
                    await asyncio.sleep(0.01)
                process.kill()
            said, _ = await process.communicate()
            if kill:
                assert 0 < await count(world, Challenge) < 3002
                assert await count(world, Counter) == 3001
                assert (await ada.get("/v1/me")).status_code == 200
        assert process.returncode == 0
        words = dict(line.split()[:2] for line in said.decode().splitlines())
        assert words["sessions"] == words["letters"] == "0"
        assert words["counters"] == "3000"
        assert 0 < int(words["challenges"]) <= 2000
        assert await everything(world) == before


# --- by itself ---


async def test_a_server_does_it_by_itself_and_goes_on_after_a_failure(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = itertools.chain([RuntimeError("hm"), DatabaseUnavailable(1)], itertools.repeat(None))

    async def sometimes(unit: Any, *, most: int) -> int:
        if failure := next(failures):
            raise failure
        return 0

    monkeypatch.setattr(pruning, "_EVERY", 0.02)
    monkeypatch.setattr(pruning, "FLOWS", {"sometimes": sometimes} | dict(pruning.FLOWS))
    with caplog.at_level(logging.WARNING, "vestibule.pruning"):
        async with World.running(database_url, tmp_path, limits=UNLIMITED) as world:
            await fill(world, 10)
            async with asyncio.timeout(10):
                while await count(world, Challenge) or await count(world, Counter):
                    await asyncio.sleep(0.01)
    told = [each for each in caplog.records if each.name == "vestibule.pruning"]
    assert [each.levelname for each in told] == ["ERROR", "WARNING"]
    assert "database_unavailable" in caplog.text
    left = [task for task in asyncio.all_tasks() if "keep_pruning" in repr(task)]
    assert left == [], "whoever stops the server stops this too"


async def test_it_waits_about_ten_minutes_before_it_begins(world: World) -> None:
    """Many that start at once, and one that starts again and again, must not work for nothing."""
    await fill(world, 1)
    await asyncio.sleep(0.1)
    assert await count(world, Challenge) == 1
    assert pruning._EVERY == 600


def test_every_table_that_grows_by_itself_is_pruned_or_kept_on_purpose() -> None:
    kept = {"accounts", "roles", "grants", "identities", "audit_details", "audit_retention"}
    kept |= {"site_settings"}
    assert set(pruning.FLOWS) | kept == set(Base.metadata.tables)
