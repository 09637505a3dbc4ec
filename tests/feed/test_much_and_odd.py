"""Much at once, odd requests, and what processes remember of each other's changes."""

import asyncio
import gc
import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, insert, select, update

from tests.feed.conftest import A_SECOND, elsewhere, listening
from tests.feed.test_gate import asked
from tests.world import PASSWORD, World
from vestibule import pruning
from vestibule.accounts import closing
from vestibule.accounts.models import Account
from vestibule.api_keys.models import ApiKey
from vestibule.kernel.errors import RoleUnknown
from vestibule.kernel.ids import uuid7
from vestibule.kernel.memory import Fact
from vestibule.roles import grants
from vestibule.roles.models import Grant, Role
from vestibule.tokens import keys
from vestibule.web.access import current_account


async def account_of(world: World) -> Any:
    return (await world.rows(select(Account.id)))[0][0]


async def test_who_made_many_keys_may_change_the_password(
    postgres_url: str, tmp_path: Path
) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        ada = await world.member()
        owner = await account_of(world)
        async with (
            world.vestibule.unit() as unit
        ):  # 20 an hour may be made; expired ones stay for 30 days
            await unit.session.execute(
                insert(ApiKey),
                [
                    {
                        "id": uuid7(),
                        "account_id": owner,
                        "name": "ci",
                        "digest": secrets.token_bytes(32),
                        "scopes": [],
                        "created_at": unit.now - timedelta(days=3),
                        "expires_at": unit.now - timedelta(days=2),
                    }
                    for _ in range(400)
                ],
            )
        await ada.forget()
        token = (await world.mails("ada@example.org"))[-1].token
        assert (await world.browser().reset(token=token)).status_code == 204


async def test_many_accounts_are_erased(postgres_url: str, tmp_path: Path) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        async with world.vestibule.unit() as unit:
            ids = [uuid7() for _ in range(400)]
            await unit.session.execute(
                insert(Account),
                [
                    {
                        "id": i,
                        "username": f"u{i.hex}",
                        "username_key": f"u{i.hex}",
                        "profile": {},
                        "state": "closing",
                        "closes_at": unit.now - timedelta(days=1),
                        "created_at": unit.now,
                        "updated_at": unit.now,
                    }
                    for i in ids
                ],
            )
        await world.vestibule.run(partial(closing.erase, most=pruning.BATCH))
        assert await world.rows(select(func.count()).select_from(Account)) == [(0,)]


async def test_many_sessions_in_a_minute(postgres_url: str, tmp_path: Path) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        await listening(world)
        ada = await world.member()
        world.clock.move(timedelta(minutes=2))
        assert (await ada.get("/v1/me")).status_code == 200
        world.vestibule.means.touched.update(uuid7() for _ in range(32_767))
        await world.vestibule.write_touches()
        assert len(world.vestibule.means.touched) == 0
        assert (await ada.get("/v1/me/sessions")).status_code == 200
        await world.vestibule.write_touches()
        world.clock.move(timedelta(hours=30))
        assert (await ada.get("/v1/me")).status_code == 401


@pytest.mark.parametrize("name", ["assistant admin", "assistant,admin"])
async def test_a_role_is_one_role(postgres_url: str, tmp_path: Path, name: str) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        ada = await world.member()
        owner = await account_of(world)
        async with world.vestibule.unit() as unit:
            await unit.session.execute(insert(Role).values(name=name, description=""))
        with pytest.raises(RoleUnknown):
            await world.vestibule.run(lambda unit: grants.grant(unit, owner, name))
        async with world.vestibule.unit() as unit:
            values = {"account_id": owner, "role": name, "granted_at": unit.now}
            await unit.session.execute(insert(Grant).values(values))
            unit.forget(Fact.ACCOUNT, owner)
        assert (await asked(ada, "?role=admin")).status_code == 403
        assert "admin" not in (await asked(ada)).headers["X-Auth-Roles"].split(",")


async def test_a_hash_made_anew_is_announced(postgres_url: str, tmp_path: Path) -> None:
    former = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1)
    async with (
        World.running(postgres_url, tmp_path) as here,
        World.running(postgres_url, tmp_path) as there,
    ):
        await asyncio.gather(listening(here), listening(there))
        ada = await here.member()
        async with here.vestibule.unit() as unit:
            await unit.session.execute(update(Account).values(password_hash=former.hash(PASSWORD)))
        for each in (here, there):
            each.vestibule.means.memory.forget_everything()
        phone = elsewhere(ada, there)
        assert (await phone.get("/v1/me")).status_code == 200
        assert (await here.browser().log_in()).status_code == 200  # hashes anew
        await asyncio.sleep(A_SECOND)
        assert (await phone.post("/v1/me/confirm", json={"password": PASSWORD})).status_code == 200


async def test_what_a_host_does_to_its_copy_is_its_own(postgres_url: str, tmp_path: Path) -> None:
    async with World.running(postgres_url, tmp_path) as world:

        @world.app.get("/theme")
        async def theme() -> str:
            account = await current_account()
            assert account is not None
            seen = account.profile["settings"]["theme"]
            account.profile["settings"]["theme"] = "for this answer"
            return str(seen)

        await listening(world)
        ada = await world.member()
        await ada.patch("/v1/me", json={"profile": {"settings": {"theme": "dark"}}})
        await asyncio.sleep(A_SECOND)
        assert [(await ada.get("/theme")).text for _ in range(2)] == ["dark"] * 2


@pytest.mark.parametrize("signs, remembered", [(100, True), (6000, False)])
async def test_a_bulky_profile_is_read_and_not_remembered(
    postgres_url: str, tmp_path: Path, signs: int, *, remembered: bool
) -> None:
    async with World.running(postgres_url, tmp_path, scopes="notes=user") as world:
        await listening(world)
        ada = await world.member()
        made = await ada.post("/v1/me/api-keys", json={"name": "ci", "scopes": ["notes"]})
        program = world.client(**{"X-API-Key": made.json()["key"]})
        profile = {"note": "x" * signs}
        assert (await ada.patch("/v1/me", json={"profile": profile})).status_code == 200
        await asyncio.sleep(A_SECOND)
        memory, owner = world.vestibule.means.memory, await account_of(world)
        for client in ada, program:
            memory.forget_everything()
            for _ in range(2):
                assert (await client.get("/v1/me")).json()["profile"] == profile
                assert (await client.get("/v1/verify")).status_code == 200
            assert (memory.accounts.get(owner) is not None) is remembered


ODD: dict[str, Callable[[bytes], tuple[bytes, bytes]]] = {
    "a blank before =": lambda secret: (b"localhost", b"vestibule =x; vestibule=" + secret),
    "no =": lambda secret: (b"localhost", b"vestibule; vestibule=" + secret),
    "VT": lambda secret: (b"localhost", b"\x0bvestibule=" + secret),
    "FF": lambda secret: (b"localhost", b"vestibule=" + secret + b"\x0c"),
    "host @": lambda secret: (b"localhost:8000@evil.example", b"vestibule=" + secret),
    "host port": lambda secret: (b"localhost:evil", b"vestibule=" + secret),
    "host path": lambda secret: (b"localhost:80/evil", b"vestibule=" + secret),
}


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/me"])
@pytest.mark.parametrize("how", ODD)
async def test_before_quart_as_in_it(
    postgres_url: str, tmp_path: Path, how: str, path: str
) -> None:
    async with World.running(postgres_url, tmp_path) as world:
        await listening(world)
        ada = await world.member()
        host, cookie = ODD[how](ada.cookies["vestibule"].encode())

        async def status() -> int:
            said: list[int] = []
            bodies = [{"type": "http.request", "body": b"", "more_body": False}]

            async def receive() -> Any:
                if bodies:
                    return bodies.pop()
                return await asyncio.Event().wait()

            async def send(message: Any) -> None:
                said.extend([message["status"]] if "status" in message else [])

            scope: Any = {
                "type": "http",
                "asgi": {"version": "3.0"},
                "http_version": "1.1",
                "method": "GET",
                "scheme": "http",
                "path": path,
                "raw_path": path.encode(),
                "query_string": b"",
                "root_path": "",
                "headers": [(b"host", host), (b"cookie", cookie)],
                "client": ("127.0.0.1", 5),
                "server": ("localhost", 8000),
                "extensions": {},
            }
            await world.app.asgi_app(scope, receive, send)
            return said[0]

        await ada.get("/v1/me")
        remembered = await status()
        world.vestibule.means.memory.forget_everything()
        assert remembered == await status()


async def test_two_credentials_are_none(world: World) -> None:
    await world.member()
    token = (await world.client().log_in(deliver="tokens")).json()["access_token"]
    two = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer another")]
    assert (await world.client().get("/v1/me", headers=two)).status_code == 401


async def test_a_page_of_a_listed_origin_reads_every_answer_of_the_gate(
    postgres_url: str, tmp_path: Path
) -> None:
    page = "https://app.example.test"
    async with World.running(postgres_url, tmp_path, allowed_origins=page) as world:
        await listening(world)
        ada = await world.member()
        for _ in range(3):
            answer = await ada.get("/v1/verify", headers={"Origin": page})
            assert answer.headers["Access-Control-Allow-Origin"] == page
        assert (
            await world.client(Cookie=f"vestibule={ada.cookies['vestibule']}").get("/v1/verify")
        ).headers["Vary"] == "Origin"


async def test_who_is_forgotten_is_held_by_nobody(postgres_url: str, tmp_path: Path) -> None:
    """What was answered of somebody does not keep what was read of them, once for each session."""
    async with World.running(postgres_url, tmp_path) as world:
        await listening(world)
        await world.member()
        browsers = [world.browser() for _ in range(12)]
        for each in browsers:
            assert (await each.log_in()).status_code == 200
            for path in ("/v1/verify", "/v1/me") * 2:
                assert (await each.get(path)).status_code == 200
        world.vestibule.means.memory.forget_everything()
        gc.collect()
        held = [each for each in gc.get_objects() if type(each) is Account]
        assert len(held) < 6


@pytest.mark.parametrize("dialect", ["jwt_extended", "praetorian"])
async def test_a_dialects_tokens_outlive_the_rotation_of_their_key(
    sqlite_url: str, tmp_path: Path, dialect: str
) -> None:
    async with World.running(sqlite_url, tmp_path, dialects=dialect) as world:
        await world.member()
        client = world.client()
        where, who, path = {
            "jwt_extended": ("/token", "email", "/profile"),
            "praetorian": ("/api/login", "username", "/api/protected"),
        }[dialect]
        body = {who: "ada@example.org", "password": PASSWORD}
        token = (await client.post(where, json=body)).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        await world.vestibule.run(keys.rotate)
        world.clock.move(timedelta(minutes=12))
        assert (await client.get(path, headers=bearer)).status_code == 200
