"""What holds for every route, also for those that nobody has written yet."""

import re
import shutil
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from werkzeug.routing import Rule

from tests.world import World
from vestibule.web.api.surface import ANSWERS

SAFE = {"GET", "HEAD", "OPTIONS"}


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with World.running(sqlite_url, tmp_path) as made:
        yield made


def rules(world: World) -> list[Rule]:
    return list(world.app.url_map.iter_rules())


def methods(rule: Rule) -> set[str]:
    return (rule.methods or set()) - {"HEAD", "OPTIONS"}


def filled(rule: Rule) -> str:
    """The path of a route, with something in the place of every name."""
    return re.sub(r"<[^>]+>", str(uuid4()), rule.rule)


async def test_a_route_says_what_it_does(world: World) -> None:
    for rule in rules(world):
        view = world.app.view_functions[rule.endpoint]
        if view.__module__.startswith("quart_schema"):
            continue  # theirs: the description itself
        assert view.__doc__, f"{rule.rule} has no docstring"


async def test_an_unsafe_route_is_behind_the_cross_site_rule(world: World) -> None:
    stranger = world.client(Origin="https://evil.example")
    member = await world.member()
    asked = set()
    for rule in rules(world):
        for method in methods(rule) - SAFE:
            asked.add(rule.rule)
            for client in (stranger, member):
                answer = await client.request(
                    method, filled(rule), headers={"Origin": "https://evil.example"}
                )
                assert answer.status_code == 403, f"{method} {rule.rule}"
    assert {"/v1/login", "/v1/logout", "/v1/accounts", "/verify-email"} <= asked
    assert (await member.get("/v1/me")).status_code == 200, "nothing was done"


async def test_every_answer_has_our_headers(world: World) -> None:
    client = world.client(Origin="https://evil.example")
    paths = {filled(rule) for rule in rules(world)} | {"/nowhere"}
    for path in sorted(paths):
        for method in ("GET", "POST", "DELETE"):
            answer = await client.request(method, path)
            assert answer.headers["X-Content-Type-Options"] == "nosniff", path
            kept = "public, max-age=300" if path.startswith("/.well-known") else "no-store"
            if answer.is_success or "public" not in kept:
                assert kept in answer.headers["Cache-Control"], path
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
            assert answer.headers["X-Request-Id"], path
            assert answer.status_code < 500, path


async def test_the_description_is_openapi_3_1_and_complete(world: World) -> None:
    document = (await world.client().get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validate(document, cls=OpenAPIV31SpecValidator)
    native = {
        (re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule), method.lower())
        for rule in rules(world)
        if rule.rule.startswith("/v1/")
        for method in methods(rule)
    }
    described = {
        (path, method) for path, operations in document["paths"].items() for method in operations
    }
    assert described == native
    assert len(native) >= 10
    for path, method in described:
        operation = document["paths"][path][method]
        assert operation["summary"], path
        assert operation["tags"], path
        assert "default" in operation["responses"], path
        assert set(operation["responses"]) - {"default"}, path


async def test_the_description_says_who_needs_the_cookie(world: World) -> None:
    document = (await world.client().get("/openapi.json")).json()
    assert document["components"]["securitySchemes"] == {
        "session": {"type": "apiKey", "in": "cookie", "name": "vestibule"},
        "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    stranger = world.browser()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            asked = re.sub(r"{[^}]+}", str(uuid4()), path)
            answer = await stranger.request(method.upper(), asked)
            needed = operation.get("security") in (
                [{"session": []}, {"token": []}],
                [{"session": []}, {"token": []}, {"api_key": []}],
            )
            assert needed == (answer.status_code == 401), (method, path)
            assert operation["description"] == operation["description"].strip()


async def test_the_page_of_the_description_tells_fields_and_codes(world: World) -> None:
    shown = (await world.client().get("/docs")).text
    for error, (status, _) in ANSWERS.items():
        assert f"<td><code>{error.code}</code></td><td>{status}</td>" in shown
    for told in (
        "<td><code>identifier</code></td><td>text of at most 400 characters</td><td>required</td>",
        "<td><code>remember</code></td><td>true or false</td><td>optional</td>",
        "<td><code>limit</code></td><td>whole number from 1 to 200</td><td>optional</td>",
        "<td><code>sessions</code></td><td>list of SessionAnswer</td>",
        '<a href="#AccountAnswer">AccountAnswer</a>',
        '<h2 id="AccountAnswer">',
        "<code>Origin: http://localhost:8000</code>",
        "Needs an access token, or the cookie, and with it an Origin.",
        "the letter's <code>code</code>".replace("'", "&#39;"),
    ):
        assert told in shown, told
    assert "`" not in shown


class Loaded(HTMLParser):
    """What a page would make a browser load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.runs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "srcset", "poster", "data", "action", "href"):
                self.loads.append(value or "")
            if name.startswith("on") or (value or "").startswith("javascript:"):
                self.runs.append(name)


@pytest.mark.parametrize("path", ["/docs", "/dev/mailbox", "/verify-email?token=x"])
async def test_a_page_loads_nothing_from_elsewhere_and_runs_nothing(
    world: World, path: str
) -> None:
    await world.browser().sign_up()
    await world.mails()
    answer = await world.client().get(path)
    assert answer.status_code == 200
    page = Loaded()
    page.feed(answer.text)
    own = world.vestibule.settings.base_url
    foreign = [each for each in page.loads if "//" in each and not each.startswith(f"{own}/")]
    assert foreign == []
    assert page.runs == []
    assert page.tags.isdisjoint({"script", "iframe", "object", "embed", "link", "base"})
    assert not re.search(r"@import|url\(", answer.text)
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]


async def test_the_bare_address_leads_to_the_description(world: World) -> None:
    answer = await world.client().get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "docs"


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/dev/mailbox", "/metrics"])
async def test_production_shows_none_of_this(
    world: World, sqlite_template: Path, tmp_path: Path, path: str
) -> None:
    shutil.copy(sqlite_template, tmp_path / "production.db")
    assert (await world.client().get(path)).status_code == 200
    async with World.running(
        f"sqlite:///{tmp_path}/production.db",
        tmp_path,
        mode="production",
        base_url="https://auth.example.org",
        sqlite_in_production=True,
        secrets="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        mail_transport="smtp",
        mail_from="no-reply@example.org",
        smtp_host="127.0.0.1",
    ) as production:
        assert (await production.client().get(path)).status_code == 404
