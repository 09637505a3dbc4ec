"""What one server changes, and what another one still believes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any  # Any: SQLAlchemy's events

import pytest
from sqlalchemy import event, insert, select

from tests.feed.conftest import A_SECOND, Two, elsewhere, kill_feeds, listening
from tests.pgbouncer import pgbouncer
from tests.postgres import Server
from tests.test_cli import Shell
from tests.world import PASSWORD, Client, World
from vestibule.accounts import queries, state
from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.kernel.clock import SystemClock
from vestibule.kernel.ids import uuid7
from vestibule.kernel.memory import Fact
from vestibule.throttle.counters import Counter
from vestibule.tokens import keys


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """What a server says to its database."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    engine = world.vestibule.means.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    yield said
    event.remove(engine, "before_cursor_execute", note)


async def who(client: Client) -> int:
    return (await client.get("/v1/me")).status_code


async def program(client: Client, world: World) -> Client:
    """The same person with an access token, and without a cookie."""
    entered = await client.log_in(deliver="tokens")
    return world.client(Authorization=f"Bearer {entered.json()['access_token']}")


async def test_who_comes_again_is_known_without_the_database(two: Two) -> None:
    ada = await two.here.member()
    bearer = await program(ada, two.here)
    for client in (ada, bearer):
        first = await client.get("/v1/me")
        with statements(two.here) as said:
            assert [(await client.get("/v1/me")).json() for _ in range(5)] == [first.json()] * 5
        assert said == []


async def test_on_sqlite_each_request_asks(sqlite_url: str, tmp_path: Path) -> None:
    """The command line is a second process, and SQLite tells nobody."""
    async with World.running(sqlite_url, tmp_path) as world:
        ada = await world.member()
        bearer = await program(ada, world)
        assert await who(ada) == await who(bearer) == 200
        shell = Shell(VESTIBULE_DATABASE_URL=sqlite_url, VESTIBULE_DATA_DIR=f"{tmp_path}/data")
        await asyncio.to_thread(shell.works, "accounts", "disable", "ada@example.org")
        assert await who(ada) == await who(bearer) == 401


@pytest.mark.attack("A-090", "A-030")
@pytest.mark.parametrize("way", ["log out", "end", "end all", "disable", "command line"])
async def test_what_ends_here_ends_there_within_a_second(
    two: Two, postgres_url: str, tmp_path: Path, way: str
) -> None:
    ada = await two.here.member()
    bearer = await program(ada, two.there)
    there = elsewhere(ada, two.there)
    assert [await who(each) for each in (ada, there, bearer)] == [200] * 3
    [(account_id,)] = await two.here.rows(select(Account.id))
    match way:
        case "log out":
            token = bearer.headers["Authorization"].removeprefix("Bearer ")
            await two.here.client().post("/v1/tokens/revoke", json={"token": token})
            await ada.post("/v1/logout")
        case "end":
            for each in (await ada.get("/v1/me/sessions")).json()["sessions"]:
                await ada.delete(f"/v1/me/sessions/{each['id']}")
        case "end all":
            await ada.post("/v1/logout-all")
        case "disable":
            await two.here.vestibule.run(lambda unit: state.disable(unit, account_id))
        case "command line":
            shell = Shell(
                VESTIBULE_DATABASE_URL=postgres_url, VESTIBULE_DATA_DIR=f"{tmp_path}/data"
            )
            await asyncio.to_thread(shell.works, "sessions", "end", "--all", "--yes")
    if way != "command line":
        assert await who(ada) == 401, "the server that was told knows at once"
    await asyncio.sleep(A_SECOND)
    assert [await who(each) for each in (ada, there, bearer)] == [401] * 3


async def test_what_one_says_of_oneself_is_the_same_everywhere_within_a_second(two: Two) -> None:
    ada = await two.here.member()
    there = elsewhere(ada, two.there)
    assert await who(there) == 200
    await ada.patch("/v1/me", json={"given_name": "Augusta"})
    assert (await ada.get("/v1/me")).json()["given_name"] == "Augusta"
    await asyncio.sleep(A_SECOND)
    assert (await there.get("/v1/me")).json()["given_name"] == "Augusta"


@pytest.mark.attack("A-095")
async def test_a_key_that_is_retired_here_is_refused_there_within_a_second(two: Two) -> None:
    ada = await two.here.member()
    bearer = await program(ada, two.there)
    signed_by = await active_key(two.here)
    await two.here.vestibule.run(keys.rotate)
    await asyncio.sleep(A_SECOND)
    assert await who(bearer) == await who(bearer) == 200, "it lives to its end"
    await two.here.vestibule.run(lambda unit: keys.retire(unit, signed_by))
    await asyncio.sleep(A_SECOND)
    assert await who(bearer) == 401
    assert await who(elsewhere(ada, two.there)) == 200


@pytest.mark.attack("A-095")
async def test_a_key_that_the_command_line_retires_is_refused_by_every_server_at_once(
    two: Two, postgres_url: str, tmp_path: Path
) -> None:
    ada = await two.here.member()
    bearers = [await program(ada, two.here), await program(ada, two.there)]
    for bearer in bearers:
        assert await who(bearer) == await who(bearer) == 200
    shell = Shell(VESTIBULE_DATABASE_URL=postgres_url, VESTIBULE_DATA_DIR=f"{tmp_path}/data")
    await asyncio.to_thread(shell.works, "keys", "retire", await active_key(two.here))
    await asyncio.sleep(A_SECOND)
    for bearer in bearers:
        assert [await who(bearer), (await bearer.get("/v1/verify")).status_code] == [401, 401]
    assert await who(await program(ada, two.there)) == 200


@pytest.mark.attack("A-095")
async def test_a_key_that_ends_by_the_clock_ends_what_is_remembered_of_its_tokens(
    two: Two, postgres_url: str, tmp_path: Path
) -> None:
    """Whoever rotated it knew shorter tokens than those that it signed."""
    bearer = await program(await two.here.member(), two.there)
    async with World.running(
        postgres_url, tmp_path, access_lifetime=timedelta(seconds=60)
    ) as shorter:
        await shorter.vestibule.run(keys.rotate)
    await asyncio.sleep(A_SECOND)
    assert await who(bearer) == await who(bearer) == 200
    two.there.clock.move(timedelta(minutes=3))
    assert await who(bearer) == 401
    assert (await bearer.get("/v1/verify")).status_code == 401


@pytest.mark.attack("A-095")
async def test_on_sqlite_a_retired_keys_tokens_are_refused_at_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    """They were verified before, and that is remembered there, too."""
    async with World.running(sqlite_url, tmp_path) as world:
        bearer = await program(await world.member(), world)
        assert await who(bearer) == 200
        signed_by = await active_key(world)
        await world.vestibule.run(lambda unit: keys.retire(unit, signed_by))
        assert await who(bearer) == 401


async def active_key(world: World) -> str:
    listing = await world.vestibule.run(keys.listing, reading=True)
    [active] = [each.kid for each in listing if each.state == "active"]
    return active


async def test_the_server_that_was_told_knows_at_once_whatever_it_hears(two: Two) -> None:
    ada = await two.there.member()
    assert await who(ada) == await who(ada) == 200
    copied = elsewhere(ada, two.there)
    two.proxy.swallow()
    assert (await ada.post("/v1/logout")).status_code == 204
    assert await who(copied) == 401


@pytest.mark.attack("A-090")
@pytest.mark.parametrize("fault", ["refuses", "swallows", "takes 5 s", "is killed"])
async def test_a_feed_that_fails_keeps_nobody_signed_in(
    two: Two, postgres: Server, fault: str
) -> None:
    ada = await two.here.member()
    there = elsewhere(ada, two.there)
    assert await who(there) == await who(there) == 200
    match fault:
        case "refuses":
            two.proxy.refuse()
        case "swallows":
            two.proxy.swallow()
        case "takes 5 s":
            two.proxy.delay = 5
        case "is killed":
            await kill_feeds(postgres)
    assert (await ada.post("/v1/logout")).status_code == 204
    await asyncio.sleep(A_SECOND)
    assert await who(there) == 401
    other = await two.there.member("bob@example.org")
    assert await who(other) == await who(other) == 200, "who is signed in is not disturbed"


async def test_a_feed_of_another_database_is_not_believed(
    postgres_url: str, tmp_path: Path
) -> None:
    """Its beats come back, and no word that anybody writes."""
    name = postgres_url.split("/")[3].partition("?")[0]
    another = postgres_url.replace(f"/{name}", "/postgres", 1)
    async with (
        World.running(postgres_url, tmp_path) as here,
        World.running(postgres_url, tmp_path, feed_url=another) as there,
    ):
        ada = await here.member()
        copied = elsewhere(ada, there)
        await asyncio.sleep(A_SECOND)
        assert await who(copied) == 200
        assert not there.vestibule.means.memory.is_trusted
        assert (await ada.post("/v1/logout")).status_code == 204
        assert await who(copied) == 401, "the database is asked"


async def test_a_feed_through_a_pooler_is_not_believed_and_the_log_says_why(
    postgres: Server, postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = postgres_url.split("/")[3].partition("?")[0]
    with pgbouncer(postgres) as folder:
        pooled = f"postgresql://postgres@/{name}?host={folder}&port=6432"
        async with World.running(postgres_url, tmp_path, feed_url=pooled) as world:
            async with asyncio.timeout(20):
                while "no changes are heard of" not in caplog.text:
                    await asyncio.sleep(0.01)
            assert not world.vestibule.means.memory.is_trusted
    assert "each is asked for: Pooled" in caplog.text


async def test_what_was_not_heard_is_forgotten_when_the_feed_is_back(two: Two) -> None:
    ada = await two.here.member()
    there = elsewhere(ada, two.there)
    assert await who(there) == 200
    two.proxy.refuse()
    assert (await ada.post("/v1/logout")).status_code == 204
    await asyncio.sleep(A_SECOND)
    two.proxy.flow()
    await listening(two.there)
    assert await who(there) == 401


async def test_a_beat_that_took_its_time_is_not_believed(two: Two) -> None:
    """Words take as long: a beat tells of the time when it was sent."""
    two.proxy.delay = A_SECOND * 0.55  # there, and as much back
    await asyncio.sleep(A_SECOND)
    for _ in range(40):
        assert not two.there.vestibule.means.memory.is_trusted
        await asyncio.sleep(A_SECOND / 20)


@pytest.mark.parametrize("who_changes", ["here", "there"])
async def test_who_is_read_while_it_changes_is_not_remembered(
    two: Two, monkeypatch: pytest.MonkeyPatch, who_changes: str
) -> None:
    """What was read is held back until the change is known: then it must not be kept."""
    ada = await two.here.member()
    there = elsewhere(ada, two.there)
    read, may_go = asyncio.Event(), asyncio.Event()
    by_session = queries.by_session

    async def held(*given: Any, **named: Any) -> SignedIn | None:
        found = await by_session(*given, **named)
        read.set()
        await may_go.wait()
        return found

    monkeypatch.setattr(queries, "by_session", held)
    asking = asyncio.create_task(who(there))
    await read.wait()
    monkeypatch.setattr(queries, "by_session", by_session)
    changes = ada if who_changes == "here" else elsewhere(ada, two.there)
    assert (await changes.post("/v1/logout")).status_code == 204
    await asyncio.sleep(A_SECOND)
    may_go.set()
    await asking
    assert await who(there) == 401


async def test_a_client_that_hangs_up_leaves_nothing_remembered_that_it_changed(two: Two) -> None:
    vestibule, nobody, seen_through = two.there.vestibule, uuid7(), set[str]()
    two.proxy.swallow()  # nor does its own word remind it
    for rest in range(40):
        vestibule.means.memory.accounts.put(nobody, "as it was")
        leaving = asyncio.Event()

        async def change(name: str = str(rest), leaving: asyncio.Event = leaving) -> None:
            async with vestibule.unit() as unit:
                row: dict[str, object] = {"limit_name": name, "key_digest": b"left", "count": 1}
                await unit.session.execute(insert(Counter).values(**row, resets_at=unit.now))
                unit.forget(Fact.ACCOUNT, nobody)
                unit.after_commit(lambda: seen_through.add(name))
                leaving.set()

        task = asyncio.create_task(change())
        await leaving.wait()
        for _ in range(rest):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if str(rest) in seen_through:
            assert vestibule.means.memory.accounts.get(nobody) is None
    ours = select(Counter.limit_name).where(Counter.key_digest == b"left")
    assert {name for (name,) in await two.here.rows(ours)} == seen_through
    assert seen_through, "everybody left too early"


async def test_a_session_that_rested_here_and_was_used_there_lives(two: Two) -> None:
    ada = await two.here.member()
    there = elsewhere(ada, two.there)
    assert await who(ada) == 200
    for world in (two.here, two.there):
        world.clock.move(timedelta(hours=23))
    assert await who(there) == 200
    await two.there.vestibule.write_touches()
    for world in (two.here, two.there):
        world.clock.move(timedelta(hours=2))
    assert await who(ada) == 200


async def test_a_cookie_that_was_replaced_is_not_remembered(two: Two) -> None:
    """Whoever copied it before its owner said once more who they are gains nothing."""
    ada = await two.here.member()
    for world in (two.here, two.there):
        thief = elsewhere(ada, world)
        assert await who(thief) == await who(thief) == 200
        confirmed = await ada.post("/v1/me/confirm", json={"password": PASSWORD})
        assert confirmed.status_code < 300, confirmed.text
        if world is two.there:
            await asyncio.sleep(A_SECOND)
        assert await who(elsewhere(ada, world)) == 200
        assert await who(thief) == 401


async def test_what_is_remembered_ends_by_the_clock(two: Two) -> None:
    ada = await two.here.member()
    bearer = await program(ada, two.here)
    assert await who(ada) == await who(bearer) == 200
    two.here.clock.move(timedelta(minutes=11))
    assert await who(bearer) == 401
    two.here.clock.move(timedelta(hours=25))
    assert await who(ada) == 401


async def test_use_is_still_noted_when_the_database_is_not_asked(two: Two) -> None:
    ada = await two.here.member()
    for hours in (23, 23, 23):
        assert await who(ada) == 200
        two.here.clock.move(timedelta(hours=hours))
        with statements(two.here) as said:
            assert await who(ada) == 200
        assert said == []
        await two.here.vestibule.write_touches()


@pytest.mark.fault("F-18")
async def test_a_machine_whose_clock_is_wrong_calls_no_honest_tab_a_thief(
    postgres_url: str, tmp_path: Path
) -> None:
    """It asks what time it is when it connects, also where no changes can be heard of."""
    wrong = SystemClock(lambda: datetime.now(UTC) + timedelta(minutes=1))
    nowhere = "postgresql://127.0.0.1:1/nowhere"
    async with (
        World.running(postgres_url, tmp_path) as here,
        World.running(postgres_url, tmp_path, clock=wrong, feed_url=nowhere) as there,
    ):
        ada = await here.member()
        held = (await ada.log_in(deliver="tokens")).json()["refresh_token"]
        [one, other] = [
            await world.client().post("/v1/tokens/refresh", json={"refresh_token": held})
            for world in (here, there)
        ]
        assert one.status_code == other.status_code == 200
        assert one.json()["refresh_token"] == other.json()["refresh_token"]


@pytest.mark.fault("F-18")
async def test_a_clock_that_jumps_is_put_right_by_the_next_beat(
    postgres_url: str, tmp_path: Path
) -> None:
    ahead = timedelta()
    jumping = SystemClock(lambda: datetime.now(UTC) + ahead)
    async with World.running(postgres_url, tmp_path, clock=jumping) as world:
        await listening(world)
        ahead = timedelta(hours=1)
        await asyncio.sleep(A_SECOND)
        async with asyncio.timeout(10):
            while abs(jumping.now() - datetime.now(UTC)) > timedelta(seconds=5):
                await asyncio.sleep(0.05)


async def test_more_changes_than_a_message_holds_are_one_that_says_everything(two: Two) -> None:
    memory, nobody = two.there.vestibule.means.memory, uuid7()
    memory.accounts.put(nobody, "somebody")
    async with two.here.vestibule.unit() as unit:
        for _ in range(300):
            unit.forget(Fact.SESSION, uuid7())
    await asyncio.sleep(A_SECOND)
    assert memory.accounts.get(nobody) is None
