"""The JSON dialect of the complete Flask tutorial, row by row of its contract."""

import asyncio
import json
import sqlite3
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any  # Any: answers are JSON
from uuid import UUID, uuid4

import httpx
import pytest
from quart import Quart
from sqlalchemy import select, update
from werkzeug.security import generate_password_hash

from tests.embedding.host import Host, made
from tests.postgres import server
from tests.processes import outside, serving
from tests.web.dialects.conftest import Mounted, names_of_cookies
from tests.world import PASSWORD, Client, Held, World
from vestibule import Settings, current_account
from vestibule.accounts import administration, queries, site_settings, state
from vestibule.accounts.models import Account
from vestibule.accounts.signup import Person, sign_up
from vestibule.audit.log import Entry
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.kernel.errors import CannotStart, RoleRequired
from vestibule.kernel.limits import CLASSIC_DAY, CLASSIC_HOUR, CLASSIC_LOG_IN
from vestibule.roles import grants
from vestibule.tokens import keyring, keys
from vestibule.web.dialects import classic, jwt_words

NAME = "classic"
ALICE, BOB = "alice", "bob"
REVOKED = (401, {"msg": "Token has been revoked"})
UNSIGNED = (422, {"msg": "Signature verification failed"})
WRONG = (401, {"error": "Invalid credentials"})
GONE = (404, {"error": "User not found"})
NOT_IN = (401, {"error": "Authentication required"})
NO_ADMIN = (403, {"error": "Admin access required"})
USERS, SITE = "/api/admin/users", "/api/admin/settings"


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return dict(json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4))))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def told(answer: httpx.Response) -> tuple[int, Any]:
    assert answer.headers["Content-Type"] == "application/json"
    assert not names_of_cookies(answer)
    return answer.status_code, answer.json()


async def asked(client: httpx.AsyncClient, path: str, token: str, **sent: Any) -> tuple[int, Any]:
    """Say which method by the body: none is a GET."""
    method = sent.pop("method", "GET")
    return told(await client.request(method, path, headers=bearer(token), **sent))


async def tokens_of(
    client: httpx.AsyncClient, username: str = ALICE, password: str = PASSWORD
) -> dict[str, Any]:
    body = {"username": username, "password": password}
    answer = await client.post("/api/auth/login", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def token_of(client: httpx.AsyncClient, username: str = ALICE) -> str:
    return str((await tokens_of(client, username))["access_token"])


async def account_id(world: World, username: str = ALICE) -> UUID:
    found = await world.vestibule.run(lambda unit: queries.by_identifier(unit, username))
    assert found is not None
    return found.id


async def opened(world: World, username: str = ALICE, *roles: str) -> UUID:
    person = Person(password=PASSWORD, username=username, email=f"{username}@example.com")
    await world.vestibule.run(lambda unit: sign_up(unit, person, open_now=True))
    found = await account_id(world, username)
    for role in roles:
        await world.vestibule.run(partial(grants.grant, account_id=found, role=role))
    return found


async def in_browser(world: World, username: str, *roles: str) -> Client:
    """Somebody with the cookie of our own log-in."""
    browser = await world.member(f"{username}@example.com", username=username)
    found = await account_id(world, username)
    for role in roles:
        await world.vestibule.run(partial(grants.grant, account_id=found, role=role))
    return browser


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(database_url, tmp_path, dialects=NAME) as made:
        yield made


async def test_a_log_in_gets_both_tokens_with_their_claims(world: World) -> None:
    found = await opened(world, ALICE, "admin", "editor")
    for identifier in (ALICE, "Alice@example.com"):  # which is not proved
        body = {"username": identifier, "password": PASSWORD}
        status, said = told(await world.client().post("/api/auth/login", json=body))
        assert status == 200
        assert set(said) == {"access_token", "refresh_token", "user"}
        assert said["user"] == {"id": str(found), "username": ALICE, "role": "admin"}
    access, refresh = claims_of(said["access_token"]), claims_of(said["refresh_token"])
    own = {"username": ALICE, "role": "admin", "email": "alice@example.com"}
    assert access | own == access
    assert own.keys().isdisjoint(refresh)
    for claims, use, seconds in ((access, "access", 3600), (refresh, "refresh", 30 * 24 * 3600)):
        assert claims["type"] == use
        assert claims["sub"] == str(found)
        assert claims["exp"] - claims["iat"] == seconds
        assert {"fresh", "iat", "jti", "nbf", "csrf"} <= set(claims)
    assert access["jti"] != refresh["jti"]


@pytest.mark.parametrize(
    "roles, shown",
    [((), "user"), (("editor",), "editor"), (("editor", "admin"), "admin")],
    ids=["user", "editor", "admin"],
)
async def test_the_highest_role_is_the_one_that_is_shown(
    world: World, roles: tuple[str, ...], shown: str
) -> None:
    await opened(world, ALICE, *roles)
    said = await tokens_of(world.client())
    assert (said["user"]["role"], claims_of(said["access_token"])["role"]) == (shown, shown)


NEEDED = (400, {"error": "Username and password required"})


async def test_what_is_missing_or_wrong_is_told_in_its_words(world: World) -> None:
    await opened(world)
    client = world.client()
    lacking: list[dict[str, Any]] = [
        {},
        {"username": ALICE},
        {"password": PASSWORD},
        {"username": None, "password": None},
        {"username": "", "password": ""},
        {"login": ALICE, "password": PASSWORD},
    ]
    for body in lacking:
        assert told(await client.post("/api/auth/login", json=body)) == NEEDED, body
    for username, password in ((ALICE, "wrong"), ("nobody", PASSWORD)):
        body = {"username": username, "password": password}
        assert told(await client.post("/api/auth/login", json=body)) == WRONG


JSON = {"Content-Type": "application/json"}
BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "none": (415, {}),
    "none, said to be JSON": (400, {"headers": JSON}),
    "half a body": (400, {"content": b'{"username"', "headers": JSON}),
    "not UTF-8": (400, {"content": b'{"username": "\xff"}', "headers": JSON}),
    "NUL": (400, {"json": {"username": "a\0", "password": "x", "user_id": "a\0"}}),
    "half a pair": (400, {"content": b'{"username": "\\ud800"}', "headers": JSON}),
    "a key twice": (400, {"content": b'{"username": "a", "username": "b"}', "headers": JSON}),
    "too deep": (400, {"content": b"[" * 20_000, "headers": JSON}),
    "a form": (415, {"data": {"username": ALICE, "password": PASSWORD}}),
    "a text": (415, {"content": b"hello", "headers": {"Content-Type": "text/plain"}}),
    "a list": (422, {"json": [1]}),
    "null": (422, {"content": b"null", "headers": JSON}),
    "a number": (422, {"json": {"username": 1, "password": "x", "user_id": 1.5}}),
    "an object": (422, {"json": {"username": {"a": 1}, "password": "x", "user_id": {"a": 1}}}),
    "a list within": (422, {"json": {"username": "a", "password": ["x"], "user_id": [1]}}),
    "a long name": (422, {"json": {"username": "a" * 401, "password": "x", "user_id": None}}),
    "a long password": (422, {"json": {"username": "a", "password": "a" * 4097, "user_id": True}}),
    "too much": (413, {"content": b" " * 70_000, "headers": JSON}),
}


async def test_a_body_that_broke_the_original_is_refused_in_its_shape(world: World) -> None:
    await opened(world, ALICE, "admin")
    client = world.client()
    token = await token_of(client)
    for what, (status, sent) in BODIES.items():
        asking = {"Authorization": f"Bearer {token}"} | sent.get("headers", {})
        whole = {**sent, "headers": asking}
        answers = [await client.post("/api/auth/login", **sent)]
        answers.append(await client.request("DELETE", USERS, **whole))
        if what not in ("NUL", "a number", "an object", "a list within") and "long" not in what:
            answers.append(await client.put(SITE, **whole))
        for answer in answers:
            found, body = told(answer)
            assert (found, list(body)) == (status, ["error"]), (what, answer.request.method)
            assert isinstance(body["error"], str)
            assert body["error"]


async def test_the_profile_shows_who_is_signed_in(world: World) -> None:
    found = await opened(world, ALICE, "editor")
    assert await asked(world.client(), "/api/profile", await token_of(world.client())) == (
        200,
        {
            "id": str(found),
            "username": ALICE,
            "email": "alice@example.com",
            "role": "editor",
        },
    )


async def test_whoever_brings_no_good_token_is_told_why(world: World) -> None:
    await opened(world, ALICE, "admin")
    client = world.client()
    said = await tokens_of(client)
    token, refresh = said["access_token"], said["refresh_token"]
    head, body, mark = token.split(".")
    other = claims_of(token) | {"sub": str(uuid4())}
    coded = urlsafe_b64encode(json.dumps(other).encode()).decode().rstrip("=")
    await world.member()
    native = (await world.client().log_in(deliver="tokens")).json()["access_token"]
    routes = (
        ("GET", "/api/profile"),
        ("GET", USERS),
        ("GET", SITE),
        ("PUT", SITE),
        ("POST", "/api/auth/refresh"),
        ("POST", "/api/auth/logout"),
        ("POST", "/api/auth/logout-all"),
    )
    bad = "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'"
    for header, status, words in (
        (None, 401, "Missing Authorization Header"),
        ("", 401, "Missing Authorization Header"),
        ("\xa0", 401, "Missing Authorization Header"),
        ("\x85 ", 401, "Missing Authorization Header"),
        ("Basic YTpi", 401, jwt_words.NO_TYPE),
        (token, 401, jwt_words.NO_TYPE),
        ("Bearer", 422, bad),
        ("Bearer a b", 422, bad),
        ("Bearer x", 422, "Not enough segments"),
        (f"Bearer {head}.{body}.{mark[:-4]}AAAA", *_unsigned()),
        (f"Bearer {head}.{coded}.{mark}", *_unsigned()),
        (f"Bearer {native}", *_unsigned()),
    ):
        sent = {} if header is None else {b"Authorization": header.encode("latin-1")}
        for method, path in routes:
            answer = await client.request(method, path, headers=sent)
            assert told(answer) == (status, {"msg": words}), (header, path)
    for method, path in routes:
        wrong = token if path.endswith("refresh") else refresh
        words = "Only refresh" if path.endswith("refresh") else "Only non-refresh"
        answer = await client.request(method, path, headers=bearer(wrong))
        assert told(answer) == (422, {"msg": f"{words} tokens are allowed"}), path
    for path in ("/api/data", USERS):  # where a cookie does as well
        method = "DELETE" if path == USERS else "GET"
        for header in ("Bearer x", f"Bearer {refresh}", f"Bearer {native}", "bearer"):
            answer = await client.request(method, path, headers={"Authorization": header})
            assert list(told(answer)[1]) == ["msg"], (path, header)
    assert (await asked(client, "/api/profile", token))[0] == 200
    for path in ("/v1/me", "/v1/verify"):
        for each in (token, refresh):
            assert (await client.get(path, headers=bearer(each))).status_code == 401, path
    world.clock.move(timedelta(minutes=61))
    assert await asked(client, "/api/profile", token) == (401, {"msg": "Token has expired"})
    assert (await asked(client, "/api/auth/refresh", refresh, method="POST"))[0] == 200


def _unsigned() -> tuple[int, str]:
    return UNSIGNED[0], UNSIGNED[1]["msg"]


async def test_a_refresh_token_renews_for_its_thirty_days_with_the_roles_of_the_moment(
    world: World,
) -> None:
    found = await opened(world)
    client = world.client()
    refresh = (await tokens_of(client))["refresh_token"]

    async def renewed() -> tuple[int, Any]:
        return await asked(client, "/api/auth/refresh", refresh, method="POST")

    first = await renewed()
    assert (first[0], list(first[1])) == (200, ["access_token"])
    await world.vestibule.run(lambda unit: grants.grant(unit, found, "editor"))
    for days in (1, 28):  # many times by the same one, and not at once either
        world.clock.move(timedelta(days=days))
        await world.vestibule.write_touches()
        status, body = await renewed()
        assert status == 200
        claims = claims_of(body["access_token"])
        assert (claims["role"], claims["type"]) == ("editor", "access")
        assert claims["exp"] - claims["iat"] == 3600
        assert (await asked(client, "/api/profile", body["access_token"]))[0] == 200
    world.clock.move(timedelta(days=1, minutes=1))
    assert await renewed() == (401, {"msg": "Token has expired"})


async def test_a_log_out_ends_the_session_and_its_refresh_token_and_no_other(world: World) -> None:
    await opened(world)
    client = world.client()
    said, other = await tokens_of(client), await tokens_of(client)
    token = said["access_token"]
    assert await asked(client, "/api/auth/logout", token, method="POST") == (
        200,
        {"message": "Token revoked successfully"},
    )
    for path, each in (("profile", "access_token"), ("auth/refresh", "refresh_token")):
        method = "POST" if "auth" in path else "GET"
        assert await asked(client, f"/api/{path}", said[each], method=method) == REVOKED
        assert (await asked(client, f"/api/{path}", other[each], method=method))[0] == 200
    assert await asked(client, "/api/auth/logout", token, method="POST") == REVOKED


async def test_a_log_out_everywhere_ends_every_session(world: World) -> None:
    ada = await in_browser(world, ALICE)
    client = world.client()
    said, other = await tokens_of(client), await tokens_of(client)
    answer = await asked(client, "/api/auth/logout-all", said["access_token"], method="POST")
    assert answer == (200, {"message": "All tokens revoked"})
    for each in (said, other):
        assert await asked(client, "/api/profile", each["access_token"]) == REVOKED
        refresh = each["refresh_token"]
        assert await asked(client, "/api/auth/refresh", refresh, method="POST") == REVOKED
    assert (await ada.get("/v1/me")).status_code == 401


async def test_a_disabled_account_is_out_at_once(world: World) -> None:
    ada = await in_browser(world, ALICE)
    client = world.client()
    said = await tokens_of(client)
    assert told(await ada.get("/api/data"))[0] == 200
    found = await account_id(world)
    await world.vestibule.run(lambda unit: state.disable(unit, found))
    body = {"username": ALICE, "password": PASSWORD}
    assert told(await client.post("/api/auth/login", json=body)) == WRONG
    for path in ("/api/profile", "/api/data", USERS):
        assert await asked(client, path, said["access_token"]) == REVOKED, path
    refresh = said["refresh_token"]
    assert await asked(client, "/api/auth/refresh", refresh, method="POST") == REVOKED
    assert told(await ada.get("/api/data")) == NOT_IN


async def test_who_is_gone_is_told_so_by_a_token_that_was_good(world: World) -> None:
    root, found = await opened(world, ALICE, "admin"), await opened(world, BOB)
    client = world.client()
    said = await tokens_of(client, BOB)
    await world.vestibule.run(lambda unit: administration.erase(unit, root, found))
    for method, path, each in (
        ("GET", "/api/profile", "access_token"),
        ("GET", "/api/data", "access_token"),
        ("GET", USERS, "access_token"),
        ("POST", "/api/auth/logout", "access_token"),
        ("POST", "/api/auth/refresh", "refresh_token"),
    ):
        assert await asked(client, path, said[each], method=method) == GONE, path
    world.clock.move(timedelta(minutes=61))
    expired = (401, {"msg": "Token has expired"})
    assert await asked(client, "/api/profile", said["access_token"]) == expired


async def test_data_are_for_who_brings_our_cookie_or_a_token(world: World) -> None:
    ada = await in_browser(world, ALICE)
    data = (200, {"data": "sensitive information", "user": ALICE})
    client = world.client()
    assert told(await ada.get("/api/data")) == data
    assert await asked(client, "/api/data", await token_of(client)) == data
    assert told(await client.get("/api/data")) == NOT_IN
    assert told(await client.get("/api/data", headers={"Authorization": "Basic YTpi"})) == NOT_IN
    key = (await ada.post("/v1/me/api-keys", json={"name": "x"})).json()["key"]
    assert told(await client.get("/api/data", headers={"X-API-Key": key})) == NOT_IN
    assert list((await asked(ada, "/api/data", "x"))[1]) == ["msg"], "a token is judged alone"
    await ada.post("/v1/logout")
    assert told(await ada.get("/api/data")) == NOT_IN


async def test_administrators_list_people_newest_first(world: World) -> None:
    root, found = await opened(world, ALICE, "admin"), await opened(world, BOB)
    client = world.client()
    token = await token_of(client)
    assert await asked(client, USERS, token) == (
        200,
        [
            {"id": str(found), "username": BOB, "role": "user"},
            {"id": str(root), "username": ALICE, "role": "admin"},
        ],
    )
    assert await asked(client, USERS, await token_of(client, BOB)) == NO_ADMIN
    await world.vestibule.run(lambda unit: grants.revoke(unit, root, "admin"))
    assert await asked(client, USERS, token) == NO_ADMIN, "whatever the token says"


async def test_ids_of_an_older_system_are_numbers_and_delete_whose_they_were(world: World) -> None:
    await opened(world, ALICE, "admin")
    found = await opened(world, BOB)
    async with world.vestibule.unit() as unit:
        await unit.session.execute(
            update(Account).where(Account.id == found).values(external_id="7")
        )
    client = world.client()
    assert (await tokens_of(client, BOB))["user"]["id"] == 7
    token = await token_of(client)
    assert (await asked(client, USERS, token))[1][0]["id"] == 7
    for unknown in (8, "8", "x", "", str(uuid4()), -7, 10**30):
        body = {"user_id": unknown}
        assert await asked(client, USERS, token, method="DELETE", json=body) == GONE, unknown
    answer = await asked(client, USERS, token, method="DELETE", json={"user_id": 7})
    assert answer == (200, {"message": "User deleted"})
    assert await asked(client, USERS, token, method="DELETE", json={"user_id": 7}) == GONE


@pytest.mark.parametrize(
    "former, shown",
    [("0", 0), ("007", "007"), ("9007199254740991", 2**53 - 1), ("9007199254740993", None)],
)
async def test_an_id_that_is_no_exact_number_is_a_text_and_deletes_nobody_else(
    world: World, former: str, shown: object
) -> None:
    shown = shown if shown is not None else former
    await opened(world, ALICE, "admin")
    for name, theirs in ((BOB, former), ("carol", "7"), ("dave", "9007199254740992")):
        found = await opened(world, name)
        async with world.vestibule.unit() as unit:
            await unit.session.execute(
                update(Account).where(Account.id == found).values(external_id=theirs)
            )
    client = world.client()
    assert (await tokens_of(client, BOB))["user"]["id"] == shown
    token = await token_of(client)
    body = {"user_id": shown}
    answer = await asked(client, USERS, token, method="DELETE", json=body)
    assert answer == (200, {"message": "User deleted"})
    left = {each["username"] for each in (await asked(client, USERS, token))[1]}
    assert left == {ALICE, "carol", "dave"}


async def test_administrators_delete_people_by_cookie_or_token_and_nobody_themself(
    world: World,
) -> None:
    root = await in_browser(world, ALICE, "admin")
    bob = await in_browser(world, BOB)
    own, found = await account_id(world), await account_id(world, BOB)
    client = world.client()
    token, theirs = await token_of(client), await token_of(client, BOB)

    async def delete(by: Client, who: UUID, **headers: str) -> tuple[int, Any]:
        body = {"user_id": str(who)}
        return told(await by.request("DELETE", USERS, json=body, headers=headers))

    assert await delete(client, found) == NOT_IN
    assert await delete(bob, own) == NO_ADMIN
    assert await asked(client, USERS, theirs, method="DELETE", json={"user_id": "x"}) == NO_ADMIN
    for origin in ("https://evil.example", "null"):
        status, body = await delete(root, found, Origin=origin)
        assert (status, list(body)) == (403, ["error"]), "the Origin rule"
    silent = world.client()
    silent.cookies = root.cookies
    assert (await delete(silent, found))[0] == 403, "a cookie without an Origin"
    oneself = (403, {"error": "You cannot delete your own account."})
    assert await delete(root, own) == oneself
    body = {"user_id": str(own)}
    assert await asked(client, USERS, token, method="DELETE", json=body) == oneself
    assert told(await bob.get("/api/data"))[0] == 200, "nothing was done"
    assert await delete(root, found) == (200, {"message": "User deleted"})
    assert told(await bob.get("/api/data")) == NOT_IN
    [by] = await world.rows(select(Entry.actor_id).where(Entry.event == "account.erased"))
    assert by == (own,)
    again = await opened(world, "carol")
    body = {"user_id": str(again)}
    answer = await asked(client, USERS, token, method="DELETE", json=body)
    assert answer == (200, {"message": "User deleted"})


async def test_settings_of_the_site_are_kept_by_administrators_alone(world: World) -> None:
    root = await opened(world, ALICE, "admin")
    await opened(world, BOB, "editor")
    client = world.client()
    token, other = await token_of(client), await token_of(client, BOB)
    nothing = (200, {"message": "Settings not set", "settings": {}})
    assert await asked(client, SITE, token) == nothing
    denied = (403, {"error": "Insufficient permissions"})
    assert await asked(client, SITE, other, method="PUT", json={"a": 1}) == denied
    assert await asked(client, SITE, other) == denied
    documents: list[dict[str, Any]] = [
        {"title": "Ångström", "deep": {"list": [1, 2.5, None, True]}},
        {"a" * 4000: "b" * 4000},
        {},
    ]
    for document in documents:  # each replaces the one before
        answer = await asked(client, SITE, token, method="PUT", json=document)
        assert answer == (200, {"message": "Settings updated"})
        shown = (200, {"message": "Settings updated", "settings": document})
        assert await asked(client, SITE, token) == shown
    for large in ({"a": "b" * 8192}, {"a": ["é" * 5000]}):
        status, body = await asked(client, SITE, token, method="PUT", json=large)
        assert (status, list(body)) == (422, ["error"])
    endless = await client.put(SITE, content=b'{"a": 1e999}', headers=JSON | bearer(token))
    assert told(endless)[0] in (400, 422)
    assert await asked(client, SITE, token) == shown
    told_of = await world.rows(select(Entry.actor_id).where(Entry.event == "site_settings.changed"))
    assert told_of == [(root,)] * 3
    await world.vestibule.run(lambda unit: grants.revoke(unit, root, "admin"))
    assert await asked(client, SITE, token, method="PUT", json={"a": 1}) == denied
    with pytest.raises(RoleRequired):  # who is demoted between the guard and the change
        await world.vestibule.run(lambda unit: site_settings.replace(unit, root, {"a": 1}))


async def test_a_limit_of_its_own_counts_log_ins_right_ones_too(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, dialects=NAME, limits="") as world:
        await opened(world)
        body = {"username": ALICE, "password": PASSWORD}
        client, other = world.client(), world.client(address="203.0.113.9")
        for _ in range(10):
            assert (await client.post("/api/auth/login", json=body)).status_code == 200
        answer = await client.post("/api/auth/login", json=body)
        wait = int(answer.headers["Retry-After"])
        words = f"Too many attempts. Try again in {wait} seconds."
        assert told(answer) == (429, {"error": words})
        assert 0 < wait <= 60
        assert (await client.get("/api/data")).status_code == 401, "other routes go on"
        assert (await other.post("/api/auth/login", json=body)).status_code == 200
        events = await world.rows(select(Entry.event).where(Entry.event.like("classic%")))
        assert events == [("classic_log_in.reached",)]
        world.clock.move(timedelta(minutes=1, seconds=1))
        assert (await client.post("/api/auth/login", json=body)).status_code == 200


async def test_limits_of_its_own_count_every_request_by_the_hour_and_the_day(
    database_url: str, tmp_path: Path
) -> None:
    limits = "classic_hour=5/1h, classic_day=8/1d"
    async with World.running(database_url, tmp_path, dialects=NAME, limits=limits) as world:
        client = world.client()

        async def statuses(count: int) -> list[int]:
            paths = ["/api/data", "/api/profile", USERS, SITE]
            answers = [await client.get(paths[each % 4]) for each in range(count)]
            assert all(list(told(each)[1]) == ["error"] for each in answers[-1:])
            return [each.status_code for each in answers]

        assert await statuses(7) == [401] * 5 + [429] * 2
        asking = {"Origin": "http://localhost:8000", "Access-Control-Request-Method": "PUT"}
        assert (await client.options(SITE, headers=asking)).status_code == 200, "no request"
        assert (await client.get("/v1/me")).status_code == 401, "nor is what is not its own"
        world.clock.move(timedelta(hours=1, seconds=1))
        assert await statuses(5) == [401] * 3 + [429] * 2
        world.clock.move(timedelta(days=1))
        assert (await client.get("/api/data")).status_code == 401


def test_its_limits_are_those_of_the_article() -> None:
    settings = Settings.load()
    own = (CLASSIC_LOG_IN, CLASSIC_HOUR, CLASSIC_DAY)
    shown = [str(settings.limit(each)) for each in own]
    assert shown == ["classic_log_in=10/1m", "classic_hour=50/1h", "classic_day=200/1d"]


async def test_too_many_wrong_passwords_for_one_name_are_told_to_wait(
    sqlite_url: str, tmp_path: Path
) -> None:
    limits = "log_in_identifier=2/15m"
    async with World.running(sqlite_url, tmp_path, dialects=NAME, limits=limits) as world:
        client, body = world.client(), {"username": ALICE, "password": "wrong"}
        for _ in range(2):
            assert told(await client.post("/api/auth/login", json=body)) == WRONG
        answer = await client.post("/api/auth/login", json=body)
        assert (answer.status_code, list(answer.json())) == (429, ["error"])
        assert int(answer.headers["Retry-After"]) > 60


async def test_too_many_who_log_in_at_once_are_told_to_come_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    hasher = Held()
    async with World.running(
        sqlite_url, tmp_path, dialects=NAME, hasher=hasher, hash_threads=1
    ) as world:
        world.vestibule.means.passwords.patience = 60
        client, body = world.client(), {"username": ALICE, "password": "wrong"}
        waiting = [
            asyncio.create_task(client.post("/api/auth/login", json=body)) for _ in range(82)
        ]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        hasher.may_go.set()
        await asyncio.gather(*waiting)
    for task in done:
        answer = task.result()
        words = "Too many people are logging in at this moment. Try again."
        assert told(answer) == (503, {"error": words})
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_database_that_is_away_is_told(tmp_path: Path) -> None:
    with server() as own:
        own.create("own")
        database = Database(own.url("own"))
        await migrations.upgrade(database)
        await database.close()
        async with World.running(own.url("own"), tmp_path, dialects=NAME) as world:
            await opened(world, ALICE, "admin")
            root = await in_browser(world, "root", "admin")
            client = world.client()
            said = await tokens_of(client)
            token, refresh = bearer(said["access_token"]), bearer(said["refresh_token"])
            own.stop()
            body = {"username": ALICE, "password": PASSWORD}
            for answer in (
                await client.post("/api/auth/login", json=body),
                await client.get("/api/profile", headers=token),
                await client.post("/api/auth/refresh", headers=refresh),
                await client.post("/api/auth/logout", headers=token),
                await client.put(SITE, headers=token, json={}),
                await root.get("/api/data"),
                await root.request("DELETE", USERS, json={"user_id": 1}),
            ):
                assert told(answer) == (503, {"error": "The service is not available. Try again."})
                assert int(answer.headers["Retry-After"]) > 0
            own.start()
            assert (await client.get("/api/profile", headers=token)).status_code == 200


async def test_another_sites_page_changes_nothing(world: World) -> None:
    await opened(world)
    evil = world.client(Origin="https://evil.example")
    body = {"username": ALICE, "password": PASSWORD}
    for path in ("login", "refresh", "logout", "logout-all"):
        status, said = told(await evil.post(f"/api/auth/{path}", json=body))
        assert (status, list(said)) == (403, ["error"]), path


async def test_pages_of_a_listed_origin_read_the_answers(database_url: str, tmp_path: Path) -> None:
    page = "http://localhost:3000"
    async with World.running(database_url, tmp_path, dialects=NAME, allowed_origins=page) as world:
        client = world.client(Origin=page)
        wanted = {
            "Access-Control-Request-Method": "DELETE",
            "Access-Control-Request-Headers": "authorization",
        }
        answer = await client.options(USERS, headers=wanted)
        assert answer.headers["Access-Control-Allow-Origin"] == page
        assert "DELETE" in answer.headers["Access-Control-Allow-Methods"]
        answer = await client.post("/api/auth/login", json={})
        assert answer.status_code == 400
        assert answer.headers["Access-Control-Allow-Origin"] == page


async def test_a_key_that_was_retired_takes_its_tokens_along(world: World) -> None:
    await opened(world)
    said = await tokens_of(world.client())
    pair = await world.vestibule.run(keyring.signing)
    await world.vestibule.run(lambda unit: keys.retire(unit, pair.kid))
    assert await asked(world.client(), "/api/profile", said["access_token"]) == UNSIGNED


async def test_a_refresh_token_outlives_the_key_that_signed_it(world: World) -> None:
    """As long as the token lasts, and not only as long as an access token."""
    await opened(world)
    refresh = (await tokens_of(world.client()))["refresh_token"]
    for _ in range(2):
        await world.vestibule.run(keys.rotate)
    world.clock.move(timedelta(days=29))
    answer = await asked(world.client(), "/api/auth/refresh", refresh, method="POST")
    assert answer[0] == 200


async def test_lifetimes_are_settings(sqlite_url: str, tmp_path: Path) -> None:
    async with World.running(
        sqlite_url,
        tmp_path,
        dialects=NAME,
        classic_lifetime="PT5M",
        classic_refresh_lifetime="P2D",
    ) as world:
        await opened(world)
        said = await tokens_of(world.client())
        for each, seconds in (("access_token", 300), ("refresh_token", 2 * 24 * 3600)):
            claims = claims_of(said[each])
            assert claims["exp"] - claims["iat"] == seconds
    with pytest.raises(CannotStart, match="VESTIBULE_CLASSIC_LIFETIME"):
        Settings.load(classic_lifetime="PT2H", classic_refresh_lifetime="PT1H").check()


async def test_it_leaves_the_paths_of_pages_free(world: World) -> None:
    claimed = {
        rule.rule
        for rule in world.app.url_map.iter_rules()
        if rule.endpoint.startswith("vestibule_classic")
    }
    assert all(path.startswith("/api/") for path in claimed)
    assert len(claimed) == 8


async def test_on_a_host_of_its_own_it_answers_for_what_is_not_there(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with World.running(sqlite_url, tmp_path, dialects=f"{NAME}@legacy.localhost") as world:
        await opened(world)
        here, there = world.client(), world.client(Host="legacy.localhost:8000")
        assert (await here.get("/api/data")).status_code == 404
        token = await token_of(there)
        assert (await asked(there, "/api/profile", token))[0] == 200
        for path in ("/v1/me", "/docs", "/api/nowhere"):
            status, said = told(await there.get(path))
            assert (status, list(said)) == (404, ["error"]), path


@asynccontextmanager
async def hosting(database_url: str, folder: Path) -> AsyncIterator[Host]:
    app, vestibule = Quart(__name__), made(database_url, folder)
    vestibule.init_app(app)
    app.register_blueprint(classic.blueprint())

    @app.get("/whoami")
    @classic.signed_in
    async def whoami() -> dict[str, Any]:
        account = await current_account()
        assert account is not None
        return {"username": account.username}

    @app.get("/edit")
    @classic.requires("editor")
    async def edit() -> dict[str, Any]:
        return {"edited": True}

    async with Host.serving(app, vestibule) as host:
        person = Person(password=PASSWORD, username=ALICE)
        await vestibule.run(lambda unit: sign_up(unit, person))
        yield host


async def test_a_hosts_route_asks_for_a_token_and_a_role(database_url: str, tmp_path: Path) -> None:
    async with hosting(database_url, tmp_path) as host:
        client = host.client()
        answer = await client.get("/whoami")
        assert told(answer) == (401, {"msg": "Missing Authorization Header"})
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        said = await tokens_of(client)
        token = said["access_token"]
        assert await asked(client, "/whoami", token) == (200, {"username": ALICE})
        assert (await asked(client, "/whoami", said["refresh_token"]))[0] == 422
        denied = (403, {"error": "Insufficient permissions"})
        assert await asked(client, "/edit", token) == denied
        found = await account_id(host)
        await host.vestibule.run(lambda unit: grants.grant(unit, found, "editor"))
        assert await asked(client, "/edit", token) == (200, {"edited": True})


IMPORT = (
    "--roles-from",
    "user_roles(user_id,role_id),roles(id,name)",
    "--column",
    "active=is_active_account",
)
PEOPLE = {ALICE: ("alice123", "admin"), BOB: ("bob456", "user")}


async def test_its_people_move_in_and_speak_with_a_real_server(
    database_url: str, tmp_path: Path, mounted: Mounted
) -> None:
    """The article's people and curl calls, over a database as the original leaves it."""
    old = tmp_path / "tutorial.db"
    with closing(sqlite3.connect(old)) as tutorial:
        tutorial.executescript(
            """
            CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT, email TEXT,
                                password_hash TEXT, created_at TEXT, is_active_account BOOLEAN);
            CREATE TABLE roles (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE user_roles (user_id INTEGER, role_id INTEGER);
            INSERT INTO roles VALUES (1, 'user'), (2, 'editor'), (3, 'admin');
            """
        )
        for number, (name, (word, role)) in enumerate(PEOPLE.items(), start=1):
            hashed = generate_password_hash(word, method="pbkdf2:sha256:1000")
            row = (number, name, f"{name}@example.com", hashed, "2024-05-01 10:00:00", 1)
            tutorial.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)", row)
            roles = (number, 3 if role == "admin" else 1)
            tutorial.execute("INSERT INTO user_roles VALUES (?, ?)", roles)
        tutorial.commit()
    variables = {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_DIALECTS": mounted(NAME)}
    async with serving(tmp_path, **variables) as served:
        moving = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "vestibule", "accounts", "import", f"sqlite:///{old}"),
            *IMPORT,
            cwd=tmp_path,
            env=outside(**variables),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await moving.communicate()
        assert moving.returncode == 0, said.decode()
        async with served.client() as client:
            alice = await tokens_of(client, ALICE, "alice123")
            bob = await tokens_of(client, BOB, "bob456")
            assert alice["user"] == {"id": 1, "username": ALICE, "role": "admin"}
            assert bob["user"] == {"id": 2, "username": BOB, "role": "user"}
            profile = {"id": 1, "username": ALICE, "email": "alice@example.com", "role": "admin"}
            assert await asked(client, "/api/profile", alice["access_token"]) == (200, profile)
            status, body = await asked(
                client, "/api/auth/refresh", alice["refresh_token"], method="POST"
            )
            assert status == 200
            token = body["access_token"]
            assert {each["id"] for each in (await asked(client, USERS, token))[1]} == {1, 2}
            answer = await asked(client, USERS, token, method="DELETE", json={"user_id": 2})
            assert answer == (200, {"message": "User deleted"})
            assert await asked(client, "/api/profile", bob["access_token"]) == GONE
            status, _ = await asked(client, SITE, token, method="PUT", json={"title": "Mine"})
            assert status == 200
            assert (await asked(client, "/api/auth/logout", token, method="POST"))[0] == 200
            refresh = alice["refresh_token"]
            assert await asked(client, "/api/auth/refresh", refresh, method="POST") == REVOKED
