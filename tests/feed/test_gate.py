"""What a reverse proxy is told of who asks."""

import asyncio
from pathlib import Path
from typing import Any  # Any: settings

import httpx
import pytest

from tests.faults.test_database import behind_a_proxy
from tests.feed.conftest import A_SECOND, Two, listening
from tests.feed.test_feed import program, statements
from tests.postgres import Server
from tests.test_cli import PRODUCTION
from tests.world import Client, World
from vestibule.accounts import queries, state
from vestibule.roles import grants

SCOPES = "notes:read=user, notes:write=user"
NAMES = ("account", "email", "roles", "scopes", "session")


async def asked(client: Client, query: str = "", **headers: str) -> httpx.Response:
    return await client.get(f"/v1/verify{query}", headers=headers)


def told(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {name: answer.headers[f"X-Auth-{name.title()}"] for name in NAMES}


def at_the_gate(world: World) -> float:
    """How many were let in before Quart, which counts requests and times them."""

    def number(name: str, **labels: str) -> float:
        of_the_route = {"method": "GET", "route": "/v1/verify"} | labels
        registry = world.vestibule.means.metrics.registry
        return registry.get_sample_value(name, of_the_route) or 0

    counted = number("vestibule_requests_total", status="2xx")
    return counted - number("vestibule_request_seconds_count")


async def key_of(ada: Client, *scopes: str) -> str:
    made = await ada.post("/v1/me/api-keys", json={"name": "nightly", "scopes": list(scopes)})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def test_who_is_signed_in_is_told_by_cookie_token_and_key(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, scopes=SCOPES) as world:
        ada = await world.member()
        bearer = await program(ada, world)
        key = world.client(**{"X-API-Key": await key_of(ada, "notes:read")})
        account = (await ada.get("/v1/me")).json()
        [cookies, tokens] = [
            each["id"] for each in reversed((await ada.get("/v1/me/sessions")).json()["sessions"])
        ]
        shown = {"account": account["id"], "email": "ada@example.org", "roles": "user"}
        for client, more in (
            (ada, {"session": cookies, "scopes": ""}),
            (bearer, {"session": tokens, "scopes": ""}),
            (key, {"session": "", "scopes": "notes:read", "roles": ""}),
        ):
            for _ in range(2):
                answer = await asked(client)
                assert told(answer) == shown | more
                assert answer.content == b""
                assert answer.headers["Cache-Control"] == "no-store"
                assert "Set-Cookie" not in answer.headers


async def test_who_is_remembered_passes_without_the_database_and_before_quart(two: Two) -> None:
    world = two.here
    ada = await world.member()
    key = world.client(**{"X-API-Key": await key_of(ada)})
    assert told(await asked(key)) == told(await asked(key))
    assert at_the_gate(world) == 1
    bearer = await program(ada, world)
    for client in (ada, bearer):
        world.vestibule.means.memory.forget_everything()
        before = at_the_gate(world)
        first = await asked(client)
        assert at_the_gate(world) == before
        with statements(world) as said:
            again = [await asked(client), await asked(client, "?role=user")]
        assert said == []
        assert at_the_gate(world) == before + 2
        assert all(set(first.headers) - set(each.headers) <= {"content-type"} for each in again)
        assert len({each.headers["X-Request-Id"] for each in (first, *again)}) == 3
        assert [told(each) for each in again] == [told(first)] * 2


async def test_strangers_and_those_who_left_are_refused(world: World) -> None:
    ada, bob = await world.member(), await world.member("bob@example.org")
    for each in (ada, bob):
        assert (await asked(each)).status_code == (await asked(each)).status_code == 200
    copied = world.client()
    copied.cookies.update(ada.cookies)
    await ada.post("/v1/logout")
    account = (await bob.get("/v1/me")).json()["id"]
    async with world.vestibule.unit() as unit:
        found = await queries.by_identifier(unit, "bob@example.org")
        assert found is not None
        assert str(found.id) == account
        await state.disable(unit, found.id)
    for client in (world.client(), copied, bob):
        refused = await asked(client)
        assert refused.status_code == 401
        assert not [name for name in refused.headers if name.startswith("x-auth")]
        assert refused.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_change_is_told_at_once_here(world: World) -> None:
    if not world.vestibule.means.database.is_sqlite:
        await listening(world)
    ada = await world.member()
    assert [told(await asked(ada))["roles"] for _ in range(3)] == ["user"] * 3
    assert (await asked(ada, "?role=editor")).status_code == 403
    async with world.vestibule.unit() as unit:
        found = await queries.by_identifier(unit, "ada@example.org")
        assert found is not None
        await grants.grant(unit, found.id, "editor", by=None)
    assert [told(await asked(ada))["roles"] for _ in range(3)] == ["editor,user"] * 3
    assert (await asked(ada, "?role=editor")).status_code == 200


async def test_what_a_client_says_of_itself_is_not_told(two: Two) -> None:
    ada = await two.here.member()
    lies = {f"X-Auth-{name.title()}": "lie" for name in NAMES}
    for _ in range(2):
        assert "lie" not in told(await asked(ada, **lies)).values()
    assert (await asked(two.here.client(), **lies)).status_code == 401


@pytest.mark.parametrize(
    "query,status",
    [
        ("?role=user", 200),
        ("?role=admin", 403),
        ("?role=use", 403),
        ("?role=user,admin", 403),
        ("?role=us%65r", 200),
        ("?role=", 422),
        ("?roles=admin", 422),
        ("?role=user&x=1", 422),
        ("?x=1&role=user", 422),
        ("?scope=notes:read", 403),
        ("?role=user&scope=notes:read", 403),
    ],
)
async def test_a_condition_is_met_or_refused_and_never_passed_over(
    two: Two, query: str, status: int
) -> None:
    ada = await two.here.member()
    assert [(await asked(ada, query)).status_code for _ in range(2)] == [status] * 2
    assert (await asked(two.here.client(), query)).status_code in (401, 422)


async def test_keys_have_scopes_and_no_roles(postgres_url: str, tmp_path: Path) -> None:
    async with World.running(postgres_url, tmp_path, scopes=SCOPES) as world:
        key = world.client(**{"X-API-Key": await key_of(await world.member(), "notes:read")})
        for query, status in (
            ("", 200),
            ("?scope=notes:read", 200),
            ("?scope=notes:write", 403),
            ("?role=user", 403),
        ):
            assert [(await asked(key, query)).status_code for _ in range(2)] == [status] * 2


async def test_an_address_that_is_not_proved_is_not_told(postgres_url: str, tmp_path: Path) -> None:
    async with World.running(postgres_url, tmp_path, login_before_proof=True) as world:
        await listening(world)
        ada = world.browser()
        await ada.sign_up()
        assert (await ada.log_in()).status_code == 200
        for _ in range(2):
            assert told(await asked(ada))["email"] == ""


async def test_nobody_is_known_before_quart_whom_the_service_would_not_know(two: Two) -> None:
    """However credentials are written, doubled and mixed; with a query Quart is asked."""
    world = two.here
    ada = await world.member()
    cookie = f"vestibule={ada.cookies['vestibule']}"
    bearer = (await program(ada, world)).headers["Authorization"]
    token = bearer.partition(" ")[2]
    stranger = world.client()
    for headers in (
        [("Cookie", cookie)],
        [("Cookie", f"a=b;{cookie};c=d")],
        [("Cookie", "a=b"), ("Cookie", cookie)],
        [("Cookie", f"x{cookie}")],
        [("Cookie", f"vestibule=x; {cookie}")],
        [("Cookie", f"{cookie}; vestibule=x")],
        [("Cookie", f"{cookie}x")],
        [("Cookie", cookie.upper())],
        [("Cookie", "vestibule=\xff")],
        [("Authorization", bearer)],
        [("Authorization", f"bearer   {token} ")],
        [("Authorization", f"Bearer{token}")],
        [("Authorization", f"Bearer\t{token}")],
        [("Authorization", f"Token {token}")],
        [("Authorization", token)],
        [("Authorization", f"{bearer}x")],
        [("Authorization", f"{bearer[:-9]}{bearer[-9:].swapcase()}")],
        [("Authorization", "Bearer x"), ("Cookie", cookie)],
        [("Authorization", "Bearer"), ("Cookie", cookie)],
        [("Authorization", "Basic eDp5"), ("Cookie", cookie)],
        [("Authorization", bearer), ("Authorization", "Bearer x")],
        [("Authorization", "Bearer x"), ("Authorization", bearer)],
        [("Authorization", bearer), ("Cookie", "vestibule=x")],
        [("X-API-Key", "vst_x"), ("Cookie", cookie)],
        [("X-API-Key", "vst_x"), ("Authorization", bearer)],
    ):
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        paths = ("/v1/me?slowly", "/v1/me", "/v1/verify")
        met = [(await stranger.get(path, headers=raw)).status_code for path in paths]
        assert met == met[:1] * 3, headers


@pytest.mark.parametrize(
    "headers,status",
    [
        ({"Host": "auth.example.test"}, 200),
        ({"Host": "auth.example.test:443"}, 200),
        ({"Host": "evil.test"}, 421),
        ({"Host": "auth.example.test.evil.test"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "auth.example.test", "X-Forwarded-Proto": "https"}, 200),
        ({"Host": "auth.example.test", "X-Forwarded-Proto": "http"}, 308),
    ],
)
async def test_other_names_and_what_came_in_clear_are_not_let_in(
    postgres_url: str, tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    settings: dict[str, Any] = {
        name.removeprefix("VESTIBULE_").lower(): value for name, value in PRODUCTION.items()
    }
    settings["trusted_proxies"] = "127.0.0.1"
    async with World.running(postgres_url, tmp_path, **settings) as world:
        await listening(world)
        client = world.browser()
        body = {"username": "ada", "password": "correct horse battery staple"}
        assert (await client.post("/v1/accounts", json=body)).status_code == 201
        tokens = (await client.log_in("ada", deliver="tokens")).json()
        bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
        for _ in range(2):
            assert (await client.get("/v1/me", headers=bearer)).status_code == 200
        assert (await asked(client, **bearer | headers)).status_code == status
        assert (await client.get("/v1/me", headers=bearer | headers)).status_code == status


async def test_without_the_database_nobody_is_called_a_stranger(
    postgres: Server, postgres_url: str, tmp_path: Path
) -> None:
    async with behind_a_proxy(postgres, postgres_url, tmp_path) as (world, front):
        ada = await world.member()
        await listening(world)
        assert (await asked(ada)).status_code == 200
        front.refuse()
        await asyncio.sleep(A_SECOND)
        refused = await asked(ada)
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) > 0


async def test_nobody_reads_a_body(two: Two) -> None:
    ada = await two.here.member()
    for _ in range(2):
        answer = await ada.request("GET", "/v1/verify", content=b"x" * 1_000_000)
        assert answer.status_code == 200
    assert (await ada.post("/v1/verify")).status_code == 405
