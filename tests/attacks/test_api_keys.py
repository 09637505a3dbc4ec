"""API keys that ask for more than they were given, and keys that are none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import House, Kept, everything, face, statements
from tests.world import PASSWORD, Client
from vestibule.accounts import queries, state
from vestibule.api_keys import secret
from vestibule.roles import grants

V, W = "v@victim.test", "w@evil.test"
LOGS = ("counters",)
# For every member, and for administrators.
SCOPES = "notes:read=user|admin, accounts:read=admin"


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> Any:  # Any: an async generator of a House
    given = PRODUCTION | {"scopes": SCOPES}
    async with House.running(database_url, tmp_path, transport=Kept(), **given) as made:
        yield cast(House, made)


async def key_of(client: Client, *scopes: str) -> dict[str, str]:
    answer = await client.post("/v1/me/api-keys", json={"name": "x", "scopes": list(scopes)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


@pytest.mark.attack("A-060")
@pytest.mark.attack("A-016")
async def test_a_key_opens_nothing_that_is_for_people(world: House) -> None:
    """Nor makes, lists or removes keys; nor confirms; nor ends sessions."""
    victim = await world.member(V)
    await world.give(V, "admin")
    for scopes in ((), ("notes:read",), ("notes:read", "accounts:read")):
        made = await key_of(victim, *scopes)
        tried = [
            ("GET", "/v1/me/api-keys", None),
            ("POST", "/v1/me/api-keys", {"name": "more", "scopes": ["accounts:read"]}),
            ("DELETE", f"/v1/me/api-keys/{made['id']}", None),
            ("POST", "/v1/me/confirm", {"password": PASSWORD}),
            ("POST", "/v1/me/confirm", {"code": "2222-2222"}),
            ("POST", "/v1/me/confirm/letters", None),
            ("PATCH", "/v1/me", {"given_name": "Mallory"}),
            ("GET", "/v1/me/sessions", None),
            ("DELETE", "/v1/me/sessions", None),
            ("POST", "/v1/logout-all", None),
        ]
        before = await everything(world, but=LOGS)
        for header in ({"Authorization": f"Bearer {made['key']}"}, {"X-API-Key": made["key"]}):
            program = world.client(**header)
            for method, path, body in tried:
                answer = await program.request(method, path, json=body)
                assert (answer.status_code, answer.json()["code"]) == (403, "session_required")
                assert not program.cookies
            assert (await program.post("/v1/logout")).status_code == 204
            for path, field in (("refresh", "refresh_token"), ("revoke", "token")):
                await program.post(f"/v1/tokens/{path}", json={field: made["key"]})
            assert (await program.get("/v1/me")).json()["roles"] == []
        assert await everything(world, but=LOGS) == before
    assert (await victim.get("/v1/me")).json()["given_name"] is None


@pytest.mark.attack("A-060")
async def test_no_scope_is_given_that_was_not_asked_for_or_is_not_the_owners(world: House) -> None:
    member = await world.member(W)
    assert (await key_of(member))["scopes"] == cast(Any, [])
    for scopes in (["accounts:read"], ["*"], ["notes:read", "admin"], ["notes:read "], [""]):
        answer = await member.post("/v1/me/api-keys", json={"name": "x", "scopes": scopes})
        assert answer.status_code == 422, scopes
    for fields in ({"scopes": None}, {"roles": ["admin"]}, {"account_id": V}, {"key": "vst_x"}):
        answer = await member.post("/v1/me/api-keys", json={"name": "x"} | fields)
        assert answer.status_code == 422, fields


@pytest.mark.attack("A-060")
@pytest.mark.attack("A-030")
async def test_a_key_ends_with_what_its_owner_loses(world: House) -> None:
    victim = await world.member(V)
    await world.give(V, "admin")
    made = await key_of(victim, "accounts:read")
    program = world.client(**{"X-API-Key": made["key"]})
    assert (await program.get("/v1/me")).json()["scopes"] == ["accounts:read"]
    async with world.vestibule.unit() as unit:
        account = await queries.by_identifier(unit, V)
        assert account is not None
        await grants.revoke(unit, account.id, "admin")
    assert (await program.get("/v1/me")).json()["scopes"] == []
    async with world.vestibule.unit() as unit:
        await state.disable(unit, account.id)
    nobody = face(await world.client().get("/v1/me"))
    assert face(await program.get("/v1/me")) == nobody


@pytest.mark.attack("A-056")
async def test_keys_of_others_do_not_exist(world: House) -> None:
    victim, mallory = await world.member(V), await world.member(W)
    made = await key_of(victim)
    before = await everything(world, but=LOGS)
    unknown = "01890000-0000-7000-8000-000000000000"
    answers = [
        await mallory.delete(f"/v1/me/api-keys/{name}")
        for name in (made["id"], unknown, made["id"].upper(), f"{made['id']}x", "1")
    ]
    assert {face(each)[:2] for each in answers} == {face(answers[0])[:2]}
    assert answers[0].status_code == 404
    listed = await mallory.get(
        "/v1/me/api-keys", params={"cursor": unknown.replace("0189", "ffff")}
    )
    assert listed.json()["api_keys"] == []
    assert await everything(world, but=LOGS) == before
    assert (await world.client(**{"X-API-Key": made["key"]}).get("/v1/me")).status_code == 200


@pytest.mark.attack("A-079")
async def test_what_is_no_key_of_ours_is_nobodys(world: House) -> None:
    victim = await world.member(V)
    key = (await key_of(victim))["key"]
    stranger = world.client()
    nobody = face(await stranger.get("/v1/me"))
    other = "B" if key[20] == "A" else "A"

    def forged() -> Iterator[str]:
        yield from (
            key[:-1],
            key + "0",
            key.swapcase(),
            key[4:],
            "vst_",
            "",
            " ",
            f"vses_{key[4:]}",
        )
        yield key[:20] + other + key[21:]
        yield secret.issue()[0]
        yield "vst_" + "A" * 100_000
        yield f"{key},{key}"

    for sent in forged():
        for headers in ({"Authorization": f"Bearer {sent}"}, {"X-API-Key": sent}):
            assert face(await stranger.get("/v1/me", headers=headers)) == nobody, sent[:80]
    with statements(world) as said:
        await stranger.get("/v1/me", headers={"X-API-Key": key[:20] + other + key[21:]})
    assert said == [], "what is not whole is nobody's without being looked for"
    twice = httpx.Headers([("X-API-Key", key), ("X-API-Key", key)])
    assert face(await stranger.get("/v1/me", headers=twice)) == nobody
    for query in ("api_key", "key", "access_token", "X-API-Key"):
        assert face(await stranger.get("/v1/me", params={query: key})) == nobody
    token = (await world.client().log_in(V, deliver="tokens")).json()["access_token"]
    assert face(await stranger.get("/v1/me", headers={"X-API-Key": token})) == nobody
    stranger.cookies.set("__Host-vestibule", key)
    assert (await stranger.get("/v1/me")).status_code == 401
    assert (await world.client().get("/v1/me", headers={"X-API-Key": key})).status_code == 200


@pytest.mark.attack("A-042")
async def test_a_key_beside_a_cookie_is_what_counts_and_needs_no_origin(world: House) -> None:
    """Nobody's page makes a browser send one; and it never borrows what the cookie may."""
    victim = await world.member(V)
    key = (await key_of(victim))["key"]
    for headers in ({"X-API-Key": key}, {"X-API-Key": "vst_x"}, {"X-API-Key": ""}):
        answer = await victim.delete(
            "/v1/me/sessions", headers=headers | {"Origin": "https://evil.test"}
        )
        assert answer.status_code in (401, 403)
        assert answer.json()["code"] in ("session_required", "not_signed_in")
    assert (await victim.get("/v1/me")).status_code == 200
