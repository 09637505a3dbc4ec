"""Every no is `application/problem+json` with a stable code and a request id."""

from json import dumps
from typing import Any, cast  # Any: ASGI's own types are stricter than its servers

import httpx
import pytest

from tests.world import World


@pytest.mark.parametrize(
    "method, path, content, media_type, status, code",
    [
        ("GET", "/v1/nothing", b"", None, 404, "not_found"),
        ("GET", "/nothing", b"", None, 404, "not_found"),
        ("GET", "//v1/me", b"", None, 404, "not_found"),
        ("GET", "/v1/me/", b"", None, 404, "not_found"),
        ("GET", "/v1/login", b"", None, 405, "method_not_allowed"),
        ("POST", "/v1/login", b"{", "application/json", 400, "malformed_body"),
        ("POST", "/v1/login", b"", "application/json", 400, "malformed_body"),
        ("POST", "/v1/login", b"", None, 422, "invalid_fields"),
        ("POST", "/v1/login", b"null", "application/json", 422, "invalid_fields"),
        ("POST", "/v1/login", b"{}", "text/plain", 415, "wrong_media_type"),
        ("POST", "/v1/login", b"{}", "application/json; charset=utf-7", 415, "wrong_media_type"),
        ("POST", "/v1/login", b"{}", "application/json", 422, "invalid_fields"),
        ("POST", "/v1/login", b" " * 70_000, "application/json", 413, "body_too_large"),
        ("GET", "/v1/me", b"", None, 401, "not_signed_in"),
    ],
)
async def test_a_no_is_a_problem(
    world: World,
    method: str,
    path: str,
    content: bytes,
    media_type: str | None,
    status: int,
    code: str,
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await world.client().request(method, path, content=content, headers=headers)
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["type"] == f"urn:vestibule:{code}"
    assert answer.headers["cache-control"] == "no-store"
    if status == 405:
        assert set(answer.headers["allow"].split(", ")) >= {"POST", "OPTIONS"}


async def test_unknown_fields_are_refused_by_name_and_never_repeated(world: World) -> None:
    answer = await world.client().sign_up(role="admin-please", is_admin=True)
    assert answer.status_code == 422
    assert {each["field"]: each["code"] for each in answer.json()["errors"]} == {
        "role": "unknown_field",
        "is_admin": "unknown_field",
    }
    assert "admin-please" not in answer.text


async def test_a_fault_of_ours_is_told_without_detail(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("the secret ingredient")

    monkeypatch.setattr(world.vestibule.means.clock, "now", broken)
    answer: httpx.Response = await world.client().sign_up()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "ingredient" not in answer.text
    assert answer.json()["request_id"] in caplog.text


async def test_health_is_told_to_anybody(world: World) -> None:
    for path in ("/healthz", "/readyz"):
        answer = await world.client().get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "method, path",
    [("POST", "/v1/logout"), ("POST", "/v1/logout-all"), ("DELETE", "/v1/me/sessions")],
)
@pytest.mark.parametrize(
    "content, field", [(b'{"all": true}', "all"), (b"[1]", ""), (b"null", ""), (b'"x"', "")]
)
async def test_a_route_without_fields_takes_none(
    world: World, method: str, path: str, content: bytes, field: str
) -> None:
    ada = await world.member()
    json = {"Content-Type": "application/json"}
    refused = await ada.request(method, path, content=content, headers=json)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert (await ada.get("/v1/me")).status_code == 200
    assert (await ada.request(method, path, content=b"{}", headers=json)).status_code == 204


async def test_a_body_that_says_nothing_is_nothing_to_a_route_without_fields(world: World) -> None:
    json = {"Content-Type": "application/json"}
    assert (await world.browser().post("/v1/logout", headers=json)).status_code == 204


@pytest.mark.parametrize(
    "path, body, wrong",
    [
        (
            "login",
            {"identifier": 1, "remember": 1},
            {
                "identifier": ("string_type", "Send a text."),
                "password": ("missing", "This field is missing."),
                "remember": ("bool_type", "Send true or false."),
            },
        ),
        (
            "login",
            {"identifier": "a" * 401, "password": "b" * 4097},
            {
                "identifier": ("string_too_long", "At most 400 characters."),
                "password": ("too_long", "At most 4096 characters."),
            },
        ),
        (
            "accounts",
            {"password": "x", "given_name": "a\tb"},
            {
                "given_name": (
                    "string_pattern_mismatch",
                    "Holds characters that are not allowed here.",
                ),
            },
        ),
        ("login", [], {"": ("object_expected", "Send one JSON object.")}),
        ("login", [{"identifier": "a"}], {"": ("object_expected", "Send one JSON object.")}),
        ("login", None, {"": ("object_expected", "Send one JSON object.")}),
        ("login", "text", {"": ("object_expected", "Send one JSON object.")}),
    ],
)
async def test_each_wrong_field_is_told_in_our_words(
    world: World, path: str, body: object, wrong: dict[str, tuple[str, str]]
) -> None:
    answer = await world.browser().request(
        "POST",
        f"/v1/{path}",
        content=dumps(body),
        headers={"Content-Type": "application/json"},
    )
    told = {each["field"]: (each["code"], each["message"]) for each in answer.json()["errors"]}
    assert (answer.status_code, told) == (422, wrong)


async def test_a_wrong_query_is_told_in_our_words(world: World) -> None:
    ada = await world.member()
    told = {}
    for limit in ("0", "201", "many"):
        [error] = (await ada.get(f"/v1/me/sessions?limit={limit}")).json()["errors"]
        told[limit] = (error["field"], error["message"])
    assert told == {
        "0": ("limit", "At least 1."),
        "201": ("limit", "At most 200."),
        "many": ("limit", "Send a whole number."),
    }


async def test_a_missing_body_is_asked_for(world: World) -> None:
    json = {"Content-Type": "application/json"}
    answer = await world.browser().post("/v1/login", headers=json)
    assert answer.json()["detail"] == "Send a JSON object as the body."


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Referer": "https://evil.example/page"},
    ],
)
async def test_a_foreign_site_is_not_named_but_the_settings_are(
    world: World, headers: dict[str, str]
) -> None:
    answer = await world.client().post("/v1/login", json={}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site")
    assert answer.json()["detail"].endswith(
        f" is not {world.vestibule.settings.base_url} (VESTIBULE_BASE_URL)"
        " nor one of VESTIBULE_ALLOWED_ORIGINS."
    )
    assert "evil" not in answer.text


async def test_a_websocket_is_closed_before_it_opens(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/me", "headers": [], "query_string": b""}
    await cast(Any, world.app)(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
    assert caplog.text == ""
