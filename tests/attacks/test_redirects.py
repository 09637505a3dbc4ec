"""Nobody is led away from here by what somebody else put into the address."""

from pathlib import Path
from string import printable
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import House, Kept
from tests.world import PASSWORD

V = "v@victim.test"
PROXY = "10.0.0.1"
ELSEWHERE = [
    *("https://evil.test", "//evil.test", "///evil.test", "////evil.test", "\\\\evil.test"),
    *("\\\\\\evil.test", "/\\evil.test", "/\\/evil.test", "\\/\\/evil.test", "https:evil.test"),
    *("https:/evil.test", "http:///evil.test", "https://auth.test@evil.test", ".evil.test"),
    *("https://auth.test:x@evil.test", "https://a@b@evil.test", "https://auth.test.evil.test"),
    *("https://evilauth.test", "https://evil.test#auth.test", "https://evil.test?auth.test"),
    *("https://evil.test?.auth.test", "https://auth.test%2eevil.test", "@evil.test"),
    *("//evil%E3%80%82test", "//evil\u3002test", "javascript:alert(1)", "JaVaScRiPt:alert(1)"),
    *("data:text/html,x", "vbscript:x", "/%2f%2fevil.test", "/%5cevil.test", "/..;/..//evil.test"),
    *("https://auth.test:8443", "http://auth.test", "https://127.0.0.1", "\thttps://evil.test"),
    *(
        "http://localhost.evil.test",
        "/%09/evil.test",
        "/\t/evil.test",
        "%0d%0aLocation: //evil.test",
    ),
    *("https://evil.test\r\nX: y", "%2f%2fevil.test", "/%0a/evil.test", "https://xn--evil.test"),
]
AS_IT_IS = "".join(sign for sign in printable if not sign.isspace() and sign not in "?#")
PARAMETERS = [
    *("next", "redirect_to", "redirect", "redirect_uri", "return_to", "callback", "callback_url"),
    *("url", "continue", "RelayState", "rd", "target", "dest", "goto", "back"),
]


def leads(answer: httpx.Response) -> str | None:
    """Return where a browser would go from an answer, if anywhere."""
    location = answer.headers.get("Location")
    assert "Refresh" not in answer.headers
    assert 'http-equiv="refresh"' not in answer.text
    if location is None:
        return None
    # As browsers read it: white space is dropped, a backslash is a slash.
    cleaned = "".join(sign for sign in location if sign not in "\t\r\n").replace("\\", "/")
    return urljoin(str(answer.request.url), cleaned.strip())


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.mark.attack("A-040")
async def test_no_parameter_leads_elsewhere(world: House) -> None:
    stranger, browser = world.client(), world.browser()
    for target in ELSEWHERE:
        named = dict.fromkeys(PARAMETERS, target)
        plain = "".join(sign for sign in target if sign.isprintable()).encode()
        tossed = [(b"Cookie", b"next=" + plain), (b"Origin", b"https://auth.test")]
        log_in = {"identifier": V, "password": "x"}
        for answer in (
            await stranger.get("/verify-email", params=named),
            await stranger.get("/verify-email", params=named | {"token": target}),
            await stranger.get("/", params=named),
            await stranger.get("/nowhere", params=named),
            await browser.post("/v1/login", params=named, json=log_in),
            await browser.post("/v1/login", json=log_in | {"next": target}),
            await browser.post("/v1/logout", params=named),
            await browser.get("/v1/logout", params=named),
            await browser.post("/verify-email", params=named, data=named | {"token": "x"}),
            await stranger.post("/verify-email", data={"token": "x"}, headers=tossed),
        ):
            assert answer.status_code < 500
            assert leads(answer) is None, answer.request.url


@pytest.mark.attack("A-040")
async def test_the_link_of_a_letter_leads_to_our_own_page_whatever_is_added(world: House) -> None:
    for number, target in enumerate(ELSEWHERE):
        email = f"{number}@victim.test"
        await world.client().sign_up(email)
        token = (await world.mails(email))[-1].token
        named = dict.fromkeys(PARAMETERS, target)
        landed = await world.browser().post(
            "/verify-email", params=named, data=named | {"token": token, "password": PASSWORD}
        )
        assert landed.status_code == 303
        assert leads(landed) == "https://auth.test/verify-email", target


@pytest.mark.attack("A-040")
async def test_from_http_one_is_led_to_our_own_https_alone(sqlite_url: str, tmp_path: Path) -> None:
    given = PRODUCTION | {"trusted_proxies": PROXY}
    async with House.running(sqlite_url, tmp_path, transport=Kept(), **given) as world:
        client = world.client(address=PROXY, **{"X-Forwarded-Proto": "http"})
        for target in ELSEWHERE:
            path = quote(f"/{target}", safe=AS_IT_IS).encode()
            asked = httpx.URL(scheme="http", host="auth.test", raw_path=path)
            led = leads(await client.get(asked))
            assert led is not None
            assert origin(led) == "https://auth.test", target
        led = leads(await client.get("http://auth.test/verify-email?token=x&next=//evil.test"))
        assert led == "https://auth.test/verify-email?token=x&next=//evil.test"
