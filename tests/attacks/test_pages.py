"""Pages say nothing that somebody else put into the address."""

import pytest
from markupsafe import escape

from tests.attacks.looking import House, face
from tests.world import PASSWORD

PAYLOADS = [
    '"><svg onload=alert(1)>',
    "<script>alert(1)</script>",
    "'\"><img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    '" autofocus onfocus=alert(1) x="',
    "</title><script>alert(1)</script>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "\u202e\u00e9\u65e5<b>",
]


@pytest.mark.attack("A-085")
async def test_no_page_and_no_error_repeats_what_came_as_html(world: House) -> None:
    await world.client().sign_up("v@victim.test")
    token = (await world.mails())[-1].token
    stranger = world.client()
    for payload in PAYLOADS:
        named = {"token": payload, "error": payload, "next": payload, "email": payload}
        answers = [
            await stranger.get("/verify-email", params=named),
            await stranger.get("/verify-email", params={"token": token, "wrong": payload}),
            await stranger.post("/verify-email", data={"token": payload, "password": payload}),
            await stranger.post(
                "/verify-email", data={"token": token, "password": payload, "username": payload}
            ),
            await stranger.post("/verify-email", data={payload: payload}),
            await stranger.get(f"/{payload}"),
            await stranger.get(f"/v1/{payload}"),
            await stranger.get("/nowhere", params=named),
            await stranger.delete(f"/v1/me/sessions/{payload}"),
            await stranger.request("GET", "/nowhere", headers=[(b"Accept", payload.encode())]),
            await stranger.get(
                "/nowhere",
                headers=[(b"X-Forwarded-Host", payload.encode()), (b"Host", payload.encode())],
            ),
        ]
        for answer in answers:
            assert answer.status_code < 500
            hidden = f'<input type="hidden" name="token" value="{escape(payload)}">'
            seen = face(answer)[1].replace(hidden, "")
            for part in (payload, "<script", "<svg", "<img", "javascript:", "alert(", "49"):
                assert part not in seen, (answer.url, part)
            kind = answer.headers["Content-Type"]
            assert kind in ("text/html; charset=utf-8", "application/problem+json")
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    opened = await world.browser().post(
        "/verify-email", data={"token": token, "password": PASSWORD}
    )
    assert opened.status_code == 303
    assert opened.headers["Location"] == "verify-email"
