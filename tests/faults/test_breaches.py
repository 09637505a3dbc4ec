"""Asking whether a password is known from a breach, and whoever is asked not answering."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any  # Any: whatever the settings take

import pytest
from click.testing import CliRunner

from tests.attacks.looking import CountingHasher, face, statements
from tests.range_server import DRIP, ENDLESS, HANG, Range, answer, line, range_server
from tests.world import PASSWORD, World
from vestibule import Settings
from vestibule.cli import main
from vestibule.kernel.errors import CannotStart

KNOWN = "correct horse battery staple of somebody"


@pytest.fixture
async def asked() -> AsyncIterator[Range]:
    async with range_server() as served:
        yield served


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path, asked: Range) -> AsyncIterator[World]:
    async with World.running(sqlite_url, tmp_path, breach_check_url=asked.url) as made:
        yield made


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.name == "vestibule.accounts"]


async def test_a_password_that_is_known_is_refused(world: World, asked: Range) -> None:
    asked.says = answer([line("something else"), line(KNOWN).lower(), line("and one more")])
    refused = await world.browser().sign_up(password=KNOWN)
    assert refused.status_code == 422
    assert refused.json()["code"] == "weak_password"
    assert "breach" in refused.json()["detail"]
    assert KNOWN not in refused.text
    assert await world.mails() == []
    assert (await world.browser().sign_up(password=PASSWORD)).status_code == 202


async def test_nobody_learns_which_password_or_whose(world: World, asked: Range) -> None:
    asked.says = answer([line("something else")])
    await world.browser(**{"User-Agent": "secret-agent"}).sign_up("ada@example.org", password=KNOWN)
    [request] = asked.asked
    head, *headers = request.decode().lower().splitlines()
    assert head == "get /range/8cd98 http/1.1"
    assert "add-padding: true" in headers
    assert not [each for each in headers if "ada" in each or "secret-agent" in each]


async def test_padding_is_no_hit(world: World, asked: Range) -> None:
    asked.says = answer([line(KNOWN, count=0), line("something else")])
    assert (await world.browser().sign_up(password=KNOWN)).status_code == 202


@pytest.mark.fault("F-26")
@pytest.mark.parametrize(
    "says",
    [
        answer([], status="500 Internal Server Error"),
        answer([line(KNOWN)], status="429 Too Many Requests", headers="Retry-After: 60\r\n"),
        answer([line(KNOWN)], status="302 Found", headers="Location: /elsewhere\r\n"),
        answer(["<html>", "<p>Please log in to our network</p>", line(KNOWN)]),
        answer([]),
        answer([line(KNOWN)], headers="Content-Encoding: gzip\r\n").replace(b":7", b":\xff"),
        b"no http at all\r\n\r\n",
        b"",
        ENDLESS,
        HANG,
        DRIP,
    ],
)
async def test_whoever_does_not_answer_as_agreed_keeps_nobody_from_signing_up(
    world: World, asked: Range, caplog: pytest.LogCaptureFixture, says: bytes
) -> None:
    asked.says = says
    began = time.monotonic()
    assert (await world.browser().sign_up(password=KNOWN)).status_code == 202
    assert time.monotonic() - began < 3
    asked.says = answer([], status="500 Internal Server Error")
    assert (await world.browser().sign_up("b@example.org", password=KNOWN)).status_code == 202
    [said] = told(caplog)
    assert said.startswith("passwords are taken unchecked by VESTIBULE_BREACH_CHECK_URL: ")
    assert KNOWN not in caplog.text
    world.clock.move(timedelta(seconds=61))
    await world.browser().sign_up("c@example.org", password=KNOWN)
    assert len(told(caplog)) == 2
    asked.says = answer([line(KNOWN)])
    assert (await world.browser().sign_up(password=KNOWN)).status_code == 422


@pytest.mark.fault("F-26")
async def test_nobody_there_keeps_nobody_from_signing_up(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with range_server() as gone:
        url = gone.url
    async with World.running(sqlite_url, tmp_path, breach_check_url=url) as world:
        assert (await world.browser().sign_up(password=KNOWN)).status_code == 202
    assert told(caplog)[0].endswith("ConnectError")


async def test_no_connection_is_held_while_others_are_asked(
    database_url: str, tmp_path: Path, asked: Range
) -> None:
    asked.says = HANG
    given: dict[str, Any] = {"breach_check_url": asked.url, "database_pool_size": 1}
    async with World.running(database_url, tmp_path, **given) as world:
        waiting = asyncio.create_task(world.browser().sign_up(password=KNOWN))
        while not asked.asked:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        assert (
            await world.browser().sign_up(None, username="ada", password="x")
        ).status_code == 422
        assert (await world.browser().log_in()).status_code == 401
        assert time.monotonic() - began < 1
        assert (await waiting).status_code == 202


async def test_taken_and_free_addresses_are_asked_about_alike(
    database_url: str, tmp_path: Path, asked: Range
) -> None:
    hasher = CountingHasher()
    asked.says = answer([line(KNOWN)])
    async with World.running(
        database_url, tmp_path, hasher=hasher, breach_check_url=asked.url
    ) as world:
        await world.member()
        seen = []
        for email in ("ada@example.org", "new@example.org"):
            for password in (KNOWN, PASSWORD):
                asked.asked.clear()
                before = hasher.work
                with statements(world) as said:
                    told_now = face(await world.browser().sign_up(email, password=password))
                work = [now - then for now, then in zip(hasher.work, before, strict=True)]
                seen.append((told_now, len(asked.asked), work, said))
        taken, free = seen[:2], seen[2:]
        assert taken == free


async def test_the_command_line_asks_too_unless_told_otherwise(
    sqlite_url: str, tmp_path: Path, asked: Range
) -> None:
    asked.says = answer([line(KNOWN)])
    words = ["accounts", "create", "--username", "ada", "--password-stdin"]
    given = {"VESTIBULE_DATABASE_URL": sqlite_url, "VESTIBULE_BREACH_CHECK_URL": asked.url}

    async def create(*more: str) -> tuple[int, str]:
        runner = CliRunner(env=given)
        typed = partial(runner.invoke, main, [*words, *more], input=f"{KNOWN}\n")
        result = await asyncio.to_thread(typed)
        return result.exit_code, result.output

    code, said = await create()
    assert code == 1
    assert "data breach" in said
    code, said = await create("--any-password")
    assert code == 0, said


def test_in_production_it_is_asked_over_https() -> None:
    with pytest.raises(CannotStart) as caught:
        Settings.load(mode="production", breach_check_url="http://range.example.com")
    assert any(
        "VESTIBULE_BREACH_CHECK_URL: must be https" in each for each in caught.value.problems
    )


def test_by_default_nobody_is_asked() -> None:
    assert Settings.load().breach_check_url == ""
