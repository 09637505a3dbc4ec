"""A million accounts: nothing that people or administrators do looks through all of them.

`SIZE=100000` in the environment makes it a tenth of that.
"""

import os
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any  # Any: SQLAlchemy's event arguments, and answers
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import event

from bench import people
from tests.postgres import Server
from tests.world import CHEAP, PASSWORD, Client, World
from vestibule import pruning
from vestibule.kernel.database import Database

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]

FEW, MANY = 1_000, int(os.environ.get("SIZE", "1000000"))
MOST = 1.3  # times as long
ROUNDS = 60
LARGE = ("accounts", "sessions", "identities", "challenges", "grants", "letters", "audit_entries")
SCAN = re.compile(rf"Seq Scan on ({'|'.join(LARGE)})\b")

EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")

# Where a thousand people fill no page, pages are so short that they are full in both.
PAGES = {
    "accounts": "/v1/admin/accounts",
    "shut ones": "/v1/admin/accounts?state=disabled&limit=15",
    "administrators": "/v1/admin/accounts?role=admin&limit=1",
    "members": "/v1/admin/accounts?role=user",
    "an address": "/v1/admin/accounts?query=person77%40",
    "a name": "/v1/admin/accounts?query=Given77&limit=10",
    "a beginning": "/v1/admin/accounts?query=per",
    "shut ones of a name": "/v1/admin/accounts?query=fam&state=disabled&limit=5",
    "shut members": "/v1/admin/accounts?role=user&state=disabled&limit=15",
    "administrators of a beginning": "/v1/admin/accounts?query=per&role=admin&limit=1",
    "shut administrators of a beginning": "/v1/admin/accounts?query=per&role=admin&state=disabled",
    "those of a beginning who leave": "/v1/admin/accounts?query=per&state=closing",
    "letters": "/v1/admin/letters",
    "letters that were given up": "/v1/admin/letters?state=failed&limit=2",
    "what happened": "/v1/admin/audit",
    "what was refused": "/v1/admin/audit?event=login.succeeded",
    "one's own part": "/v1/me/audit",
    "one's devices": "/v1/me/sessions",
}
# A thousand people have one administrator, so this page looks at one there and at a thousand here.
# It is held to what a page takes there that looks at all thousand.
LOOKING = "shut administrators of a beginning"
SHORT = {"shut administrators": "/v1/admin/accounts?role=admin&state=disabled"}


@dataclass
class Filled:
    """A service with so many accounts."""

    world: World
    root: Client

    async def look(self, path: str) -> float:
        began = time.perf_counter()
        answer = await self.root.get(path)
        took = time.perf_counter() - began
        assert answer.status_code == 200, answer.text
        return took

    async def log_in(self, number: int) -> float:
        """Return how long its statements took."""
        client = self.world.browser()
        with statements(self.world) as run:
            answer = await client.log_in(f"person{number}@example.org")
        assert answer.status_code == 200, answer.text
        return sum(took for _, _, took in run)


@contextmanager
def statements(world: World) -> Iterator[list[tuple[str, Any, float]]]:
    """Note each statement, what was given to it, and how long it took."""
    noted: list[tuple[str, Any, float]] = []
    target = world.vestibule.means.database.engine.sync_engine
    begun = 0.0

    def before(*_: Any) -> None:
        nonlocal begun
        begun = time.perf_counter()

    def after(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        noted.append((statement, given, time.perf_counter() - begun))

    event.listen(target, "before_cursor_execute", before)
    event.listen(target, "after_cursor_execute", after)
    try:
        yield noted
    finally:
        event.remove(target, "before_cursor_execute", before)
        event.remove(target, "after_cursor_execute", after)


@asynccontextmanager
async def filled(
    postgres: Server, template: str, folder: Path, count: int
) -> AsyncIterator[Filled]:
    name = f"size_{uuid4().hex}"
    postgres.create(name, template=template)
    await people.fill(postgres.url(name), count, password_hash=CHEAP.hash(PASSWORD))
    async with World.running(postgres.url(name), folder / str(count)) as world:
        root = world.browser()
        answer = await root.log_in("person2@example.org")  # the first administrator
        assert answer.status_code == 200, answer.text
        assert "admin" in answer.json()["account"]["roles"]
        yield Filled(world, root)
    postgres.drop(name)


async def plans(database: Database, run: list[tuple[str, Any, float]]) -> Iterator[str]:
    found = []
    async with database.engine.connect() as connection:
        for statement, given, _ in dict.fromkeys((sql, given, 0) for sql, given, _ in run):
            if statement.lstrip().split()[0] not in EXPLAINED:
                continue
            rows = await connection.exec_driver_sql(f"EXPLAIN {statement}", given)
            found.append(statement + "\n\n" + "\n".join(str(row[0]) for row in rows))
        await connection.rollback()
    return iter(found)


async def everything(world: World, root: Client) -> None:
    """Do what people and administrators do, once."""

    async def well(asked: Awaitable[httpx.Response], *expected: int) -> Any:
        answer = await asked
        assert answer.status_code in (expected or (200,)), answer.text
        return answer

    for path in (*PAGES.values(), *SHORT.values()):
        page = await well(root.get(path))
        if following := page.json().get("next"):
            more = "&" if "?" in path else "?"
            await well(root.get(f"{path}{more}cursor={following}"))
    ada = world.browser()
    for name in ("person7@example.org", "PERSON7", "person7"):
        await well(ada.log_in(name))
    await well(ada.log_in("nobody@example.org"), 401)
    await well(ada.log_in("person9", "not this one at all"), 401)
    tokens = (await well(ada.log_in("person7", deliver="tokens"))).json()
    refresh = {"refresh_token": tokens["refresh_token"]}
    await well(ada.post("/v1/tokens/refresh", json=refresh))
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    await well(world.client().get("/v1/me", headers=bearer))
    await well(ada.sign_up("new@example.org", username="newcomer"), 202)
    await well(ada.sign_up("person11@example.org"), 202)
    await well(ada.post("/v1/password/forgot", json={"email": "person13@example.org"}), 202)
    await well(ada.get("/v1/me/export"))
    [mail, *_] = await world.mails("new@example.org")
    await well(ada.prove(token=mail.token, password=PASSWORD))
    listed = (await well(root.get("/v1/admin/accounts?query=person15%40"))).json()
    [person] = listed["accounts"]
    path = f"/v1/admin/accounts/{person['id']}"
    await well(root.patch(path, json={"state": "disabled"}))
    await well(root.patch(path, json={"state": "active"}))
    await well(root.put(f"{path}/roles", json={"roles": ["user", "editor"]}))
    await well(root.post(f"{path}/sessions/end"))
    await well(ada.post("/v1/logout-all"), 204)
    await pruning.prune(world.vestibule.means)
    await world.vestibule.write_touches()


async def test_what_is_done_among_a_million_takes_as_long_as_among_a_thousand(
    postgres: Server, postgres_template: str, tmp_path: Path
) -> None:
    async with (
        filled(postgres, postgres_template, tmp_path, FEW) as few,
        filled(postgres, postgres_template, tmp_path, MANY) as many,
    ):
        with statements(many.world) as run:
            await everything(many.world, many.root)
        scanned = [
            plan
            for plan in await plans(many.world.vestibule.means.database, run)
            if SCAN.search(plan)
        ]
        assert scanned == [], "\n\n".join(scanned)

        slow = {}
        acts: dict[str, tuple[Act, Act]] = {
            "a log-in's statements": (log_in, log_in),
            **{name: (looking(path), looking(path)) for name, path in PAGES.items()},
            **{name: (looking(PAGES[LOOKING]), looking(path)) for name, path in SHORT.items()},
        }
        for name, (among_few, among_many) in acts.items():
            times: tuple[list[float], list[float]] = [], []
            for turn in range(ROUNDS):
                times[0].append(await among_few(few, turn))
                times[1].append(await among_many(many, turn))
            ratio = statistics.median(times[1]) / statistics.median(times[0])
            print(f"\n  {name}: {1000 * statistics.median(times[1]):.2f} ms, {ratio:.2f} times")  # noqa: T201
            if ratio > MOST:
                slow[name] = ratio
        assert slow == {}


Act = Callable[[Filled, int], Awaitable[float]]


async def log_in(who: Filled, turn: int) -> float:
    return await who.log_in(51 + turn % 49)


def looking(path: str) -> Act:
    return lambda who, _turn: who.look(path)
