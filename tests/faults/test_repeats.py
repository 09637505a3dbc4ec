"""A client, or a proxy before us, that sends everything twice because no answer came in time."""

import asyncio
from collections import Counter

import httpx
import pytest
from sqlalchemy import func, select

from tests.faults.invariants import Told, violations
from tests.world import PASSWORD, World
from vestibule.accounts.models import Account
from vestibule.sessions.models import Session


async def twice(
    client: httpx.AsyncClient, at_once: bool, path: str, body: object
) -> list[httpx.Response]:
    if at_once:
        return list(
            await asyncio.gather(client.post(path, json=body), client.post(path, json=body))
        )
    return [await client.post(path, json=body), await client.post(path, json=body)]


@pytest.mark.fault("F-30")
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
async def test_what_is_sent_twice_ends_as_if_it_were_sent_once(world: World, at_once: bool) -> None:
    ada, told = world.browser(), Told()

    async def send(path: str, body: object) -> list[int]:
        answers = await twice(ada, at_once, path, body)
        return sorted(answer.status_code for answer in answers)

    body = {"email": "ada@example.org", "password": PASSWORD, "username": "ada"}
    asked = await twice(ada, at_once, "/v1/accounts", body)
    assert [answer.status_code for answer in asked] == [202, 202]
    told.asked["ada@example.org"] = 2
    handle = asked[0].json()["sign_up"]
    letters = {"sign_up": handle}
    assert await send("/v1/accounts/verification/letters", letters) == [202, 202]
    told.again["ada@example.org"] = 2
    token, code = "", ""
    for mail in await world.mails():
        statuses: list[int] = []
        if not token:
            statuses = await send(
                "/v1/accounts/verification", {"sign_up": handle, "code": mail.code}
            )
        if 200 in statuses:
            assert statuses == [200, 400], "the second is told that the proof is used"
            token, code = mail.token, str(mail.code)
    assert token
    told.proved.add("ada@example.org")
    link = {"token": token, "password": PASSWORD}
    assert await send("/v1/accounts/verification", link) == [400, 400]
    assert await world.rows(select(func.count()).select_from(Account)) == [(1,)]

    assert await send("/v1/login", {"identifier": "ada", "password": PASSWORD}) == [200, 200]
    told.entered = 2
    assert await send("/v1/logout", {}) == [204, 204]
    assert (await ada.get("/v1/me")).status_code == 401
    assert (await ada.log_in("ada")).status_code == 200
    left = await send("/v1/logout-all", {})
    assert left in ([204, 204], [204, 401])
    live = select(func.count()).select_from(Session).where(Session.ended_at.is_(None))
    assert await world.rows(live) == [(0,)]
    by_name = {"username": "bob", "password": PASSWORD}
    assert await send("/v1/accounts", by_name) == [201, 409], "the name is theirs already"
    assert await world.rows(select(func.count()).select_from(Account)) == [(2,)]
    assert code
    assert await violations(world.vestibule.means.database, told) == []
    assert Counter(told.asked) == {"ada@example.org": 2}
