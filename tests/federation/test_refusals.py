"""What the audit log tells of sign-ins with a provider that came to nothing."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from tests.attacks.looking import events
from tests.federation import conversations
from tests.federation.conftest import House, opened
from tests.federation.test_handing_in import asked
from tests.federation.test_signing_in import VERIFIED
from vestibule.accounts import queries, state
from vestibule.audit.log import Detail, Entry

LOG_IN, LINK = "login.refused", "identity.refused"


async def told(house: House) -> list[tuple[str, str | None, bool, str | None]]:
    """Each refusal: what, of which provider, whether an account is named, and which address."""
    refusals = select(Entry.event, Entry.about, Entry.account_id, Detail.identifier)
    refusals = refusals.join(Detail).where(Entry.event.in_((LOG_IN, LINK))).order_by(Entry.id)
    return [
        (row[0], row[1], row[2] is not None, row[3]) for row in await house.world.rows(refusals)
    ]


async def said_twice(house: House) -> httpx.Response:
    ada = house.browser()
    brought = house.op1.agree(await house.begin(ada))
    return await ada.get(f"/v1/oauth/op1/callback?code=x&{httpx.QueryParams(brought)}")


async def begun_elsewhere(house: House) -> httpx.Response:
    brought = house.op1.agree(await house.begin(house.browser()))
    return await house.come_back(house.browser(), brought)


async def an_address_that_nobody_vouches_for(house: House) -> httpx.Response:
    await house.world.member()
    return await house.sign_in(house.browser(), "7", "op2", intent="login", **VERIFIED)


async def a_code_of_another_sign_in(house: House) -> httpx.Response:
    body = asked(house) | {"nonce": "another"}
    return await house.world.client().post("/v1/oauth/op1/exchange", json=body)


async def a_code_of_nobody_known(house: House) -> httpx.Response:
    body = asked(house) | {"intent": "login"}
    return await house.world.client().post("/v1/oauth/op1/exchange", json=body)


async def an_id_token_twice(house: House) -> httpx.Response:
    body = {"id_token": house.op1.id_token(nonce="n"), "nonce": "n"}
    await house.world.client().post("/v1/oauth/op1/id-token", json=body)
    return await house.world.client().post("/v1/oauth/op1/id-token", json=body)


async def an_id_token_of_another_sign_in(house: House) -> httpx.Response:
    body = {"id_token": house.op1.id_token(nonce="n"), "nonce": "x"}
    return await house.world.client().post("/v1/oauth/op1/id-token", json=body)


async def a_shut_account(house: House) -> httpx.Response:
    await house.sign_in(house.browser(), **VERIFIED)
    async with house.world.vestibule.unit() as unit:
        found = await queries.by_identifier(unit, "ada@example.org")
        assert found is not None
        await state.disable(unit, found.id)
    return await house.sign_in(house.browser(), **VERIFIED)


async def a_link_without_consent(house: House) -> httpx.Response:
    ada = await house.world.member()
    url = (await ada.post("/v1/me/identities/op1/link", json={})).json()["url"]
    brought = house.op1.agree(url)
    return await house.come_back(ada, {"error": "access_denied"} | brought)


@pytest.mark.parametrize(
    "conversation,status,entry",
    [
        (conversations.no_state, 400, (LOG_IN, "op1", False, None)),
        (conversations.no_consent, 400, (LOG_IN, "op1", False, None)),
        (conversations.another_issuer, 424, (LOG_IN, "op1", False, None)),
        (conversations.nobody_known, 403, (LOG_IN, "op1", False, None)),
        (conversations.anothers, 409, (LINK, "op1", True, None)),
        (said_twice, 400, (LOG_IN, "op1", False, None)),
        (begun_elsewhere, 400, (LOG_IN, "op1", False, None)),
        (an_address_that_nobody_vouches_for, 403, (LOG_IN, "op2", False, "ada@example.org")),
        (a_code_of_another_sign_in, 424, (LOG_IN, "op1", False, None)),
        (a_code_of_nobody_known, 403, (LOG_IN, "op1", False, None)),
        (an_id_token_twice, 400, (LOG_IN, "op1", False, None)),
        (an_id_token_of_another_sign_in, 424, (LOG_IN, "op1", False, None)),
        (a_shut_account, 403, (LOG_IN, "op1", True, "ada@example.org")),
        (a_link_without_consent, 400, (LINK, "op1", True, None)),
    ],
)
async def test_each_refusal_is_told_once_and_names_the_provider(
    house: House,
    conversation: Callable[[House], Awaitable[httpx.Response]],
    status: int,
    entry: tuple[str, str, bool, str | None],
) -> None:
    assert (await conversation(house)).status_code == status
    assert await told(house) == [entry]


async def test_a_sign_in_and_a_link_that_work_are_no_refusals(house: House) -> None:
    ada = await house.world.member()
    url = (await ada.post("/v1/me/identities/op1/link", json={})).json()["url"]
    assert (await house.come_back(ada, house.op1.agree(url))).status_code == 303
    assert (await house.sign_in(house.browser())).status_code == 303
    assert await told(house) == []


async def test_people_see_a_link_that_was_refused_in_their_own_part(house: House) -> None:
    ada = await house.world.member()
    url = (await ada.post("/v1/me/identities/op1/link", json={})).json()["url"]
    await house.come_back(ada, {"error": "access_denied"} | house.op1.agree(url))
    first = (await ada.get("/v1/me/audit")).json()["entries"][0]
    assert (first["event"], first["about"]) == (LINK, "op1")


async def test_a_flood_of_browsers_with_nothing_does_not_grow_the_log_and_shuts_nobody_out(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, limits="provider_refusals=3/1h") as house:
        for number in range(8):
            met = await house.come_back(house.browser(), {"code": "x", "state": f"s{number}"})
            assert met.status_code == 400
        counted = await events(house.world)
        assert (counted[LOG_IN], counted["provider_refusals.reached"]) == (3, 1)
        assert (await house.sign_in(house.browser())).status_code == 303
