"""The examples: each framework in front of the same four routes, against a real service."""

import asyncio
import importlib.util
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast  # Any: an example's app, ASGI

import httpx
import pytest

from tests.processes import Served, outside, serving
from tests.verify.issuer import Issuer
from tests.world import PASSWORD
from vestibule.verify import Verifier
from vestibule.verify.starlette import Guard

EXAMPLES = Path(__file__).parents[2] / "examples/verifying"
FRAMEWORKS = ("flask", "quart", "fastapi", "starlette")


@pytest.fixture(scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    async with serving(tmp_path_factory.mktemp("served")) as running:
        await running.open_account("ada", PASSWORD)
        yield running


@pytest.fixture(params=FRAMEWORKS)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def load(framework: str, issuer: str, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """The example's app, verifying the tokens of `issuer`, and a client of it."""
    monkeypatch.setenv("ISSUER", issuer)
    path = EXAMPLES / f"{framework}_app.py"
    spec = importlib.util.spec_from_file_location(f"example_{framework}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    app: Any = module.app
    transport = Blocking(app) if framework == "flask" else httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://shop.test")


class Blocking(httpx.AsyncBaseTransport):
    """A WSGI app, in threads as its server would run it."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.WSGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        def ask() -> httpx.Response:
            plain = httpx.Request(request.method, request.url, headers=request.headers)
            answer = self._inner.handle_request(plain)
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.read())

        return await asyncio.to_thread(ask)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def challenge(answer: httpx.Response) -> tuple[int, str | None]:
    told = answer.headers.get("WWW-Authenticate")
    assert told is None or told.startswith('Bearer realm="http://')
    error = re.search(r'", error="(\w+)"$', told or "")
    return answer.status_code, error and error[1]


async def test_an_example_lets_in_who_logged_in_at_the_service(
    framework: str, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served.client() as ada, load(framework, served.base_url, monkeypatch) as shop:
        body = {"identifier": "ada", "password": PASSWORD, "deliver": "tokens"}
        said = (await ada.post("/v1/login", json=body)).json()
        mine = bearer(said["access_token"])
        orders = await shop.get("/orders", headers=mine)
        assert orders.json() == {"orders_of": said["account"]["id"]}
        assert challenge(await shop.get("/orders")) == (401, None)
        assert challenge(await shop.get("/orders", headers=bearer("x"))) == (401, "invalid_token")
        reviewed = await shop.post("/reviews", headers=mine)
        assert challenge(reviewed) == (403, "insufficient_scope")
        refused = await shop.delete("/orders", headers=mine)
        assert challenge(refused) == (403, "insufficient_scope")
        await ada.post("/v1/logout", headers=mine)
        assert (await ada.get("/v1/me", headers=mine)).status_code == 401
        assert (await shop.get("/orders", headers=mine)).status_code == 200, "as the page says"


async def test_an_example_asks_for_roles_and_a_proved_address(
    framework: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = issuer.key()
    user = bearer(issuer.token(key))
    editor = bearer(issuer.token(key, roles=["user", "editor"]))
    admin = bearer(issuer.token(key, roles=["admin"]))
    proved = bearer(issuer.token(key, email_verified=True))
    async with load(framework, issuer.url, monkeypatch) as shop:
        assert (await shop.post("/reviews", headers=proved)).json() == {"written": True}
        assert (await shop.post("/reviews", headers=user)).status_code == 403
        assert (await shop.get("/reports", headers=user)).status_code == 403
        for who, roles in ((editor, ["editor", "user"]), (admin, ["admin"])):
            assert (await shop.get("/reports", headers=who)).json() == {"roles": roles}
        assert (await shop.delete("/orders", headers=admin)).json() == {"removed": True}
        answer = await shop.delete("/orders", headers=editor)
        assert challenge(answer) == (403, "insufficient_scope")
        assert answer.headers["Cache-Control"] == "no-store"
        if framework != "fastapi":  # whose own form of errors stays
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.json()["code"] == "role_required"
        if framework != "flask":  # WSGI has room for one header of a name
            two = [("Authorization", user["Authorization"])] * 2
            assert challenge(await shop.get("/orders", headers=two)) == (401, "invalid_token")
    assert issuer.asked == 1


async def test_an_example_says_so_while_nobody_can_know(
    framework: str, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.status = 500
    async with load(framework, issuer.url, monkeypatch) as shop:
        answer = await shop.get("/orders", headers=bearer(issuer.token(issuer.key())))
        assert challenge(answer) == (503, None)
        assert int(answer.headers["Retry-After"]) > 0
        assert challenge(await shop.get("/orders")) == (401, None)


def test_the_app_of_the_page_on_tokens_knows_strangers(issuer: Issuer) -> None:
    page = (EXAMPLES.parents[1] / "docs/tokens.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [block] = [each for each in blocks if "import Flask" in each]
    names: dict[str, Any] = {"__name__": "shop"}
    exec(compile(block.replace("https://auth.example.com", issuer.url), "tokens.md", "exec"), names)
    shop = names["app"].test_client()
    key = issuer.key()
    ada = bearer(issuer.token(key, roles=["admin"]))
    grace = bearer(issuer.token(key, roles=["admin"], email_verified=True))
    assert shop.get("/orders").status_code == 401
    assert shop.get("/orders", headers=ada).status_code == 200
    assert shop.delete("/orders", headers=ada).status_code == 403
    assert shop.delete("/orders", headers=grace).json == {"removed": True}


async def test_the_page_of_the_examples_works_as_it_stands(served: Served, tmp_path: Path) -> None:
    page = (EXAMPLES / "README.md").read_text("utf-8")
    [(bound, app)] = re.findall(r"hypercorn --bind (localhost:8001) (\S+)", page)
    [typed] = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        here = f"localhost:{taken.getsockname()[1]}"
    with (tmp_path / "said").open("wb") as said:
        shop = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hypercorn", "--bind", here, app),
            cwd=tmp_path,
            env=outside(ISSUER=served.base_url, PYTHONPATH=str(EXAMPLES)),
            stderr=said,
        )
    try:
        async with asyncio.timeout(30):
            while b"Running on" not in (tmp_path / "said").read_bytes():
                await asyncio.sleep(0.05)
        script = typed.replace(bound, here).replace("http://localhost:8000", served.base_url)
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script.replace("ada", "grace")),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        answered = (await asyncio.wait_for(shell.communicate(), 30))[0].decode()
        assert re.findall(r"^\d{3}$", answered, re.MULTILINE) == ["200", "403", "401"], answered
        assert "orders_of" in answered
    finally:
        shop.terminate()
        await shop.wait()


async def test_no_stranger_opens_a_websocket_behind_starlettes_guard(issuer: Issuer) -> None:
    opened, sent = [], []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        opened.append(scope["state"]["caller"].roles)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    layer = Guard(Verifier(issuer.url)).middleware()
    gate = layer.cls(cast(Any, app), *layer.args, **layer.kwargs)
    token = issuer.token(issuer.key()).encode()
    for headers in ([], [(b"authorization", b"Bearer " + token)]):
        await gate({"type": "websocket", "headers": headers}, cast(Any, None), send)
    assert (opened, sent) == ([{"user"}], ["websocket.close"])


def test_it_imports_nothing_of_the_service() -> None:
    code = "import sys, vestibule.verify; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(ran.stdout.split())
    ours = {each.removeprefix("vestibule.") for each in imported if "vestibule." in each}
    assert {each for each in ours if not each.startswith("kernel.errors.")} == {
        *("kernel", "kernel.client", "kernel.clock", "kernel.errors"),
        *("tokens", "tokens.checks"),
        *("verify", "verify.keys", "verify.refusals", "verify.verifier"),
    }
    heavy = {"quart", "sqlalchemy", "pydantic", "werkzeug", "flask", "starlette", "hypercorn"}
    assert imported.isdisjoint(heavy)
    assert {"joserfc", "httpx"} <= imported
