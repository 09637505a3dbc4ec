"""The example apps, run as their page says."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast  # Any: the examples' own names

import httpx
import pytest

from tests.architecture.source import TOP
from vestibule.accounts import queries
from vestibule.roles import grants

Started = Callable[[str], AbstractAsyncContextManager[tuple[Any, httpx.AsyncClient]]]

EXAMPLES = TOP / "examples/dialects"
WORD = "correct horse battery"


def app_of(name: str) -> Any:
    code = compile((EXAMPLES / name).read_text("utf-8"), name, "exec")
    names: dict[str, Any] = {"__name__": "example"}
    exec(code, names)
    return names["app"]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    """Run an example's app, and speak with it."""
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path / "data"))

    @asynccontextmanager
    async def start(name: str) -> AsyncIterator[tuple[Any, httpx.AsyncClient]]:
        async with app_of(name).test_app() as running:
            transport = httpx.ASGITransport(cast(Any, running.app))
            here = "http://localhost:8000"
            async with httpx.AsyncClient(transport=transport, base_url=here) as client:
                yield running.app, client

    return start


async def test_tasks_are_kept_for_the_front_end_of_flask_jwt_extended(
    started: Started,
) -> None:
    async with started("jwt_extended_app.py") as (_, client):
        account = {"username": "ada", "password": WORD}
        assert (await client.post("/v1/accounts", json=account)).status_code == 201
        said = await client.post("/token", json={"email": "ada", "password": WORD})
        client.headers["Authorization"] = f"Bearer {said.json()['access_token']}"
        assert (await client.post("/tasks", json={"text": "Buy tea"})).status_code == 201
        assert (await client.get("/tasks")).json() == {"tasks": ["Buy tea"]}
        refused = await client.delete("/tasks")
        assert refused.status_code == 403
        assert "msg" in refused.json()
        del client.headers["Authorization"]
        answer = await client.get("/tasks")
        assert (answer.status_code, answer.json()) == (
            401,
            {"msg": "Missing Authorization Header"},
        )


async def test_wishes_are_kept_for_the_front_end_of_flask_praetorian(
    monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    monkeypatch.setenv("VESTIBULE_PRAETORIAN_REGISTRATION", "simple")
    async with started("praetorian_app.py") as (_, client):
        account = {"username": "ada", "password": WORD}
        said = await client.post("/api/registration", json=account)
        client.headers["Authorization"] = f"Bearer {said.json()['access_token']}"
        made = await client.post("/api/wishes", content='{"text": "Tea"}')
        assert made.status_code == 201
        assert (await client.get("/api/wishes")).json() == {"wishes": ["Tea"]}
        refused = await client.delete("/api/wishes")
        assert (refused.status_code, refused.json()["error"]) == (403, "MissingRoleError")
        del client.headers["Authorization"]
        answer = await client.get("/api/wishes")
        assert (answer.status_code, answer.json()["error"]) == (401, "MissingToken")


async def test_proxies_are_kept_for_the_front_end_of_open_rank_tracker(
    started: Started,
) -> None:
    async with started("openrank_app.py") as (_, client):
        answer = await client.get("/api/proxies/")
        assert (answer.status_code, list(answer.json())) == (401, ["message"])
        account = {"email": "eve@example.org", "password": WORD}
        assert (await client.post("/api/users/signup/", json=account)).status_code == 200
        made = await client.post("/api/proxies/", json={"domain": "example.org"})
        assert made.status_code == 201
        assert (await client.get("/api/proxies/")).json() == [made.json()]
        assert (await client.get("/api/report/")).status_code == 403
        own = f"/api/proxies/{made.json()['id']}/"
        client.cookies.clear()
        other = account | {"email": "bob@example.org"}
        assert (await client.post("/api/users/signup/", json=other)).status_code == 200
        assert (await client.delete(own)).status_code == 403
        client.cookies.clear()
        assert (await client.post("/api/users/login/", json=account)).status_code == 200
        answer = await client.delete(own)
        assert (answer.status_code, answer.text) == (200, "")


async def test_posts_are_kept_for_the_front_end_of_doubledibz(
    started: Started,
) -> None:
    async with started("doubledibz_app.py") as (_, client):
        csrf = {"X-CSRFToken": (await client.get("/api/helloworld/csrf")).text}
        person = {"user_name": "cleo", "first_name": "Cleo", "last_name": "Doe"}
        person |= {"email": "cleo@example.test", "password": WORD, "confirm": WORD}
        made = await client.post("/api/auth/signup", data=person, headers=csrf)
        assert made.status_code == 200
        assert (await client.post("/api/posts", data={"text": "Tea"})).status_code == 400
        made = await client.post("/api/posts", data={"text": "Tea"}, headers=csrf)
        assert made.status_code == 200
        assert (await client.get("/api/posts")).json()["data"] == ["Tea"]
        refused = await client.delete("/api/posts", headers=csrf)
        assert (refused.status_code, refused.json()["errors"]["type"]) == (403, "Forbidden")
        client.cookies.delete("vestibule_doubledibz")
        answer = await client.get("/api/posts")
        assert answer.json()["errors"]["message"] == "You're not authorized!"


async def test_notices_are_kept_for_clients_of_the_complete_tutorial(
    started: Started,
) -> None:
    async with started("classic_app.py") as (app, client):
        account = {"username": "ada", "password": WORD}
        assert (await client.post("/v1/accounts", json=account)).status_code == 201
        said = (await client.post("/api/auth/login", json=account)).json()
        answer = await client.get("/api/notices")
        assert (answer.status_code, list(answer.json())) == (401, ["msg"])
        client.headers["Authorization"] = f"Bearer {said['access_token']}"
        notice = {"text": "Closed on Monday"}
        answer = await client.post("/api/notices", json=notice)
        assert (answer.status_code, list(answer.json())) == (403, ["error"])
        vestibule = app.extensions["vestibule"]
        ada = await vestibule.run(lambda unit: queries.by_identifier(unit, "ada"))
        await vestibule.run(lambda unit: grants.grant(unit, ada.id, "editor"))
        assert (await client.post("/api/notices", json=notice)).status_code == 201
        answer = await client.get("/api/notices")
        assert answer.json() == {"notices": [notice | {"by": "ada"}]}
