"""Three servers as processes on one PostgreSQL: what one of them ends is over on all of them.

Few rounds here; `make prove` does as many as are stated.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from itertools import product
from typing import Any  # Any: rows
from uuid import UUID

import httpx
import pytest
from sqlalchemy import Executable, select

from tests.faults.fleet import Fleet
from tests.faults.test_database import through
from tests.feed.conftest import A_SECOND, kill_feeds
from tests.postgres import Server
from tests.proxy import Proxy, proxy, socket_of
from tests.test_cli import PRODUCTION, Shell
from tests.world import PASSWORD
from vestibule import Vestibule
from vestibule.accounts import queries, state
from vestibule.kernel.unit import Unit
from vestibule.roles import grants
from vestibule.sessions.models import Session

AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(900)]
COOKIE = "__Host-vestibule"
OURS = {"Host": "auth.example.test", "Origin": "https://auth.example.test"}
LOOKING = {"Authorization": "Bearer let me look at the numbers, please"}
UP = re.compile(r"(?m)^vestibule_feed_up{.*} 1\.0$")
EDITORS = "/v1/verify?role=editor"
MANY = 50  # people at once, and in all
Presented = dict[str, str]  # the headers that say who one is
Turn = Callable[[Unit, UUID], Awaitable[bool]]


@dataclass
class Three:
    """The servers, by a client for each, and the proxy between them and what they listen to."""

    proxy: Proxy
    vestibule: Vestibule
    clients: list[httpx.AsyncClient] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)
    hashing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(6))

    async def named(self, number: int) -> str:
        """Return the name of somebody who has an account."""
        name = f"ada{number}"
        if name not in self.opened:
            self.opened.add(name)
            body = {"username": name, "password": PASSWORD}
            async with self.hashing:
                answer = await self.clients[number % 3].post("/v1/accounts", json=body)
            assert answer.status_code == 201, answer.text
        return name

    async def listening(self) -> None:
        """Wait until every server hears of changes, as its metrics tell."""
        async with asyncio.timeout(30):
            for client in self.clients:
                while not UP.search((await client.get("/metrics", headers=LOOKING)).text):
                    await asyncio.sleep(0.05)

    async def enter(self, name: str, server: int, *, deliver: str = "cookie") -> Presented:
        said = {"identifier": name, "password": PASSWORD, "deliver": deliver}
        async with self.hashing:
            answer = await self.clients[server].post("/v1/login", json=said)
        assert answer.status_code == 200, answer.text
        if deliver == "tokens":
            tokens = answer.json()
            return bearer(tokens["access_token"]) | {"refresh": tokens["refresh_token"]}
        [cookie] = re.findall(f"{COOKIE}=[^;]+", str(answer.headers.get_list("Set-Cookie")))
        return {"Cookie": cookie}

    async def who(self, server: int, presented: Presented, path: str = "/v1/me") -> int:
        return (await self.clients[server].get(path, headers=headers(presented))).status_code

    async def everywhere(self, presented: Presented, path: str = "/v1/me") -> list[int]:
        servers = range(len(self.clients))
        return list(await asyncio.gather(*(self.who(each, presented, path) for each in servers)))

    async def leave(self, server: int, presented: Presented) -> None:
        answer = await self.clients[server].post("/v1/logout", headers=headers(presented))
        assert answer.status_code == 204, answer.text

    async def rows(self, statement: Executable) -> list[Any]:
        async with self.vestibule.unit(reading=True) as unit:
            return [tuple(each) for each in await unit.session.execute(statement)]

    async def refresh(self, server: int, token: str) -> httpx.Response:
        return await self.clients[server].post("/v1/tokens/refresh", json={"refresh_token": token})


def bearer(token: str) -> Presented:
    return {"Authorization": f"Bearer {token}"}


def headers(presented: Presented) -> Presented:
    return {name: value for name, value in presented.items() if name != "refresh"}


@pytest.fixture(scope="module")
async def three(
    postgres: Server, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Three]:
    """In production mode: there they are one service under one name."""
    postgres.create("three", template=postgres_template)
    url, folder = postgres.url("three"), tmp_path_factory.mktemp("three")
    async with proxy(socket_of(postgres.folder)) as between, AsyncExitStack() as stack:
        variables = PRODUCTION | {
            "VESTIBULE_DATABASE_URL": url,
            "VESTIBULE_FEED_URL": through(between, url),
            "VESTIBULE_METRICS_TOKEN": LOOKING["Authorization"].removeprefix("Bearer "),
        }
        fleet = await stack.enter_async_context(Fleet(folder, 3, **variables))
        made = Three(between, Shell(**variables).vestibule())
        for port in fleet.ports:
            client = httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=60, headers=OURS
            )
            client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
            made.clients.append(await stack.enter_async_context(client))
        yield made
        await made.vestibule.stop()
    postgres.drop("three")


@dataclass(frozen=True)
class Round:
    """Somebody who is known on every server, and the end of that."""

    name: str
    presented: Presented
    server: int


async def known_everywhere(three: Three, count: int) -> list[Round]:
    """Sign people in, every other one with tokens, and have each server remember them."""
    await three.listening()

    async def known(number: int) -> Round:
        name, server = await three.named(number), number % len(three.clients)
        presented = await three.enter(name, server, deliver="tokens" if number % 2 else "cookie")
        for _ in range(2):
            assert await three.everywhere(presented) == [200] * 3
        return Round(name, presented, server)

    return await asyncio.gather(*(known(number) for number in range(count)))


async def lost_within_a_second(three: Three, each: Round) -> None:
    """Have a role on every server, lose it, and be refused on every server."""
    assert await three.vestibule.run(lambda unit: turned(unit, each.name, editor))
    await asyncio.sleep(A_SECOND)
    for _ in range(2):
        assert await three.everywhere(each.presented, EDITORS) == [200] * 3
    assert await three.vestibule.run(lambda unit: turned(unit, each.name, no_editor))
    await asyncio.sleep(A_SECOND)
    assert await three.everywhere(each.presented, EDITORS) == [403] * 3


async def editor(unit: Unit, account_id: UUID) -> bool:
    return await grants.grant(unit, account_id, "editor")


async def no_editor(unit: Unit, account_id: UUID) -> bool:
    return await grants.revoke(unit, account_id, "editor")


async def over_within_a_second(three: Three, each: Round, way: str) -> None:
    if way == "role":
        await lost_within_a_second(three, each)
        return
    if way == "log out":
        await three.leave(each.server, each.presented)
        assert await three.who(each.server, each.presented) == 401
    else:
        assert await three.vestibule.run(lambda unit: turned(unit, each.name, state.disable))
    await asyncio.sleep(A_SECOND)
    assert await three.everywhere(each.presented) == [401] * 3
    if way == "disable":
        assert await three.vestibule.run(lambda unit: turned(unit, each.name, state.enable))


async def turned(unit: Unit, name: str, turn: Turn) -> bool:
    account = await queries.by_identifier(unit, name)
    assert account is not None
    return await turn(unit, account.id)


@pytest.mark.parametrize(
    "fault, way, rounds",
    [
        (None, "log out", 6),
        ("killed", "disable", 6),
        ("late", "role", 6),
        *(
            pytest.param(fault, way, 1000, marks=AT_SIZE)
            for fault, way in product((None, "killed", "late"), ("log out", "disable", "role"))
        ),
    ],
)
async def test_what_ends_on_one_is_over_on_all_within_a_second(
    three: Three, postgres: Server, fault: str | None, way: str, rounds: int
) -> None:
    for done in range(0, rounds, MANY):
        known = await known_everywhere(three, min(MANY, rounds - done))
        three.proxy.delay = 5.0 if fault == "late" else 0.0
        if fault == "killed":
            await kill_feeds(postgres)
        await asyncio.gather(*(over_within_a_second(three, each, way) for each in known))
        three.proxy.flow()


@pytest.mark.attack("A-026")
@pytest.mark.fault("F-29", "F-30")
async def test_fifty_that_refresh_at_once_on_three_get_one_successor(three: Three) -> None:
    held = (await three.enter(await three.named(0), 0, deliver="tokens"))["refresh"]
    answers = await asyncio.gather(*(three.refresh(number % 3, held) for number in range(50)))
    assert {each.status_code for each in answers} == {200}
    [successor] = {each.json()["refresh_token"] for each in answers}
    assert successor != held
    [generation] = (await three.rows(select(Session.generation).order_by(Session.id.desc())))[:1]
    assert generation == (1,), "one rotation"
    assert (await three.refresh(1, successor)).status_code == 200
    for number, each in enumerate(answers):
        access = bearer(each.json()["access_token"])
        assert await three.who(number % 3, access) == 200


@pytest.mark.parametrize("rounds", [8, pytest.param(200, marks=AT_SIZE)])
async def test_a_log_out_against_a_refresh_and_who_am_i_leaves_nothing(
    three: Three, rounds: int
) -> None:
    """Whatever the refresh hands out, and in whichever order they come."""
    refreshed = 0
    for number in range(rounds):
        name = await three.named(number % MANY)
        leaving, refreshing, asking = random.sample(range(3), 3)
        held = await three.enter(name, refreshing, deliver="tokens")
        access = {"Authorization": held["Authorization"]}
        await three.everywhere(access)

        # Now one of the two comes later, now the other.
        late = random.uniform(0, 0.01), random.uniform(0, 0.03)
        later = (late[0], 0.0) if number % 2 else (0.0, late[1])

        async def leave(
            leaving: int = leaving, access: Presented = access, later: float = later[0]
        ) -> None:
            await asyncio.sleep(later)
            await three.leave(leaving, access)

        async def renew(
            refreshing: int = refreshing, token: str = held["refresh"], later: float = later[1]
        ) -> httpx.Response:
            await asyncio.sleep(later)
            return await three.refresh(refreshing, token)

        async def ask(asking: int = asking, access: Presented = access) -> None:
            for _ in range(5):
                assert await three.who(asking, access) in (200, 401)

        answer, _, _ = await asyncio.gather(renew(), leave(), ask())
        tokens = [access]
        if answer.status_code == 200:
            refreshed += 1
            tokens.append(bearer(answer.json()["access_token"]))
        assert [await three.who(leaving, each) for each in tokens] == [401] * len(tokens)
        assert (await three.refresh(leaving, held["refresh"])).status_code == 401
        if number % 4 == 0 or rounds > 8:
            await asyncio.sleep(A_SECOND)
            for each in tokens:
                assert await three.everywhere(each) == [401] * 3
    assert 0 < refreshed < rounds, "one side always won: nothing was raced"
