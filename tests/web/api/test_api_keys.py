"""Keys for programs: made, shown once, used, listed, removed."""

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any  # Any: answers are JSON
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, update

from tests.world import GENEROUS, PASSWORD, Client, World
from vestibule.accounts import state
from vestibule.accounts.models import Account
from vestibule.api_keys import keys
from vestibule.api_keys.models import ApiKey
from vestibule.audit.log import Entry
from vestibule.roles import grants

SCOPES = "notes:read=user, notes:write=editor|admin"


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, scopes=SCOPES) as made:
        yield made


async def make(client: Client, *scopes: str, **fields: Any) -> dict[str, Any]:
    answer = await ask(client, scopes=scopes, **fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def ask(client: Client, **fields: Any) -> httpx.Response:
    return await client.post("/v1/me/api-keys", json={"name": "backup"} | fields)


def bearer(made: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['key']}"}


async def account_of(world: World) -> Any:
    [(account,)] = await world.rows(select(Account.id))
    return account


async def events(world: World) -> list[str]:
    return [event for (event,) in await world.rows(select(Entry.event).order_by(Entry.id))]


async def test_a_key_is_shown_once_and_only_its_digest_is_kept(world: World) -> None:
    ada = await world.member()
    made = await make(ada, "notes:read", name="Nightly backup")
    assert re.fullmatch(r"vst_[0-9A-Za-z]{49}", made["key"])
    shown = {name: value for name, value in made.items() if name != "key"}
    assert shown["name"] == "Nightly backup"
    assert shown["scopes"] == ["notes:read"]
    assert shown["expires_at"] is shown["last_used_at"] is None
    assert (await ada.get("/v1/me/api-keys")).json() == {"api_keys": [shown], "next": None}
    [(row,)] = await world.rows(select(ApiKey))
    assert made["key"].encode() not in repr(vars(row)).encode()
    assert (await events(world))[-1] == "api_key.created"
    [(about,)] = await world.rows(select(Entry.about).where(Entry.event == "api_key.created"))
    assert about == made["id"]


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_program_says_by_either_header_who_it_is(world: World, header: str) -> None:
    ada = await world.member()
    made = await make(ada, "notes:read")
    sent = {header: made["key"] if header == "X-API-Key" else f"bearer {made['key']}"}
    answer = await world.client().get("/v1/me", headers=sent)
    assert answer.status_code == 200
    said = answer.json()
    assert said["email"] == "ada@example.org"
    assert (said["roles"], said["scopes"]) == ([], ["notes:read"])
    assert "set-cookie" not in answer.headers
    assert "scopes" not in (await ada.get("/v1/me")).json()


async def test_a_key_does_no_more_than_its_owner_may_now(world: World) -> None:
    ada = await world.member()
    refused = await ask(ada, scopes=["notes:write"])
    assert (refused.status_code, refused.json()["errors"]) == (
        422,
        [{"field": "scopes", "code": "not_yours", "message": "You may give notes:read."}],
    )
    account = await account_of(world)
    async with world.vestibule.unit() as unit:
        await grants.grant(unit, account, "editor")
    made = await make(ada, "notes:write", "notes:read", "notes:read")
    program = world.client(**bearer(made))
    assert (await program.get("/v1/me")).json()["scopes"] == ["notes:read", "notes:write"]
    async with world.vestibule.unit() as unit:
        await grants.revoke(unit, account, "editor")
    assert (await program.get("/v1/me")).json()["scopes"] == ["notes:read"]
    async with world.vestibule.unit() as unit:
        await grants.revoke(unit, account, "user")
    assert (await program.get("/v1/me")).json()["scopes"] == []


async def test_a_key_of_an_account_that_is_shut_opens_nothing(world: World) -> None:
    ada = await world.member()
    program = world.client(**bearer(await make(ada)))
    account = await account_of(world)
    async with world.vestibule.unit() as unit:
        await state.disable(unit, account)
    assert (await program.get("/v1/me")).status_code == 401
    async with world.vestibule.unit() as unit:
        await state.enable(unit, account)
    assert (await program.get("/v1/me")).status_code == 200


async def test_a_key_that_is_removed_opens_nothing_and_is_gone(world: World) -> None:
    ada = await world.member()
    made = await make(ada)
    program = world.client(**bearer(made))
    assert (await program.get("/v1/me")).status_code == 200
    assert (await ada.delete(f"/v1/me/api-keys/{made['id']}")).status_code == 204
    assert (await program.get("/v1/me")).status_code == 401
    assert (await ada.get("/v1/me/api-keys")).json()["api_keys"] == []
    again = await ada.delete(f"/v1/me/api-keys/{made['id']}")
    assert (again.status_code, again.json()["code"]) == (404, "api_key_unknown")
    assert (await ada.delete("/v1/me/api-keys/x")).status_code == 404
    assert (await events(world))[-1] == "api_key.removed"


async def test_a_key_expires_and_is_listed_for_a_while(world: World) -> None:
    ada = await world.member()
    made = await make(ada, expires_in=3600)
    program = world.client(**bearer(made))
    assert (await program.get("/v1/me")).status_code == 200
    world.clock.move(timedelta(hours=1))
    assert (await program.get("/v1/me")).status_code == 401
    assert len((await ada.get("/v1/me/api-keys")).json()["api_keys"]) == 1

    async def prune() -> int:
        return await world.vestibule.run(lambda unit: keys.prune(unit, most=10))

    assert await prune() == 0
    world.clock.move(world.vestibule.settings.keep_finished)
    assert await prune() == 1


async def test_making_and_removing_want_a_recent_log_in_and_looking_does_not(world: World) -> None:
    ada = await world.member()
    made = await make(ada)
    world.clock.move(timedelta(minutes=10))
    for answer in (await ask(ada), await ada.delete(f"/v1/me/api-keys/{made['id']}")):
        assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")
    assert (await ada.get("/v1/me/api-keys")).status_code == 200
    assert (await ada.post("/v1/me/confirm", json={"password": PASSWORD})).status_code == 200
    assert (await ask(ada)).status_code == 201
    assert (await ada.delete(f"/v1/me/api-keys/{made['id']}")).status_code == 204


async def test_the_last_use_is_written_coarsely_and_never_backwards(world: World) -> None:
    ada = await world.member()
    made = await make(ada)
    program = world.client(**bearer(made))

    async def last_use() -> datetime | None:
        await world.vestibule.write_touches()
        [(at,)] = await world.rows(select(ApiKey.last_used_at))
        return at if at is None else datetime.fromisoformat(str(at))

    assert await last_use() is None
    await program.get("/v1/me")
    first = await last_use()
    assert first is not None
    await program.get("/v1/me")
    assert await last_use() == first, "within a minute nothing is written"
    world.clock.move(timedelta(minutes=1))
    await program.get("/v1/me")
    later = await last_use()
    assert later is not None
    assert later > first
    async with world.vestibule.unit() as unit:
        ahead = update(ApiKey).values(last_used_at=later + timedelta(hours=2))
        await unit.session.execute(ahead)
    world.vestibule.means.part(keys.Uses).keys.add(UUID(made["id"]))
    assert await last_use() == later + timedelta(hours=2)


async def test_its_owner_is_told_by_a_letter_that_does_not_repeat_its_name(world: World) -> None:
    ada = await world.member()
    await make(ada, name="Click https://evil.example")
    letter = (await world.mails("ada@example.org"))[-1]
    assert letter.subject == "A new API key at Vestibule"
    assert "evil" not in letter.text


async def test_an_account_has_fifty_keys_that_are_live(world: World) -> None:
    ada = await world.member()
    first = await make(ada, expires_in=60)
    for _ in range(49):
        await make(ada)
    refused = await ask(ada)
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_api_keys")
    world.clock.move(timedelta(minutes=1))
    await make(ada)
    assert (await ask(ada)).status_code == 409
    assert (await ada.delete(f"/v1/me/api-keys/{first['id']}")).status_code == 204
    assert (await ask(ada)).status_code == 409, "an expired one made no place twice"
    pages: list[list[str]] = []
    cursor: str | None = None
    while cursor is not None or not pages:
        query = {"limit": 30} | ({} if cursor is None else {"cursor": cursor})
        answer = (await ada.get("/v1/me/api-keys", params=query)).json()
        pages.append([each["id"] for each in answer["api_keys"]])
        cursor = answer["next"]
    assert [len(page) for page in pages] == [30, 20]
    found = [each for page in pages for each in page]
    assert found == sorted(found, reverse=True)


async def test_an_account_makes_so_many_keys_an_hour(sqlite_url: str, tmp_path: Path) -> None:
    limits = GENEROUS.replace("api_keys=1000000/1h", "api_keys=2/1h")
    async with World.running(sqlite_url, tmp_path, limits=limits) as world:
        ada = await world.member()
        assert [(await ask(ada)).status_code for _ in range(3)] == [201, 201, 429]


async def test_a_key_has_a_name_and_a_sensible_end(world: World) -> None:
    ada = await world.member()
    for wrong in ({"name": ""}, {"name": "x" * 101}, {"expires_in": 59}, {"scopes": "notes:read"}):
        assert (await ask(ada, **wrong)).status_code == 422, wrong


async def test_a_first_proof_of_an_address_ends_keys_made_before(
    database_url: str, tmp_path: Path
) -> None:
    """Whoever opened the account may have waited inside for the owner of the mailbox."""
    async with World.running(database_url, tmp_path, login_before_proof=True) as world:
        planter, owner = world.browser(), world.browser()
        asked = await planter.sign_up()
        assert (await planter.log_in()).status_code == 200
        made = await make(planter)
        code = (await world.mails("ada@example.org"))[-1].code
        assert (await world.client().get("/v1/me", headers=bearer(made))).status_code == 200
        proved = await owner.prove(sign_up=asked.json()["sign_up"], code=code)
        assert proved.status_code == 200
        assert proved.json()["roles"] == ["user"]
        assert (await world.client().get("/v1/me", headers=bearer(made))).status_code == 401
