"""The audit log: who reads what of it, what nobody may do to it, and how old it becomes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any  # Any: answers are JSON

import pytest
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from tests.world import Client, World
from vestibule import pruning
from vestibule.accounts import queries
from vestibule.audit.events import Event
from vestibule.audit.log import Detail, Entry
from vestibule.audit.retention import Retention
from vestibule.roles import grants

MONTH = timedelta(days=31)


@asynccontextmanager
async def long_ago(url: str, folder: Path, **settings: Any) -> AsyncIterator[World]:
    """A world that wakes a year and a half ago; the database has the time of today."""
    async with World.running(url, folder, **settings) as world:
        world.clock.move(timedelta(days=-550))
        yield world


async def history(client: Client, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/me/audit", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def told(client: Client) -> list[str]:
    return [each["event"] for each in (await history(client))["entries"]]


async def entries(world: World) -> int:
    [(found,)] = await world.rows(select(func.count()).select_from(Entry))
    return int(found)


async def write(world: World, statement: Any) -> None:
    async with world.vestibule.means.database.engine.begin() as connection:
        await connection.execute(statement)


# --- reading ---


async def test_people_see_what_happened_to_them_and_from_where(world: World) -> None:
    ada = await world.member()
    stranger = world.browser(address="192.0.2.7", **{"User-Agent": "Curl the Second"})
    assert (await stranger.log_in(password="not this one at all")).status_code == 401
    first, *others = (await history(ada))["entries"]
    assert first["event"] == "login.refused"
    assert (first["address"], first["user_agent"]) == ("192.0.2.7", "Curl the Second")
    assert first["by_another"] is False
    assert [each["event"] for each in others] == [
        "login.succeeded",
        "address.proved",
        "account.opened",
    ]
    assert all(each["session_id"] for each in others if each["event"] == "login.succeeded")


@pytest.mark.attack("A-056")
async def test_nobody_sees_what_happened_to_others(world: World) -> None:
    ada, bob = await world.member(), await world.member("bob@example.org")
    shown = {each["id"] for each in (await history(ada))["entries"]}
    assert shown.isdisjoint(each["id"] for each in (await history(bob))["entries"])
    theirs = (await history(ada, limit=1))["next"]
    assert shown.isdisjoint(each["id"] for each in (await history(bob, cursor=theirs))["entries"])
    assert (await world.browser().get("/v1/me/audit")).status_code == 401


async def test_what_somebody_else_did_says_so_and_not_who(world: World) -> None:
    ada, bob = await world.member(), await world.member("bob@example.org")
    by = (await bob.get("/v1/me")).json()["id"]
    async with world.vestibule.unit() as unit:
        account = await queries.by_identifier(unit, "ada@example.org")
        actor = await queries.by_identifier(unit, "bob@example.org")
        assert account is not None
        assert actor is not None
        await grants.grant(unit, account.id, "editor", by=actor.id)
    [first, *_] = (await history(ada))["entries"]
    assert (first["event"], first["about"], first["by_another"]) == ("role.granted", "editor", True)
    assert by not in (await ada.get("/v1/me/audit")).text


async def test_from_where_somebody_else_came_is_nobodys_to_know(world: World) -> None:
    ada, _ = await world.member(), await world.member("root@example.org")
    await world.give("root@example.org", "admin")
    root = world.browser(address="203.0.113.9", **{"User-Agent": "An office"})
    assert (await root.log_in("root@example.org")).status_code == 200
    path = f"/v1/admin/accounts/{(await ada.get('/v1/me')).json()['id']}"
    assert (await root.patch(path, json={"given_name": "Augusta"})).status_code == 200
    [first, *_] = (await history(ada))["entries"]
    assert (first["event"], first["by_another"]) == ("account.changed", True)
    assert (first["address"], first["user_agent"]) == (None, None)
    assert "203.0.113.9" not in (await ada.get("/v1/me/audit")).text


async def test_it_is_read_page_by_page(world: World) -> None:
    ada = await world.member()
    for _ in range(4):
        assert (await world.browser().log_in()).status_code == 200
    whole, pages, cursor = await told(ada), [], None
    while True:
        page = await history(ada, limit=3, **({"cursor": cursor} if cursor else {}))
        pages += [each["event"] for each in page["entries"]]
        cursor = page["next"]
        if cursor is None:
            break
        assert len(page["entries"]) == 3
    assert pages == whole
    assert (await ada.get("/v1/me/audit?cursor=1%20OR%201")).status_code == 422


# --- what nobody may do to it ---


@pytest.mark.parametrize(
    "statement",
    [
        update(Entry).values(event=Event.ACCOUNT_OPENED),
        update(Entry).values(account_id=None),
        delete(Entry),
        delete(Entry).where(Entry.event == Event.LOGIN_REFUSED),
    ],
    ids=["event", "account", "all", "some"],
)
async def test_no_statement_changes_an_entry_or_removes_a_young_one(
    world: World, statement: Any
) -> None:
    ada = await world.member()
    await world.browser().log_in(password="not this one at all")
    before = await told(ada)
    with pytest.raises(DBAPIError):
        await write(world, statement)
    assert await told(ada) == before


async def test_no_entry_is_written_over_nor_the_log_emptied(world: World) -> None:
    ada = await world.member()
    before = await told(ada)
    [(entry,)] = await world.rows(select(Entry).limit(1))
    values = {each.name: getattr(entry, each.name) for each in Entry.__table__.columns}
    again = insert(Entry).values(values | {"event": Event.SIGN_UP_ASKED})
    if world.vestibule.means.database.is_sqlite:
        statement: Any = again.prefix_with("OR REPLACE")
    else:
        statement = text("TRUNCATE audit_entries CASCADE")
    with pytest.raises(DBAPIError):
        await write(world, statement)
    assert await told(ada) == before


async def test_without_a_time_to_keep_it_nothing_goes(world: World) -> None:
    await world.member()
    before = await entries(world)
    await write(world, delete(Retention))
    with pytest.raises(DBAPIError):
        await write(world, delete(Entry))
    world.clock.move(timedelta(days=5000))
    assert (await pruning.prune(world.vestibule.means))["audit_entries"] == 0
    assert await entries(world) == before


# --- how old it becomes ---


@pytest.mark.fault("F-40")
async def test_entries_go_when_their_time_is_over_and_not_before(
    database_url: str, tmp_path: Path
) -> None:
    async with long_ago(database_url, tmp_path, audit_retention=6 * MONTH) as world:
        started = await entries(world)  # at the start, which was today
        await world.member()
        old = await entries(world) - started
        world.clock.move(timedelta(days=550))
        bob = await world.member("bob@example.org")
        young = await entries(world) - old  # with those of the start
        assert (await pruning.prune(world.vestibule.means))["audit_entries"] == old
        assert await entries(world) == young
        [(details,)] = await world.rows(select(func.count()).select_from(Detail))
        assert details == young
        assert (await told(bob))[-1] == "account.opened"


async def test_the_time_is_the_settings_and_a_change_of_it_is_an_entry(
    database_url: str, tmp_path: Path
) -> None:
    for span, pruned in ((600, False), (300, True)):
        async with long_ago(database_url, tmp_path, audit_retention=timedelta(days=span)) as world:
            if not pruned:
                await world.member()
            world.clock.move(timedelta(days=550))
            with_it = await world.rows(
                select(Entry.id).where(Entry.event == Event.AUDIT_RETENTION_CHANGED)
            )
            assert len(with_it) == 1 + pruned
            removed = (await pruning.prune(world.vestibule.means))["audit_entries"]
            assert (removed > 0) is pruned
