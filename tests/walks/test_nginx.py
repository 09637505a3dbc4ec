"""An app behind nginx and the gate, by the configuration that `docs/operating/` shows."""

import asyncio
import json
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.processes import Served, serving
from tests.test_cli import Shell
from tests.world import PASSWORD

EXAMPLES = Path(__file__).parents[2] / "docs/operating"
HOST = "auth.example.com"
AROUND = """
daemon off; master_process off; pid nginx.pid; error_log stderr; events {}
http {
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    include example.conf;
}
"""


@dataclass(frozen=True)
class House:
    """The service, an app that tells what it was asked, and nginx in front of both."""

    served: Served
    asked: list[str]
    nginx: httpx.AsyncClient
    shell: Shell

    async def enter(self, *, deliver: str) -> dict[str, str]:
        said = {"identifier": "ada", "password": PASSWORD, "deliver": deliver}
        async with self.served.client() as client:
            answer = await client.post("/v1/login", json=said)
        if deliver == "tokens":
            return {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return {"Cookie": f"vestibule={answer.cookies['vestibule']}"}


def program() -> str:
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/opt/homebrew/bin")
    assert found, "install nginx (Debian: apt-get install nginx-light); .ci/services does it"
    return found


def configuration(*, port: int, service: int, app: int) -> str:
    """Both examples put together, on ports of ours and without TLS."""
    text = (EXAMPLES / "nginx.conf").read_text()
    redirecting = text.index("server {", text.index("upstream"))
    serving = text.index("server {", redirecting + 1)
    text = text[:redirecting] + text[serving:]
    text = re.sub(r"(?m)^ *(ssl_|access_log).*\n", "", text)
    gate = (EXAMPLES / "nginx-gate.conf").read_text()
    text = text.replace("    location / {", f"{gate}\n    location / {{")
    for written, ours in (
        ("listen 443 ssl http2", f"listen 127.0.0.1:{port}"),
        ("127.0.0.1:8000", f"127.0.0.1:{service}"),
        ("127.0.0.1:3000", f"127.0.0.1:{app}"),
    ):
        assert written in text
        text = text.replace(written, ours)
    return text


@asynccontextmanager
async def an_app(asked: list[str]) -> AsyncIterator[int]:
    """An app that answers with the headers that it got, and its body."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().splitlines()
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        asked.append(first)
        shown = json.dumps(headers | {"body": body.decode()}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(shown) + shown)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def nginx(folder: Path, *, service: int, app: int) -> AsyncIterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(AROUND)
    (folder / "example.conf").write_text(configuration(port=port, service=service, app=app))
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program(), "-e", "stderr", "-p", str(folder), "-c", "nginx.conf"), stderr=log
        )
    try:
        async with asyncio.timeout(20):
            while True:
                assert process.returncode is None, (folder / "log").read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def house(postgres_url: str, tmp_path: Path) -> AsyncIterator[House]:
    variables = {
        "VESTIBULE_DATABASE_URL": postgres_url,
        "VESTIBULE_ALLOWED_HOSTS": f"127.0.0.1,{HOST}",
    }
    asked: list[str] = []
    async with (
        serving(tmp_path, **variables) as served,
        an_app(asked) as app,
        nginx(tmp_path, service=int(served.base_url.rpartition(":")[2]), app=app) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Host": HOST}, timeout=60
        ) as client,
    ):
        await served.open_account("ada", PASSWORD)
        yield House(
            served, asked, client, Shell(**variables, VESTIBULE_DATA_DIR=f"{tmp_path}/data")
        )


async def test_an_app_behind_nginx_is_told_who_asks_and_strangers_never_reach_it(
    house: House,
) -> None:
    lies = {f"X-Auth-{name}": "lie" for name in ("Account", "Email", "Roles", "Scopes", "Session")}
    for credentials in ({}, {"Authorization": "Bearer x"}, {"Cookie": "vestibule=x"}):
        answer = await house.nginx.get("/reports/", headers=credentials | lies)
        assert answer.status_code == 401
    assert house.asked == []
    cookie, bearer = [await house.enter(deliver=each) for each in ("cookie", "tokens")]
    for credentials in (cookie, bearer):
        for _ in range(3):
            answer = await house.nginx.post(
                "/reports/?role=x&page=2", headers=credentials | lies, content=b"x" * 50_000
            )
            assert answer.status_code == 200, answer.text
            told = answer.json()
            assert told["x-auth-roles"] == "user"
            assert len(told["x-auth-account"]) == len(told["x-auth-session"]) == 36
            assert "x-auth-email" not in told
            assert "x-auth-scopes" not in told
            assert len(told["body"]) == 50_000
    assert (await house.nginx.get("/reports/admin/", headers=cookie | lies)).status_code == 403
    await asyncio.to_thread(house.shell.works, "accounts", "grant", "ada", "admin")
    await asyncio.sleep(1)
    answer = await house.nginx.get("/reports/admin/", headers=cookie | lies)
    assert answer.json()["x-auth-roles"] == "admin,user"
    me = await house.nginx.get("/v1/me", headers=cookie)
    assert me.json()["username"] == "ada", "the service itself is reached as before"
    seen = len(house.asked)
    await house.nginx.post("/v1/logout", headers=bearer)
    assert (await house.nginx.get("/reports/", headers=bearer)).status_code == 401
    await house.served.kill()
    assert (await house.nginx.get("/reports/", headers=cookie)).status_code == 500
    assert len(house.asked) == seen, "nobody passes a gate that is not there"
