"""`vestibule serve` as a process: what a start needs, what a failed one says, how a stop ends."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from tests import stubborn
from tests.postgres import Server
from tests.processes import outside, serving
from tests.world import PASSWORD
from vestibule import server
from vestibule.connections import Connections

PATIENCE = 20
STUBBORN = Path(str(stubborn.__file__))
PRODUCTION = {
    "VESTIBULE_MODE": "production",
    "VESTIBULE_BASE_URL": "https://auth.example.test",
    "VESTIBULE_SECRETS": bytes(range(32)).hex(),
    "VESTIBULE_MAIL_TRANSPORT": "smtp",
    "VESTIBULE_MAIL_FROM": "no-reply@example.test",
    "VESTIBULE_SMTP_HOST": "127.0.0.1",
}


async def failing(folder: Path, *arguments: str, **variables: str) -> list[str]:
    """Start the service, which must refuse, and return the lines that it ends with."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vestibule", "serve", "--port", "0", *arguments),
        cwd=folder,
        env=outside(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, errors = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 1, errors.decode()
    assert said == b"", "nothing is served, so nothing is announced"
    return errors.decode().splitlines()


# --- the start ---


async def test_a_start_from_nothing_makes_its_data_for_its_owner_only(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        async with served.client() as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert (await client.get("/readyz")).status_code == 200
            assert (await client.get("/docs")).status_code == 200
            asked = await client.post(
                "/v1/accounts", json={"email": "a@example.test", "password": "long and odd 7"}
            )
            assert asked.status_code == 202
            await _letters(client)
        data = tmp_path / "data"
        assert data.stat().st_mode & 0o777 == 0o700
        kept = [path for path in data.rglob("*") if path.is_file()]
        assert {path.name for path in kept} >= {"secret", "vestibule.db"}
        assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert "Traceback" not in served.errors.read_text()


async def _letters(client: httpx.AsyncClient) -> list[object]:
    async with asyncio.timeout(PATIENCE):
        while not (
            found := (await client.get("/dev/mailbox", headers={"Accept": "application/json"}))
            .raise_for_status()
            .json()
        ):
            await asyncio.sleep(0.05)
    return list(found)


async def test_the_first_lines_tell_a_newcomer_where_to_go(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        assert served.process.stdout is not None
        lines = [(await served.process.stdout.readline()).decode() for _ in range(4)]
        [link] = [line.split()[-1] for line in lines if "first administrator" in line]
        async with served.client() as client:
            person = {"email": "ada@example.org", "password": PASSWORD}
            assert (await client.post(link, data=person)).status_code == 200
    said = "".join(lines)
    assert f"{served.base_url}/dev/mailbox" in said
    assert f"{served.base_url}/docs" in said
    assert str(tmp_path / "data") in said
    assert "Running on" not in served.errors.read_text()
    async with serving(tmp_path) as served:
        pass
    assert served.process.stdout is not None
    assert "first administrator" not in (await served.process.stdout.read()).decode()


async def test_a_second_start_finds_what_the_first_one_left(tmp_path: Path) -> None:
    for expected in (201, 409):
        async with serving(tmp_path) as served, served.client() as client:
            asked = await client.post(
                "/v1/accounts", json={"username": "ada", "password": "long and odd 7"}
            )
            assert asked.status_code == expected


@pytest.mark.parametrize(
    "headers,refused",
    [
        ({"X-Forwarded-For": "203.0.113.7"}, 404),
        ({"Forwarded": "for=203.0.113.7"}, 404),
        ({"Host": "rebound.example.test"}, 421),
    ],
)
async def test_the_mailbox_is_for_this_machine_only(
    tmp_path: Path, headers: dict[str, str], refused: int
) -> None:
    async with serving(tmp_path) as served, served.client() as client:
        assert (await client.get("/dev/mailbox")).status_code == 200
        assert (await client.get("/dev/mailbox", headers=headers)).status_code == refused


# --- starts that fail ---


async def test_every_bad_setting_is_told_at_once(tmp_path: Path) -> None:
    lines = await failing(
        tmp_path,
        VESTIBULE_MODE="production",
        VESTIBULE_DATABASE_URL="postgresql://ada:hunter2@db.example.test:none/x",
        VESTIBULE_SECRETS="tooshort",
        VESTIBULE_SESSION_IDLE="never",
    )
    told = {line.split(":")[1].strip() for line in lines}
    assert all(line.startswith("Error: ") for line in lines)
    assert told == {
        "VESTIBULE_BASE_URL",
        "VESTIBULE_DATABASE_URL",
        "VESTIBULE_MAIL_FROM",
        "VESTIBULE_MAIL_TRANSPORT",
        "VESTIBULE_SECRETS",
        "VESTIBULE_SESSION_IDLE",
    }
    assert not any("hunter2" in line or "tooshort" in line for line in lines)


async def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        [line] = await failing(tmp_path, "--port", port)
    assert line.startswith(f"Error: HOST, PORT: cannot listen on 127.0.0.1:{port}")
    assert line.endswith(f"; choose another, for example PORT={int(port) % 65_535 + 1}")


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a..b"])
async def test_a_host_that_is_not_here_is_one_line(tmp_path: Path, host: str) -> None:
    [line] = await failing(tmp_path, VESTIBULE_DEV_REMOTE="true", HOST=host)
    assert line.startswith(f"Error: HOST, PORT: cannot listen on {host}:0 (")


async def test_development_is_not_for_the_network_unless_told_so(tmp_path: Path) -> None:
    [line] = await failing(tmp_path, HOST="0.0.0.0")
    assert line.startswith("Error: HOST: ")
    assert "VESTIBULE_DEV_REMOTE" in line
    allowed = {"HOST": "0.0.0.0", "VESTIBULE_DEV_REMOTE": "true"}
    async with serving(tmp_path, **allowed) as served, served.client() as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_data_directory_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [line] = await failing(tmp_path, VESTIBULE_DATA_DIR="file/data")
    assert line.startswith("Error: VESTIBULE_DATA_DIR: ")


async def test_production_refuses_an_old_schema_and_names_the_command(
    tmp_path: Path, postgres: Server
) -> None:
    postgres.create("empty")
    on_postgres = PRODUCTION | {"VESTIBULE_DATABASE_URL": postgres.url("empty")}
    on_sqlite = PRODUCTION | {
        "VESTIBULE_DATABASE_URL": f"sqlite:///{tmp_path}/empty.db",
        "VESTIBULE_SQLITE_IN_PRODUCTION": "true",
    }
    for variables in (on_postgres, on_sqlite):
        [line] = await failing(tmp_path, **variables)
        assert line.startswith("Error: The database has no schema yet")
        assert line.endswith("Run: vestibule db upgrade")


async def test_a_newer_schema_is_left_alone(tmp_path: Path, postgres_url: str) -> None:
    variables = {"VESTIBULE_DATABASE_URL": postgres_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", NEWER), postgres_url, cwd=tmp_path, env=outside()
    )
    assert await process.wait() == 0
    [line] = await failing(tmp_path, **variables)
    assert "schema 9999, which is newer" in line


NEWER = """
import asyncio, sys
from sqlalchemy import text
from vestibule.kernel.database import Database

async def main():
    database = Database(sys.argv[1])
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE vestibule_version SET version_num = '9999'"))
    await database.close()

asyncio.run(main())
"""


# --- the stop ---


class Stubborn:
    """The service of `stubborn`, at work."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.port = process, port

    async def says(self) -> str:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        return line.decode().strip()

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def refuses(self) -> None:
        """Return once nobody can connect any more."""
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionError:
                    return
                writer.close()
                await asyncio.sleep(0.02)


@asynccontextmanager
async def holding(
    folder: Path, *, grace: float, goodbye: float = server.GOODBYE
) -> AsyncIterator[Stubborn]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, STUBBORN, str(goodbye), str(grace)),
        cwd=folder,
        env=outside(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        made = Stubborn(process, 0)
        made.port = int(await made.says())
        yield made
        assert "Traceback" not in (await process.stderr.read()).decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_finishes_what_is_under_way_and_takes_nothing_new(
    tmp_path: Path, told: signal.Signals
) -> None:
    async with holding(tmp_path, grace=PATIENCE) as service, httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"http://127.0.0.1:{service.port}/held", timeout=60))
        assert await service.says() == "held"
        service.process.send_signal(told)
        await service.refuses()
        (tmp_path / "release").touch()
        answer = await asked
        assert answer.text == "done"
        assert answer.headers["connection"] == "close"
        assert await service.ended() == 0


async def test_a_stop_ends_with_half_a_body_sent(tmp_path: Path) -> None:
    async with holding(tmp_path, grace=0.3) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        assert await service.says() == "body"
        service.process.terminate()
        assert await service.ended() == 0
        assert b"200" not in await reader.read()
        writer.close()


@pytest.mark.parametrize("path", ["endless", "thread"])
async def test_a_stop_ends_with_a_handler_that_does_not(tmp_path: Path, path: str) -> None:
    async with holding(tmp_path, grace=0.3) as service, httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"http://127.0.0.1:{service.port}/{path}"))
        assert await service.says() == path
        service.process.terminate()
        assert await service.ended() == 0
        await asyncio.wait({asked})
        assert asked.exception() or asked.result().status_code == 500


async def test_a_stop_does_not_wait_for_idle_connections(tmp_path: Path) -> None:
    async with holding(tmp_path, grace=3600) as service:
        _, silent = await asyncio.open_connection("127.0.0.1", service.port)
        _, begun = await asyncio.open_connection("127.0.0.1", service.port)
        begun.write(b"GET /held HT")
        service.process.terminate()
        assert await service.ended() == 0
        for writer in (silent, begun):
            writer.close()


async def test_a_stop_under_load_answers_or_refuses_and_cuts_nobody_off(tmp_path: Path) -> None:
    answered = asyncio.Event()
    # Who opens a connection between the last look at the door and its closing is reset by the
    # system; on a busy machine that moment is as long as a turn of the scheduler.
    late: list[httpx.AsyncClient] = []

    async def ask(client: httpx.AsyncClient, url: str) -> None:
        while True:
            try:
                assert (await client.get(url)).text == "done"
            except httpx.ConnectError:  # refused: nothing was sent
                return
            except httpx.ReadError:
                late.append(client)
                return
            answered.set()

    anew = httpx.Limits(max_keepalive_connections=0)
    async with (
        holding(tmp_path, goodbye=2, grace=PATIENCE) as service,
        httpx.AsyncClient(timeout=PATIENCE) as staying,
        httpx.AsyncClient(timeout=PATIENCE, limits=anew) as returning,
    ):
        url = f"http://127.0.0.1:{service.port}/quick"
        async with asyncio.TaskGroup() as group:
            for client in (staying, returning) * 4:
                group.create_task(ask(client, url))
            await answered.wait()
            service.process.terminate()
        assert await service.ended() == 0
    assert staying not in late


async def test_who_stands_in_the_door_when_it_closes_is_served() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:  # Any: as ASGI defines them
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    listener = server.listen("127.0.0.1", 0)
    connections = Connections(cast(Any, app), idle=5, most=10)
    await connections.accept(listener)
    with socket.create_connection(listener.getsockname()) as client:
        client.setblocking(False)
        await connections.refuse_newcomers()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 204")
    await connections.finish(1)
    listener.close()


async def test_no_answer_waits_for_more_to_be_sent_with_it() -> None:
    """Else each waits for the client's word that the one before has come: 40 ms on Linux."""
    waits: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def look(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        waits.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = server.listen("127.0.0.1", 0)
    async with await asyncio.start_server(look, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        assert await waits != 0
        writer.close()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    async with holding(tmp_path, grace=3600) as service, httpx.AsyncClient() as client:
        asked = asyncio.create_task(client.get(f"http://127.0.0.1:{service.port}/endless"))
        assert await service.says() == "endless"
        async with asyncio.timeout(PATIENCE):
            while service.process.returncode is None:
                service.process.terminate()
                await asyncio.sleep(0.1)
        assert service.process.returncode == -signal.SIGTERM
        with pytest.raises(httpx.HTTPError):
            await asked


async def test_one_ctrl_c_that_arrives_twice_is_one(tmp_path: Path) -> None:
    async with holding(tmp_path, grace=PATIENCE) as service:
        os.kill(service.process.pid, signal.SIGINT)
        os.kill(service.process.pid, signal.SIGTERM)
        assert await service.ended() == 0
