"""From a stranger to a signed-in person and back, in production mode on PostgreSQL."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any  # Any: settings take what they take
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from tests.mailservers import DROP, HANG, Answer, MailgunStub, SmtpStub
from tests.postgres import Server
from tests.processes import outside, serving
from tests.world import PASSWORD, World
from vestibule import Settings
from vestibule.courier.models import Letter
from vestibule.courier.transports.mailgun import Mailgun

BASE_URL = "https://auth.example.test"
PRODUCTION = {
    "mode": "production",
    "base_url": BASE_URL,
    "secrets": bytes(range(32)).hex(),
    "mail_from": "Vestibule <no-reply@example.test>",
}


@pytest.fixture
def empty_url(postgres: Server) -> Iterator[str]:
    name = f"walk_{uuid4().hex}"
    postgres.create(name)
    yield postgres.url(name)
    postgres.drop(name)


def variables(**settings: object) -> dict[str, str]:
    given = PRODUCTION | settings
    return {f"VESTIBULE_{name.upper()}": str(value) for name, value in given.items()}


async def migrate(folder: Path, environment: Mapping[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vestibule", "db", "upgrade"),
        cwd=folder,
        env=outside(**environment),
    )
    assert await process.wait() == 0


def code_in(text: str) -> str:
    found = re.search(r"\b[A-Z0-9]{4}-[A-Z0-9]{4}\b", text)
    assert found, text
    return found[0]


async def test_the_walk_with_smtp(tmp_path: Path, empty_url: str) -> None:
    async with SmtpStub() as stub:
        environment = variables(
            database_url=empty_url,
            mail_transport="smtp",
            smtp_host="127.0.0.1",
            smtp_port=stub.port,
            smtp_security="none",
        )
        await migrate(tmp_path, environment)
        async with (
            serving(tmp_path, says="production mode", **environment) as served,
            httpx.AsyncClient(base_url=served.base_url) as client,
        ):
            asked = await client.post(
                "/v1/accounts", json={"email": "Ada@example.org", "password": PASSWORD}
            )
            assert asked.status_code == 202
            await stub.wait_for(1, within=20)
            [letter] = stub.letters
            assert letter.sender == "no-reply@example.test"
            assert letter.recipients == ("Ada@example.org",)
            text = _text(letter.message)
            assert f"{BASE_URL}/verify-email?token=" in text

            proved = await client.post(
                "/v1/accounts/verification",
                json={"sign_up": asked.json()["sign_up"], "code": code_in(text)},
            )
            assert proved.status_code == 200
            entered = await client.post(
                "/v1/login", json={"identifier": "ada@example.org", "password": PASSWORD}
            )
            assert entered.status_code == 200
            cookie = _cookie(entered)
            client.cookies.clear()  # a jar sends a Secure cookie over https only

            me = await client.get("/v1/me", headers=cookie)
            assert me.json()["email"] == "Ada@example.org"
            foreign = await client.post("/v1/logout", headers=cookie | {"Origin": served.base_url})
            assert foreign.status_code == 403, "the public name is the only origin"
            left = await client.post("/v1/logout", headers=cookie | {"Origin": BASE_URL})
            assert left.status_code == 204
            assert (await client.get("/v1/me", headers=cookie)).status_code == 401
            for hidden in ("/dev/mailbox", "/docs", "/openapi.json", "/metrics"):
                assert (await client.get(hidden)).status_code == 404
    assert len(stub.letters) == 1
    logged = [json.loads(line) for line in served.errors.read_text().splitlines()]
    assert {"/v1/accounts", "/v1/login", "/v1/me"} <= {line.get("route") for line in logged}
    assert not (tmp_path / "data").exists(), "production keeps nothing here"


async def test_the_walk_with_a_mailgun_that_has_a_bad_day(
    tmp_path: Path, postgres_url: str
) -> None:
    answers: list[Answer | str | None] = [
        Answer(status=429, headers={"Retry-After": "1"}),
        Answer(status=500),
        HANG,
        DROP,
        Answer(),
    ]
    async with MailgunStub(answers) as stub:
        given: dict[str, Any] = PRODUCTION | {
            "mail_transport": "mailgun",
            "mailgun_api_key": "key-of-the-domain",
            "mailgun_domain": "mg.example.test",
            "mailgun_base_url": stub.url,
        }
        settings = Settings.load(database_url=postgres_url, **given)
        transport = Mailgun(settings, patience=0.3)
        async with World.running(postgres_url, tmp_path, transport=transport, **given) as world:
            ada = world.browser()
            asked = await ada.sign_up()
            assert asked.status_code == 202
            await _send_to_the_end(world, stub)

            assert stub.tries == len(stub.posted) == 5
            assert {each.path for each in stub.posted} == {"/v3/mg.example.test/messages"}
            assert {each.credentials for each in stub.posted} == {"api:key-of-the-domain"}
            [letter] = stub.letters
            assert all(each.fields == letter.fields for each in stub.posted), "the same every time"
            fields = {name: value for name, [value] in letter.fields.items()}
            assert fields["from"] == "Vestibule <no-reply@example.test>"
            assert fields["to"] == "ada@example.org"
            assert fields["subject"]
            assert f"{BASE_URL}/verify-email?token=" in fields["text"]
            assert code_in(fields["text"]) in fields["html"]
            [row] = await world.rows(select(Letter.state, Letter.attempts, Letter.payload))
            assert tuple(row) == ("sent", 5, None)

            proved = await ada.prove(sign_up=asked.json()["sign_up"], code=code_in(fields["text"]))
            assert proved.status_code == 200
            entered = await ada.log_in()
            assert entered.status_code == 200
            cookie = _cookie(entered)
            assert (await ada.get("/v1/me")).json()["email_verified"] is True
            assert (await ada.post("/v1/logout")).status_code == 204
            assert (await ada.get("/v1/me", headers=cookie)).status_code == 401


async def _send_to_the_end(world: World, stub: MailgunStub) -> None:
    """Let the courier try, and time pass to where it tries again, until a letter arrived."""
    while not stub.letters:
        assert await world.vestibule.courier.send_due() == 1
        [row] = await world.rows(select(Letter.next_try_at))
        world.clock.move(max(row[0] - world.clock.now(), timedelta()))


def _cookie(entered: httpx.Response) -> dict[str, str]:
    [handed] = [
        line
        for line in entered.headers.get_list("set-cookie")
        if not line.startswith("__Host-vestibule_device=")
    ]
    value, *attributes = handed.split("; ")
    assert value.startswith("__Host-vestibule=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(attributes)
    return {"Cookie": value}


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())
