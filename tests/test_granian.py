"""`vestibule serve --server granian`: the same service, started, stopped and refused as ever."""

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.processes import Served, serving
from tests.test_serve import failing
from tests.world import PASSWORD

SERVE = ("serve", "--port", "0", "--server", "granian")


async def test_it_serves_the_same_app_and_stops_when_told_to(tmp_path: Path) -> None:
    async with serving(tmp_path, *SERVE) as served:
        await served.open_account("ada", PASSWORD)
        async with served.client() as ada:
            body = {"identifier": "ada", "password": PASSWORD}
            entered = await ada.post("/v1/login", json=body)
            assert entered.status_code == 200
            assert entered.headers["Server"] == "granian"
            assert (await ada.get("/v1/me")).json()["username"] == "ada"
            assert (await ada.post("/v1/logout")).status_code == 204
            assert (await ada.get("/v1/me")).status_code == 401
            logging_in = asyncio.create_task(log_in_often(served))
            await asyncio.sleep(0.2)
            served.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(4):  # a connection that rests, ada's, holds nothing up
                assert await served.process.wait() == 0
            assert await logging_in > 0
    said = served.errors.read_text()
    assert "Traceback" not in said
    assert "experimental" not in said


@pytest.mark.prove
async def test_a_stop_ends_with_half_a_body_sent(tmp_path: Path) -> None:
    async with serving(tmp_path, *SERVE) as served:
        half = await half_a_request(served)
        await asyncio.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(9):
            assert await served.process.wait() == 0
        half.close()
    assert "Traceback" not in served.errors.read_text()


async def half_a_request(served: Served) -> asyncio.StreamWriter:
    url = httpx.URL(served.base_url)
    _, writer = await asyncio.open_connection("127.0.0.1", url.port)
    head = f"POST /v1/login HTTP/1.1\r\nHost: localhost:{url.port}\r\nOrigin: {served.base_url}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    writer.write(head.encode())
    await writer.drain()
    return writer


async def log_in_often(served: Served) -> int:
    """Log in until nobody answers any more; return how often it succeeded."""
    done = 0
    body = {"identifier": "ada", "password": PASSWORD}
    async with served.client() as ada:
        while True:
            try:
                answer = await ada.post("/v1/login", json=body)
            except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
                return done
            assert answer.status_code == 200
            done += 1


@pytest.mark.parametrize("missing", ["data", "extra"])
async def test_a_start_that_fails_says_why_in_one_line(missing: str, tmp_path: Path) -> None:
    variables = {}
    if missing == "data":
        (tmp_path / "data").write_text("a file")
    else:
        hidden = tmp_path / "hidden/granian"
        hidden.mkdir(parents=True)
        (hidden / "__init__.py").write_text("raise ImportError")
        variables["PYTHONPATH"] = str(hidden.parent)
    [line] = await failing(tmp_path, "--server", "granian", **variables)
    told = {"data": "VESTIBULE_DATA_DIR", "extra": "the extra is not"}
    assert line.startswith("Error: ")
    assert told[missing] in line


@pytest.mark.prove
async def test_several_processes_share_the_port_and_are_renewed(
    postgres_url: str, tmp_path: Path
) -> None:
    command = (*SERVE, "--workers", "2")
    async with serving(tmp_path, *command, VESTIBULE_DATABASE_URL=postgres_url) as served:
        await served.open_account("ada", PASSWORD)
        served.process.send_signal(signal.SIGHUP)
        async with served.client() as ada:
            body = {"identifier": "ada", "password": PASSWORD}
            for _ in range(40):
                assert (await ada.post("/v1/login", json=body)).status_code == 200
                await asyncio.sleep(0.1)
    assert "Traceback" not in served.errors.read_text()
