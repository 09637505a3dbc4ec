"""What the log of a running service holds, and what becomes of it when nobody takes it."""

import asyncio
import fcntl
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any  # Any: lines are JSON
from uuid import uuid4

import httpx
import pytest

from tests.processes import Served, outside, serving
from vestibule.kernel.sink import Sink, dropped

PASSWORD = "a marked password 4711"


def lines(served: Served) -> list[dict[str, Any]]:
    """Every line of standard error, which all must be objects."""
    return [json.loads(line) for line in served.errors.read_text().splitlines()]


def requests(served: Served) -> list[dict[str, Any]]:
    return [line for line in lines(served) if line["logger"] == "vestibule.requests"]


@pytest.mark.attack("A-088")
async def test_a_request_is_one_line_with_its_route_and_no_secret(tmp_path: Path) -> None:
    answers = []
    secrets = [PASSWORD, "hunter2"]
    async with serving(tmp_path, VESTIBULE_LOG_FORMAT="json") as served, served.client() as ada:
        ada.headers["User-Agent"] = "hunter2"
        answers += [
            await ada.post("/v1/accounts", json={"username": "ada", "password": PASSWORD}),
            await ada.post("/v1/login", json={"identifier": "ada", "password": PASSWORD}),
            await ada.get("/v1/me?token=hunter2"),
            await ada.delete(f"/v1/me/sessions/{uuid4()}"),
            await ada.get("/verify-email?token=hunter2"),
            await ada.get("/reset-password/hunter2?x=hunter2"),
            await ada.get("/nowhere/hunter2?x=hunter2"),
            await ada.request("HUNTER2", "/v1/me"),
            await ada.post("/v1/logout", json={}),
            await ada.post("/v1/login", json={"identifier": "ada", "password": "hunter2"}),
        ]
        account_id = answers[0].json()["id"]
        secrets += [each.value for answer in answers for each in answer.cookies.jar if each.value]
    told = requests(served)
    assert [(each["method"], each["route"], each["status"]) for each in told] == [
        ("POST", "/v1/accounts", 201),
        ("POST", "/v1/login", 200),
        ("GET", "/v1/me", 200),
        ("DELETE", "/v1/me/sessions/<session_id>", 404),
        ("GET", "/verify-email", 200),
        ("GET", "/reset-password/<token>", 200),
        ("GET", None, 404),
        ("other", None, 405),
        ("POST", "/v1/logout", 204),
        ("POST", "/v1/login", 401),
    ]
    assert [each["request_id"] for each in told] == [
        answer.headers["X-Request-Id"] for answer in answers
    ]
    assert [each.get("account_id") == account_id for each in told] == [
        *(False, True, True, True, False, False, False, False, True, False)
    ]
    assert all(each["ms"] > 0 for each in told)
    written = served.errors.read_text()
    assert len(secrets) > 3
    assert [secret for secret in secrets if secret in written] == []
    assert "127.0.0.1" not in written
    assert "?" not in written


async def test_addresses_are_in_the_log_when_asked_for_and_are_the_clients(tmp_path: Path) -> None:
    async with (
        serving(
            tmp_path,
            VESTIBULE_LOG_FORMAT="json",
            VESTIBULE_LOG_ADDRESSES="true",
            VESTIBULE_TRUSTED_PROXIES="127.0.0.1",
        ) as served,
        served.client() as ada,
    ):
        await ada.get("/healthz")
        await ada.get("/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
    assert [each["address"] for each in requests(served)] == ["127.0.0.1", "203.0.113.7"]


async def test_development_writes_for_people(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.client() as ada:
        answer = await ada.get("/v1/me?token=hunter2")
    [line] = served.errors.read_text().splitlines()
    assert "route=/v1/me" in line
    assert "status=401" in line
    assert answer.headers["X-Request-Id"] in line
    assert "hunter2" not in line


async def test_what_other_parts_say_has_the_same_form(tmp_path: Path) -> None:
    async with serving(
        tmp_path,
        VESTIBULE_LOG_FORMAT="json",
        VESTIBULE_MAIL_TRANSPORT="smtp",
        VESTIBULE_SMTP_HOST="127.0.0.1",
        VESTIBULE_SMTP_PORT="1",
        VESTIBULE_SMTP_SECURITY="none",
    ) as served:
        async with served.client() as ada:
            body = {"email": "ada@example.org", "password": PASSWORD}
            assert (await ada.post("/v1/accounts", json=body)).status_code == 202
        async with asyncio.timeout(10):
            while "vestibule.courier" not in served.errors.read_text():
                await asyncio.sleep(0.05)
    [warning] = [each for each in lines(served) if each["logger"] == "vestibule.courier"]
    assert warning["level"] == "warning"
    assert "attempt 1 failed" in warning["event"]
    assert "request_id" not in warning
    assert "ada@example.org" not in served.errors.read_text()


_LIBRARIES = """
import logging, structlog
from vestibule import Settings
from vestibule.cli import logs
from vestibule.kernel.errors import CannotStart
with logs.written(Settings.load(log_format="json")):
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        try:
            secret = "hunter2"
            raise KeyError("two\\nlines")
        except KeyError:
            logging.getLogger("hypercorn.error").exception("it %s", "failed")
    logging.getLogger("somebody").info("left out")
    logging.getLogger("vestibule").error("told elsewhere", exc_info=CannotStart("x"))
"""


def test_other_libraries_lines_have_the_same_form_and_a_traceback_is_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIBRARIES],
        cwd=tmp_path,
        env=outside(),
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = done.stderr.splitlines()
    told = json.loads(line)
    assert told["logger"] == "hypercorn.error"
    assert told["event"] == "it failed"
    assert told["level"] == "error"
    assert told["request_id"] == "r1"
    assert "KeyError" in told["exception"]
    assert "hunter2'" not in line, "values of variables are nobody's"


def test_a_library_leaves_the_log_to_its_host(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import logging\n"
                "from vestibule import Settings, create_app\n"
                "create_app(Settings.load())\n"
                "print(logging.getLogger().handlers, logging.getLogger('vestibule').handlers)"
            ),
        ],
        cwd=tmp_path,
        env=outside(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[] []\n"


# --- when nobody takes them ---


@asynccontextmanager
async def serving_into(folder: Path, sink: int) -> AsyncIterator[httpx.AsyncClient]:
    """Serve with `sink` as standard error, and stop it, which must work whatever became of that."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vestibule", "serve", "--port", "0"),
        cwd=folder,
        env=outside(VESTIBULE_LOG_FORMAT="json", VESTIBULE_ALLOWED_HOSTS="127.0.0.1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=sink,
    )
    assert process.stdout is not None
    try:
        first = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        port = first.split("localhost:")[1].split()[0]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            yield client
    finally:
        began = time.monotonic()
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 15)
        except TimeoutError:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert time.monotonic() - began < 9


def metric(text: str, name: str) -> float:
    [line] = [each for each in text.splitlines() if each.startswith(f"{name}{{")]
    return float(line.rpartition(" ")[2])


@pytest.mark.fault("F-39")
async def test_a_pipe_that_nobody_reads_holds_up_no_request(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    times = []
    async with serving_into(tmp_path, writing) as client:
        for _ in range(200):  # a stock handler stands still at the twentieth
            began = time.monotonic()
            assert (await client.get("/healthz")).status_code == 200
            times.append(time.monotonic() - began)
    os.close(writing)
    held = os.read(reading, 65_536)
    os.close(reading)
    assert len(held) == 4096 or held.endswith(b"\n"), "the pipe was full"
    first, last = sorted(times[:15])[7], sorted(times[-100:])[50]
    assert last < 2 * first + 0.005


@pytest.mark.fault("F-39")
async def test_lines_that_cannot_be_written_are_counted_and_fail_no_request(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as a disk that is full: each write fails
    async with serving_into(tmp_path, writing) as client:
        for _ in range(5):
            assert (await client.get("/healthz")).status_code == 200
        async with asyncio.timeout(10):
            while (
                metric((await client.get("/metrics")).text, "vestibule_log_lines_dropped_total") < 5
            ):
                await asyncio.sleep(0.05)
    os.close(writing)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.getLogger("test.sink")
    made.propagate = False
    yield made
    for each in list(made.handlers):
        made.removeHandler(each)


@pytest.mark.fault("F-39")
def test_what_finds_no_room_is_dropped_counted_and_told_afterwards(
    logger: logging.Logger,
) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    sink = Sink(writing, room=20_000)
    root = logging.getLogger()
    root.addHandler(sink)
    try:
        logger.addHandler(sink)
        for number in range(1000):
            logger.error("%04d %s", number, "x" * 95)
        assert 500 < sink.dropped < 1000
        assert dropped() == sink.dropped
        took = b""
        told = 0
        while told < sink.dropped:
            took += os.read(reading, 65_536)
            told = sum(map(int, re.findall(rb"(\d+) log lines were dropped", took)))
    finally:
        root.removeHandler(sink)
    arrived = [line for line in took.decode().splitlines() if line.endswith("x")]
    assert len(arrived) + sink.dropped == 1000
    assert arrived == sorted(arrived), "in order, and each whole"
    assert told == sink.dropped
    sink.close()
    os.close(writing)
    os.close(reading)


def test_a_line_that_cannot_be_made_is_counted(logger: logging.Logger) -> None:
    class Broken(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise ZeroDivisionError

    sink = Sink(2)
    sink.setFormatter(Broken())
    logger.addHandler(sink)
    logger.error("words")
    assert sink.dropped == 1
    sink.close()


def test_the_last_lines_are_written_at_the_end(logger: logging.Logger) -> None:
    reading, writing = os.pipe()
    sink = Sink(writing)
    logger.addHandler(sink)
    logger.error("last words")
    sink.close()
    assert os.read(reading, 100) == b"last words\n"
    os.close(writing)
    os.close(reading)
