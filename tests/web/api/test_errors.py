"""Every no is `application/problem+json` with a stable code and a request id."""

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
        ("POST", "/v1/login", b"", "application/json", 400, "bad_request"),
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
