"""A fault after any statement of any change leaves everything as it was."""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any  # Any: rows

import httpx
import pytest
from sqlalchemy import select

from tests.statements import heard
from tests.world import PASSWORD, Client, Mail, World
from vestibule.accounts import closing, state
from vestibule.accounts.models import Account
from vestibule.kernel.database import Base
from vestibule.throttle.counters import Counter


class Injected(Exception):
    """What no code of ours expects."""


class NoRoom(sqlite3.OperationalError):
    """What either database's driver raises where the disk is full, as far as we look at it."""

    sqlstate = "53100"


@contextmanager
def failing_at(world: World, number: int, *, by: type[Exception] = Injected) -> Iterator[list[str]]:
    """Let the `number`th statement that is not a mere begin fail; tells what was run."""
    run: list[str] = []

    def listen(statement: str) -> None:
        run.append(statement)
        if len(run) == number:
            raise by

    with heard(world, listen):
        yield run


async def everything(world: World) -> dict[str, list[Any]]:
    """All rows of all tables but the counters, which count attempts whatever comes of them."""
    return {
        name: sorted(map(repr, await world.rows(select(table))))
        for name, table in Base.metadata.tables.items()
        if table is not Counter.__table__
    }


class Prepared:
    """A world in which each change can be made once more."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ada: Client
        self.handle = ""
        self.code = ""
        self.token = ""
        self.other = ""
        self.reset: Mail
        self.address: Mail
        self.undo: Mail
        self.keep: Mail

    async def make(self) -> None:
        self.ada = await self.world.member()
        asked = await self.ada.sign_up("bob@example.org", username="bob")
        self.handle = asked.json()["sign_up"]
        letter = (await self.world.mails("bob@example.org"))[-1]
        assert letter.code is not None
        self.code, self.token = letter.code, letter.token
        await self.world.member("eve@example.org")
        leaving = await self.world.member("leaving@example.org")
        await leaving.delete("/v1/me")
        self.keep = (await self.world.mails("leaving@example.org"))[-1]
        await self.ada.post("/v1/me/email", json={"email": "new@example.org"})
        self.undo = (await self.world.mails("ada@example.org"))[-1]
        self.address = (await self.world.mails("new@example.org"))[-1]
        await self.ada.forget()
        self.reset = (await self.world.mails("ada@example.org"))[-1]
        entered = await self.world.browser().log_in()
        self.other = entered.json()["session"]["id"]


CHANGES: dict[str, Callable[[Prepared], Awaitable[httpx.Response]]] = {
    "sign-up": lambda p: p.world.browser().sign_up("cleo@example.org"),
    "sign-up of a taken address": lambda p: p.world.browser().sign_up("ada@example.org"),
    "sign-up by name": lambda p: p.world.browser().sign_up(None, username="cleo"),
    "another letter": lambda p: p.world.browser().post(
        "/v1/accounts/verification/letters", json={"sign_up": p.handle}
    ),
    "proof by code": lambda p: p.world.browser().prove(sign_up=p.handle, code=p.code),
    "proof by link": lambda p: p.world.browser().prove(token=p.token, password=PASSWORD),
    "log-in": lambda p: p.ada.log_in(),
    "log-out": lambda p: p.ada.post("/v1/logout"),
    "log-out everywhere": lambda p: p.ada.post("/v1/logout-all"),
    "a change of names": lambda p: p.ada.patch(
        "/v1/me", json={"given_name": "Ada", "profile": {"likes": "engines"}}
    ),
    "end the others": lambda p: p.ada.delete("/v1/me/sessions"),
    "end another one": lambda p: p.ada.delete(f"/v1/me/sessions/{p.other}"),
    "say once more who one is": lambda p: p.ada.post("/v1/me/confirm", json={"password": PASSWORD}),
    "make a key": lambda p: p.ada.post("/v1/me/api-keys", json={"name": "x"}),
    "a wrong password": lambda p: p.world.browser().log_in(password="wrong"),
    "a forgotten password": lambda p: p.world.browser().forget(),
    "a forgotten password of nobody": lambda p: p.world.browser().forget("nobody@example.org"),
    "a new password by link": lambda p: p.world.client().reset(token=p.reset.token),
    "a new password by code": lambda p: p.world.client().reset(
        email="ada@example.org", code=p.reset.code
    ),
    "a wrong code for a new password": lambda p: p.world.client().reset(
        email="ada@example.org", code="AAAA-AAAA"
    ),
    "another password": lambda p: p.ada.change_password(),
    "another password by a wrong one": lambda p: p.ada.change_password(current="wrong"),
    "ask for another address": lambda p: p.ada.post(
        "/v1/me/email", json={"email": "cleo@example.org"}
    ),
    "ask for a taken address": lambda p: p.ada.post(
        "/v1/me/email", json={"email": "eve@example.org"}
    ),
    "another address by code": lambda p: p.ada.post(
        "/v1/email/confirmation", json={"code": p.address.code}
    ),
    "another address by link": lambda p: p.world.browser().post(
        "/v1/email/confirmation", json={"token": p.address.token, "password": PASSWORD}
    ),
    "a wrong code for another address": lambda p: p.ada.post(
        "/v1/email/confirmation", json={"code": "AAAA-AAAA"}
    ),
    "the former address": lambda p: p.world.browser().post(
        "/v1/email/undo", json={"token": p.undo.token}
    ),
    "close an account": lambda p: p.ada.delete("/v1/me"),
    "keep an account": lambda p: p.world.browser().post(
        "/v1/accounts/keep", json={"token": p.keep.token}
    ),
    "a wrong code": lambda p: p.world.browser().prove(sign_up=p.handle, code="AAAA-AAAA"),
}


@pytest.mark.fault("F-05")
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "fault, status, code",
    [
        pytest.param(Injected, 500, "internal_error", id="a mistake"),
        pytest.param(NoRoom, 503, "database_unavailable", marks=pytest.mark.prove, id="no room"),
    ],
)
async def test_a_fault_at_any_statement_changes_nothing(
    world: World, change: str, fault: type[Exception], status: int, code: str
) -> None:
    prepared = Prepared(world)
    await prepared.make()
    before = await everything(world)
    cookies = dict(prepared.ada.cookies)
    number = 0
    while True:
        number += 1
        with failing_at(world, number, by=fault) as run:
            answer = await CHANGES[change](prepared)
        if len(run) < number:  # it has no such statement: this time all went well
            break
        assert answer.status_code == status, (number, run[-1], answer.text)
        assert answer.json()["code"] == code
        assert ("retry-after" in answer.headers) == (status == 503)
        assert await everything(world) == before, (number, run[-1])
        assert dict(prepared.ada.cookies) == cookies
    assert number > 2
    assert answer.status_code in (200, 201, 202, 204, 400, 401)
    assert await everything(world) != before


@pytest.mark.fault("F-05")
@pytest.mark.parametrize("act", ["disable", "enable"])
async def test_a_fault_while_an_account_is_shut_or_opened_changes_nothing(
    world: World, act: str
) -> None:
    await Prepared(world).make()
    [(account,)] = await world.rows(select(Account.id).where(Account.email == "ada@example.org"))
    if act == "enable":
        await world.vestibule.run(lambda unit: state.disable(unit, account))
    before, number = await everything(world), 0
    while True:
        number += 1
        with failing_at(world, number) as run, suppress(Injected):
            assert await world.vestibule.run(lambda unit: getattr(state, act)(unit, account))
        if len(run) < number:
            break
        assert await everything(world) == before, (number, run[-1])
    assert number > 2
    assert await everything(world) != before


@pytest.mark.fault("F-05")
async def test_a_fault_while_an_account_is_erased_changes_nothing(world: World) -> None:
    leaving = await world.member()
    assert (await leaving.delete("/v1/me")).status_code == 200
    world.clock.move(timedelta(days=15))
    before, number = await everything(world), 0
    while True:
        number += 1
        with failing_at(world, number) as run, suppress(Injected):
            assert await world.vestibule.run(partial(closing.erase, most=9)) == 1
        if len(run) < number:
            break
        assert await everything(world) == before, (number, run[-1])
    assert number > 4
    assert await world.rows(select(Account.id)) == []
