"""Logging in and out, and the devices one is signed in on."""

import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from argon2 import PasswordHasher
from sqlalchemy import select, update

from tests.world import CHEAP, PASSWORD, World
from vestibule.accounts import state
from vestibule.accounts.models import Account
from vestibule.audit.log import Detail, Entry
from vestibule.sessions import store
from vestibule.sessions.models import Session


async def test_a_session_ends_when_it_is_not_used_for_a_day(world: World) -> None:
    ada = await world.member()
    world.clock.move(timedelta(hours=23))
    assert (await ada.get("/v1/me")).status_code == 200
    await world.vestibule.write_touches()
    world.clock.move(timedelta(hours=23))
    assert (await ada.get("/v1/me")).status_code == 200, "it was used meanwhile"
    await world.vestibule.write_touches()
    world.clock.move(timedelta(hours=25))
    assert (await ada.get("/v1/me")).status_code == 401


async def test_a_use_that_is_not_written_yet_counts(world: World) -> None:
    ada = await world.member()
    world.clock.move(timedelta(hours=23, minutes=59))
    assert (await ada.get("/v1/me")).status_code == 200
    world.clock.move(timedelta(minutes=2))
    assert (await ada.get("/v1/me")).status_code == 200


async def test_a_session_ends_after_a_week_however_much_it_is_used(world: World) -> None:
    ada = await world.member()
    for _ in range(8):
        world.clock.move(timedelta(hours=20))
        assert (await ada.get("/v1/me")).status_code == 200
        await world.vestibule.write_touches()
    world.clock.move(timedelta(hours=9))
    assert (await ada.get("/v1/me")).status_code == 401


async def test_a_remembered_session_lives_for_a_month_of_silence(world: World) -> None:
    await world.member()
    ada = world.browser()
    entered = await ada.log_in(remember=True)
    assert "Max-Age=7776000" in entered.headers["set-cookie"]
    world.clock.move(timedelta(days=29))
    assert (await ada.get("/v1/me")).status_code == 200
    await world.vestibule.write_touches()
    world.clock.move(timedelta(days=31))
    assert (await ada.get("/v1/me")).status_code == 401


async def test_touches_are_written_at_most_once_a_minute_and_never_backwards(
    world: World,
) -> None:
    ada = await world.member()
    await ada.get("/v1/me")
    assert world.vestibule.means.touched == set(), "used a moment after it was opened"
    world.clock.move(timedelta(minutes=5))
    await ada.get("/v1/me")
    await world.vestibule.write_touches()
    [(seen,)] = await world.rows(select(Session.seen_at))
    assert world.vestibule.means.touched == set()
    world.clock.move(timedelta(minutes=-10))
    world.vestibule.means.touched.add((await world.rows(select(Session.id)))[0][0])
    await world.vestibule.write_touches()
    assert (await world.rows(select(Session.seen_at))) == [(seen,)]


async def test_a_touch_never_wakes_a_session_that_has_ended(world: World) -> None:
    ada = await world.member()
    world.clock.move(timedelta(minutes=5))
    await ada.get("/v1/me")
    await ada.post("/v1/logout")
    [before] = await world.rows(select(Session.seen_at, Session.idle_until))
    await world.vestibule.write_touches()
    assert await world.rows(select(Session.seen_at, Session.idle_until)) == [before]


async def test_every_log_in_is_a_new_session_and_replaces_the_one_before(world: World) -> None:
    ada = await world.member()
    first = ada.cookies["vestibule"]
    entered = await ada.log_in()
    assert ada.cookies["vestibule"] != first
    listed = (await ada.get("/v1/me/sessions")).json()["sessions"]
    assert [each["id"] for each in listed] == [entered.json()["session"]["id"]]
    former = world.client(Cookie=f"vestibule={first}")
    assert (await former.get("/v1/me")).status_code == 401


async def test_devices_are_listed_and_ended_one_by_one(world: World) -> None:
    ada = await world.member()
    phone = world.client(Origin="http://localhost:8000", **{"User-Agent": "Phone"})
    there = (await phone.log_in()).json()["session"]
    listed = (await ada.get("/v1/me/sessions")).json()
    assert listed["next"] is None
    newest = listed["sessions"][0]
    assert (newest["user_agent"], newest["current"]) == (
        "Phone",
        False,
    )
    assert (await ada.delete(f"/v1/me/sessions/{there['id']}")).status_code == 204
    assert (await phone.get("/v1/me")).status_code == 401
    gone = await ada.delete(f"/v1/me/sessions/{there['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "session_unknown")
    assert (await ada.get("/v1/me")).status_code == 200


async def test_ending_ones_own_session_takes_the_cookie_back(world: World) -> None:
    ada = await world.member()
    [own] = (await ada.get("/v1/me/sessions")).json()["sessions"]
    answer = await ada.delete(f"/v1/me/sessions/{own['id']}")
    assert answer.status_code == 204
    assert "vestibule" not in ada.cookies


async def test_sessions_come_in_pages(world: World) -> None:
    await world.member()
    others = [world.browser() for _ in range(4)]
    ids = [(await each.log_in()).json()["session"]["id"] for each in others]
    first = (await others[0].get("/v1/me/sessions", params={"limit": 2})).json()
    assert [each["id"] for each in first["sessions"]] == ids[:1:-1]
    rest = (
        await others[0].get("/v1/me/sessions", params={"limit": 50, "cursor": first["next"]})
    ).json()
    assert [each["id"] for each in rest["sessions"]][:2] == ids[1::-1]
    assert rest["next"] is None
    for params in ({"cursor": "x"}, {"limit": "0"}, {"limit": "x"}, {"page": "2"}):
        wrong = await others[0].get("/v1/me/sessions", params=params)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_fields")


async def test_all_other_devices_can_be_signed_out(world: World) -> None:
    ada = await world.member()
    phone = world.browser()
    await phone.log_in()
    assert (await ada.delete("/v1/me/sessions")).status_code == 204
    assert (await phone.get("/v1/me")).status_code == 401
    assert (await ada.get("/v1/me")).status_code == 200


async def test_logging_out_everywhere_ends_this_one_too(world: World) -> None:
    ada = await world.member()
    phone = world.browser()
    await phone.log_in()
    assert (await ada.post("/v1/logout-all")).status_code == 204
    assert [(await each.get("/v1/me")).status_code for each in (ada, phone)] == [401, 401]
    assert (await world.browser().post("/v1/logout-all")).status_code == 401


async def test_logging_out_twice_is_fine(world: World) -> None:
    ada = await world.member()
    assert (await ada.post("/v1/logout")).status_code == 204
    assert (await ada.post("/v1/logout")).status_code == 204


async def test_a_refused_log_in_is_kept_in_the_audit_log(world: World) -> None:
    await world.member()
    await world.browser().log_in(password="wrong")
    await world.browser().log_in("nobody@example.org")
    entries = await world.rows(select(Entry.event, Entry.account_id).order_by(Entry.id))
    refused = [account for event, account in entries if event == "login.refused"]
    assert len(refused) == 2
    assert refused[0] is not None
    assert refused[1] is None


async def test_of_what_was_typed_only_an_address_is_kept(world: World) -> None:
    """The field for the name is where people type a password by mistake."""
    await world.browser().log_in("correct-horse-battery")
    await world.browser().log_in("bob@example.org")
    await world.browser().log_in("p@ssword")
    kept = await world.rows(select(Detail.identifier).order_by(Detail.entry_id))
    assert kept == [(None,), ("bob@example.org",), (None,)]


async def test_a_hash_of_other_parameters_is_renewed_at_the_next_log_in(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path) as world:
        await world.member()
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    async with World.running(database_url, tmp_path, hasher=stronger) as world:
        [(before,)] = await world.rows(select(Account.password_hash))
        assert (await world.browser().log_in()).status_code == 200
        [(after,)] = await world.rows(select(Account.password_hash))
        assert CHEAP.check_needs_rehash(after)
        assert not stronger.check_needs_rehash(after)
        assert before != after
        assert (await world.browser().log_in()).status_code == 200
        assert await world.rows(select(Account.password_hash)) == [(after,)]


async def test_a_disabled_account_is_out_at_once_and_answered_like_a_stranger(
    world: World,
) -> None:
    ada = await world.member()
    [(account,)] = await world.rows(select(Account.id))
    async with world.vestibule.unit() as unit:
        assert await state.disable(unit, account)
        assert not await state.disable(unit, account), "twice is once"
    assert (await ada.get("/v1/me")).status_code == 401
    known = await world.browser().log_in()
    unknown = await world.browser().log_in("nobody@example.org")
    hide = {"request_id": None}
    assert known.status_code == unknown.status_code == 401
    assert known.json() | hide == unknown.json() | hide


async def test_an_account_that_was_shut_opens_again_without_its_sessions(world: World) -> None:
    ada = await world.member()
    await world.member("bob@example.org")
    phone = world.browser()
    await phone.log_in()
    [(account,)] = await world.rows(select(Account.id).where(Account.email == "ada@example.org"))
    async with world.vestibule.unit() as unit:
        assert not await state.enable(unit, account)
        assert await state.disable(unit, account)
    world.clock.move(timedelta(minutes=1))
    async with world.vestibule.unit() as unit:
        assert await state.enable(unit, account)
        assert not await state.enable(unit, account), "twice is once"
    for device in (ada, phone):
        assert (await device.get("/v1/me")).status_code == 401
    assert (await world.browser().log_in()).status_code == 200

    ended = select(Session.end_reason).where(Session.ended_at.is_not(None))
    assert await world.rows(ended) == [("disabled",), ("disabled",)]
    told = select(Entry.event).where(Entry.account_id == account).order_by(Entry.id)
    events = [event for (event,) in await world.rows(told)]
    assert events[-4:] == [
        "account.disabled",
        "sessions.ended",
        "account.enabled",
        "login.succeeded",
    ]
    changed = select(Account.updated_at > Account.created_at).order_by(Account.id)
    assert await world.rows(changed) == [(True,), (False,)]


async def test_a_password_typed_at_another_account_is_wrong(world: World) -> None:
    await world.member("ada@example.org")
    await world.member("bob@example.org", password="bob's own secret")
    assert (await world.browser().log_in("bob@example.org", PASSWORD)).status_code == 401


async def test_a_proxys_own_password_in_front_does_not_hide_the_cookie(world: World) -> None:
    ada = await world.member()
    basic = {"Authorization": "Basic c3RhZ2luZzpzdGFnaW5n"}
    assert (await ada.get("/v1/me", headers=basic)).status_code == 200
    assert (await ada.post("/v1/logout", headers=basic)).status_code == 204
    assert await world.rows(select(Session.id).where(Session.ended_at.is_(None))) == []


async def test_an_app_that_was_stopped_starts_again(database_url: str, tmp_path: Path) -> None:
    async with World.running(database_url, tmp_path) as world:
        await world.member()
        await world.app.shutdown()
        await world.app.startup()
        assert (await world.browser().log_in()).status_code == 200


async def test_touching_many_and_ending_all_at_once_wait_for_nobody(
    postgres_url: str, tmp_path: Path
) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        ada = await world.member()
        for _ in range(40):
            await world.browser().log_in()
        for _ in range(30):
            world.clock.move(timedelta(minutes=2))
            rows = await world.rows(select(Session.id))
            await world.rows(update(Session).values(ended_at=None).returning(Session.id))
            world.vestibule.means.touched.update(row[0] for row in rows)
            me = (await ada.get("/v1/me")).json()["id"]
            await asyncio.gather(world.vestibule.write_touches(), end_everything(world, UUID(me)))


async def end_everything(world: World, account_id: UUID) -> None:
    async with world.vestibule.unit() as unit:
        await store.end_all(unit, account_id, reason="test")
