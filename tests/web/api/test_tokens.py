"""Tokens: handed out at log-in, renewed, given back, and verified by anybody."""

import asyncio
import json
from base64 import urlsafe_b64decode
from datetime import timedelta
from typing import Any  # Any: answers are JSON

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import func, select, true, update

from tests.world import Client, World
from vestibule.accounts import state
from vestibule.accounts.models import Account
from vestibule.audit.log import Entry
from vestibule.sessions import rotation
from vestibule.sessions.models import Kind, Session
from vestibule.tokens import keys
from vestibule.tokens.models import SigningKey

GRACE = timedelta(seconds=30)


class Program(Client):
    """A client that keeps tokens instead of cookies."""

    tokens: dict[str, Any]

    def bearer(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.tokens['access_token']}"}

    async def who(self, token: str | None = None) -> int:
        return (await self.get("/v1/me", headers=self.bearer(token))).status_code

    async def refresh(self, token: str | None = None) -> tuple[int, dict[str, Any]]:
        held = token or self.tokens["refresh_token"]
        answer = await self.post("/v1/tokens/refresh", json={"refresh_token": held})
        return answer.status_code, answer.json()


async def program(world: World) -> Program:
    await world.member()
    made = Program(transport=world.client()._transport, base_url="http://localhost:8000")
    entered = await made.log_in(deliver="tokens")
    assert entered.status_code == 200
    made.tokens = entered.json()
    made.cookies.clear()
    return made


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))))


async def test_a_log_in_that_asks_for_tokens_gets_tokens_and_no_session_cookie(
    world: World,
) -> None:
    await world.member()
    client = world.client()
    answer = await client.log_in(deliver="tokens")
    said = answer.json()
    assert said["token_type"] == "Bearer"
    assert 570 <= said["expires_in"] <= 630
    assert said["account"]["email"] == "ada@example.org"
    assert "vestibule" not in client.cookies
    me = await client.get("/v1/me", headers={"Authorization": f"Bearer {said['access_token']}"})
    assert me.json() == said["account"]


async def test_a_log_in_that_does_not_ask_gets_a_cookie_and_no_tokens(world: World) -> None:
    ada = await world.member()
    said = (await ada.log_in()).json()
    assert set(said) == {"account", "session"}
    assert "vestibule" in ada.cookies


async def test_anybody_can_verify_an_access_token_with_our_published_keys(world: World) -> None:
    ada = await program(world)
    answer = await world.client().get("/.well-known/jwks.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    published = answer.json()
    assert all("d" not in key for key in published["keys"])
    assert [key["alg"] for key in published["keys"]] == ["ES256", "ES256"]
    token = jwt.decode(
        ada.tokens["access_token"], KeySet.import_key_set(published), algorithms=["ES256"]
    )
    assert token.header["typ"] == "at+jwt"
    said = token.claims
    assert said["iss"] == said["aud"] == "http://localhost:8000"
    assert said["sub"] == ada.tokens["account"]["id"]
    assert said["sid"] == ada.tokens["session"]["id"]
    assert said["exp"] - said["iat"] == ada.tokens["expires_in"]
    assert said["roles"] == ["user"]
    assert said["amr"] == ["pwd"]
    assert said["email_verified"] is True
    assert said["auth_time"] <= said["iat"]
    assert said["jti"]


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
async def test_the_settings_choose_how_tokens_are_signed(
    algorithm: str, sqlite_url: str, tmp_path: Any
) -> None:
    async with World.running(sqlite_url, tmp_path, signing_algorithm=algorithm) as world:
        ada = await program(world)
        [head] = [json.loads(urlsafe_b64decode(ada.tokens["access_token"].split(".")[0] + "=="))]
        assert head["alg"] == algorithm
        assert await ada.who() == 200


async def test_an_access_token_is_good_until_it_expires(world: World) -> None:
    ada = await program(world)
    world.clock.move(timedelta(seconds=ada.tokens["expires_in"]))
    assert await ada.who() == 200, "clocks may differ by half a minute"
    world.clock.move(timedelta(seconds=31))
    assert await ada.who() == 401


async def test_lifetimes_are_spread_so_that_clients_do_not_come_back_together(
    world: World,
) -> None:
    await world.member()
    spans = {(await world.client().log_in(deliver="tokens")).json()["expires_in"] for _ in range(9)}
    assert len(spans) > 1


async def test_a_refresh_replaces_the_refresh_token(world: World) -> None:
    ada = await program(world)
    status, renewed = await ada.refresh()
    assert status == 200
    assert renewed["refresh_token"] != ada.tokens["refresh_token"]
    assert renewed["token_type"] == "Bearer"
    assert await ada.who(renewed["access_token"]) == 200
    assert claims_of(renewed["access_token"])["sid"] == ada.tokens["session"]["id"]
    assert await ada.who() == 200, "the access token before lives to its end"


@pytest.mark.attack("A-026")
@pytest.mark.fault("F-04")
async def test_within_the_grace_tabs_and_lost_answers_get_the_current_token(world: World) -> None:
    ada = await program(world)
    first = ada.tokens["refresh_token"]
    _, renewed = await ada.refresh(first)
    world.clock.move(timedelta(seconds=29))
    for held in (first, renewed["refresh_token"]):
        status, again = await ada.refresh(held)
        assert (status, again["refresh_token"]) == (200, renewed["refresh_token"])
        assert await ada.who(again["access_token"]) == 200
    [(generation,)] = await world.rows(select(Session.generation).where(Session.kind == "tokens"))
    assert generation == 1


@pytest.mark.attack("A-027")
async def test_a_replaced_token_after_the_grace_ends_the_session_and_tells_the_owner(
    world: World,
) -> None:
    ada = await program(world)
    first = ada.tokens["refresh_token"]
    _, renewed = await ada.refresh(first)
    world.clock.move(GRACE)
    status, problem = await ada.refresh(first)
    assert (status, problem["code"]) == (401, "token_refused")
    assert await ada.who(renewed["access_token"]) == 401
    assert (await ada.refresh(renewed["refresh_token"]))[0] == 401
    [letter] = [mail for mail in await world.mails() if "signed out" in mail.subject]
    assert letter.to == "ada@example.org"
    events = [event for (event,) in await world.rows(select(Entry.event).order_by(Entry.id))]
    assert events.count("token.replayed") == 1
    status, _ = await ada.refresh(first)
    assert status == 401
    told = [mail for mail in await world.mails() if "signed out" in mail.subject]
    assert len(told) == 1, "an ended session does not end again"


async def test_two_generations_behind_is_theft_also_within_the_grace(world: World) -> None:
    ada = await program(world)
    first = ada.tokens["refresh_token"]
    _, second = await ada.refresh(first)
    world.clock.move(GRACE)
    _, third = await ada.refresh(second["refresh_token"])
    assert third["refresh_token"] != second["refresh_token"]
    assert (await ada.refresh(first))[0] == 401
    assert (await ada.refresh(third["refresh_token"]))[0] == 401


async def test_no_grace_is_a_setting(sqlite_url: str, tmp_path: Any) -> None:
    async with World.running(sqlite_url, tmp_path, refresh_grace=0) as world:
        ada = await program(world)
        _, renewed = await ada.refresh()
        world.clock.move(timedelta(seconds=1))
        assert (await ada.refresh())[0] == 401
        assert (await ada.refresh(renewed["refresh_token"]))[0] == 401


@pytest.mark.attack("A-026")
@pytest.mark.fault("F-29")
async def test_fifty_that_refresh_at_once_get_one_successor(world: World) -> None:
    ada = await program(world)
    answers = await asyncio.gather(*(ada.refresh() for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    assert len({said["refresh_token"] for _, said in answers}) == 1
    assert (await ada.refresh(answers[0][1]["refresh_token"]))[0] == 200


async def test_the_statement_itself_replaces_the_current_token_once_in_the_grace(
    world: World,
) -> None:
    ada = await program(world)
    assert (await ada.refresh())[0] == 200

    async def rotated(*, behind: int = 0) -> bool:
        async with world.vestibule.unit() as unit:
            of_tokens = select(Session).where(Session.kind == Kind.TOKENS)
            [session] = (await unit.session.scalars(of_tokens)).all()
            statement = rotation.rotating(true())
            found = await rotation.rotate(unit, statement, session.id, session.generation - behind)
            return found is not None

    assert not await rotated()
    world.clock.move(timedelta(seconds=31))
    assert not await rotated(behind=1)
    assert await rotated()


async def test_a_session_of_tokens_ends_when_nobody_refreshes_it(world: World) -> None:
    ada = await program(world)
    world.clock.move(timedelta(days=13))
    _, renewed = await ada.refresh()
    world.clock.move(timedelta(days=13))
    status, renewed = await ada.refresh(renewed["refresh_token"])
    assert status == 200
    await world.vestibule.write_touches()
    world.clock.move(timedelta(days=15))
    assert (await ada.refresh(renewed["refresh_token"]))[0] == 401


async def test_a_session_of_tokens_ends_after_ninety_days_whatever_happens(world: World) -> None:
    ada = await program(world)
    held = ada.tokens["refresh_token"]
    for _ in range(8):
        world.clock.move(timedelta(days=11))
        _, renewed = await ada.refresh(held)
        held = renewed["refresh_token"]
    world.clock.move(timedelta(days=1, hours=23, minutes=55))
    _, last = await ada.refresh(held)
    assert last["expires_in"] <= 300, "no token outlives its session"
    world.clock.move(timedelta(minutes=6))
    assert (await ada.refresh(last["refresh_token"]))[0] == 401
    assert await ada.who(last["access_token"]) == 401


@pytest.mark.attack("A-030")
async def test_disabling_ends_tokens_of_both_kinds(world: World) -> None:
    ada = await program(world)
    [(account_id,)] = await world.rows(select(Account.id))
    async with world.vestibule.unit() as unit:
        assert await state.disable(unit, account_id)
    assert await ada.who() == 401
    assert (await ada.refresh())[0] == 401


async def test_an_account_that_is_shut_has_no_refresh_even_if_its_session_lived_on(
    world: World,
) -> None:
    """Whatever shuts an account ends its sessions; the refresh does not rely on that."""
    ada = await program(world)
    async with world.vestibule.unit() as unit:
        await unit.session.execute(update(Account).values(state="disabled"))
    assert (await ada.refresh())[0] == 401
    [(generation,)] = await world.rows(select(Session.generation).where(Session.kind == "tokens"))
    assert generation == 0


@pytest.mark.attack("A-090")
async def test_a_log_out_with_a_token_ends_its_session(world: World) -> None:
    ada = await program(world)
    answer = await ada.post("/v1/logout", headers=ada.bearer())
    assert answer.status_code == 204
    assert await ada.who() == 401
    assert (await ada.refresh())[0] == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("form", [True, False], ids=["form", "json"])
async def test_a_token_given_back_ends_its_session(world: World, kind: str, *, form: bool) -> None:
    ada = await program(world)
    said = {"token": ada.tokens[kind], "token_type_hint": kind}
    body: dict[str, Any] = {"data": said} if form else {"json": said}
    for _ in range(2):
        answer = await ada.post("/v1/tokens/revoke", **body)
        assert (answer.status_code, answer.content) == (200, b"")
        assert await ada.who() == 401
        assert (await ada.refresh())[0] == 401


@pytest.mark.parametrize("token", ["x", "vref_", "vref_AAAA", "a.b.c", "ä"])
async def test_unknown_tokens_are_given_back_alike(world: World, token: str) -> None:
    client = world.client()
    answer = await client.post("/v1/tokens/revoke", json={"token": token})
    assert (answer.status_code, answer.content) == (200, b"")
    refused = await client.post("/v1/tokens/refresh", json={"refresh_token": token})
    assert (refused.status_code, refused.json()["code"]) == (401, "token_refused")


async def test_a_token_to_give_back_must_be_sent(world: World) -> None:
    client = world.client()
    bodies: list[dict[str, Any]] = [{"json": {}}, {"data": {"x": "y"}}, {"json": ["x"]}]
    for body in bodies:
        assert (await client.post("/v1/tokens/revoke", **body)).status_code == 422
    twice = "token=a&token=b"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post("/v1/tokens/revoke", content=twice, headers=headers)
    assert answer.status_code == 400
    refused = await client.post("/v1/tokens/refresh", data={"refresh_token": "x"})
    assert refused.status_code == 415, "a form is for giving back alone"


async def test_a_copy_of_the_database_gives_nobody_a_token(world: World) -> None:
    ada = await program(world)
    [row] = await world.rows(select(Session).where(Session.kind == "tokens"))
    kept = str({key: value for key, value in vars(row[0]).items() if key != "_sa_instance_state"})
    assert ada.tokens["refresh_token"] not in kept
    assert row[0].secret_digest is None
    signing = await world.rows(select(SigningKey.private))
    assert all(b'"d"' not in private for (private,) in signing)


async def test_a_new_key_takes_over_and_the_old_ones_tokens_live_to_their_end(
    world: World,
) -> None:
    ada = await program(world)
    before = {key["kid"] for key in (await ada.get("/.well-known/jwks.json")).json()["keys"]}
    kid = await world.vestibule.run(keys.rotate)
    assert kid in before, "it was published before it signed"
    assert await ada.who() == 200
    _, renewed = await ada.refresh()
    head = json.loads(urlsafe_b64decode(renewed["access_token"].split(".")[0] + "=="))
    assert head["kid"] == kid
    world.clock.move(timedelta(minutes=12))
    after = {key["kid"] for key in (await ada.get("/.well-known/jwks.json")).json()["keys"]}
    assert len(after) == 2
    assert kid in after


@pytest.mark.attack("A-095")
async def test_a_retired_keys_tokens_are_refused_at_once(world: World) -> None:
    ada = await program(world)
    kid = json.loads(urlsafe_b64decode(ada.tokens["access_token"].split(".")[0] + "=="))["kid"]
    await world.vestibule.run(lambda unit: keys.retire(unit, kid))
    assert await ada.who() == 401
    status, renewed = await ada.refresh()
    assert status == 200, "sessions are not the key's"
    assert await ada.who(renewed["access_token"]) == 200
    published = (await ada.get("/.well-known/jwks.json")).json()["keys"]
    assert kid not in {key["kid"] for key in published}


async def test_keys_rotate_by_themselves_when_their_time_is_over(world: World) -> None:
    await world.vestibule.run(keys.rotate_if_due)
    before = await world.rows(select(SigningKey.kid).where(SigningKey.state == "active"))
    world.clock.move(timedelta(days=91))
    await world.vestibule.run(keys.rotate_if_due)
    await world.vestibule.run(keys.rotate_if_due)
    after = await world.rows(select(SigningKey.kid).where(SigningKey.state == "active"))
    assert before != after
    assert await world.rows(select(func.count()).select_from(SigningKey)) == [(3,)]


async def test_keys_that_shall_never_rotate_do_not(sqlite_url: str, tmp_path: Any) -> None:
    async with World.running(sqlite_url, tmp_path, signing_key_lifetime=0) as world:
        world.clock.move(timedelta(days=900))
        await world.vestibule.run(keys.rotate_if_due)
        assert await world.rows(select(func.count()).select_from(SigningKey)) == [(2,)]


async def test_a_server_looks_by_itself_whether_a_key_has_had_its_time(world: World) -> None:
    rotated = select(func.count()).where(Entry.event == "signing_key.rotated")
    world.clock.move(timedelta(days=91))
    await world.vestibule.stop()
    await world.vestibule.start()
    async with asyncio.timeout(10):
        while await world.rows(rotated) != [(1,)]:
            await asyncio.sleep(0.01)


async def test_of_several_that_find_a_keys_time_over_one_rotates(world: World) -> None:
    world.clock.move(timedelta(days=91))
    await asyncio.gather(*(world.vestibule.run(keys.rotate_if_due) for _ in range(8)))
    states = await world.rows(select(SigningKey.state).order_by(SigningKey.created_at))
    assert sorted(state for (state,) in states) == ["active", "next", "verifying"]
    assert await world.rows(select(func.count()).where(Entry.event == "signing_key.rotated")) == [
        (1,)
    ]
