"""Letters go to one person, say only what we say, and lead to us."""

from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import pytest

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import House, events, everything
from tests.mailservers import Delivered, SmtpStub
from tests.world import PASSWORD

V = "v@victim.test"
ELSEWHERE = [
    {"Host": "evil.test"},
    {"Host": "auth.test@evil.test"},
    {"Host": "auth.test:@evil.test"},
    {"Host": "auth.test.evil.test:443"},
    {"X-Forwarded-Host": "evil.test"},
    {"X-Forwarded-Host": "auth.test, evil.test"},
    {"Forwarded": "host=evil.test;proto=http"},
    {"X-Forwarded-Proto": "http"},
    {"X-Forwarded-Prefix": "//evil.test"},
    {"X-Forwarded-Server": "evil.test"},
    {"X-Forwarded-Port": "666"},
    {"X-Original-Host": "evil.test"},
    {"X-Original-URL": "//evil.test/v1/accounts"},
    {"X-Rewrite-URL": "//evil.test/"},
    {"X-Host": "evil.test"},
    {"X-Script-Name": "//evil.test"},
]
TWO_READINGS = [
    "v@victim.test,a@evil.test",
    "v@victim.test;a@evil.test",
    "v@victim.test a@evil.test",
    '"a@evil.test"@victim.test',
    '"a@evil.test,"@victim.test',
    "<a@evil.test>v@victim.test",
    "v@victim.test<a@evil.test>",
    "Vee <a@evil.test>",
    "a@evil.test(v@victim.test)",
    "v@victim.test%0d%0aBcc:a@evil.test",
    "v@victim.test\r\nRCPT TO:<a@evil.test>",
    "v@victim.test\nBcc: a@evil.test",
    "v\r\nBcc: a@evil.test\r\n@victim.test",
    "a%evil.test@victim.test",
    "evil.test!a@victim.test",
    "a@evil.test#@victim.test",
    "a@evil.test\\@victim.test",
    "a@evil.test|@victim.test",
    "@evil.test:v@victim.test",
    "=?utf-8?q?=61?=@evil.test",
    "=?utf-8?q?=61=40evil.test=2C?=@victim.test",
    "a\uff20evil.test@victim.test",
    "a@evil.test\uff0cv@victim.test",
    "v@[127.0.0.1]",
    "v@victim.test.",
    "v@@victim.test",
    "@victim.test",
    "v@",
    "v@victim.test\u2028a@evil.test",
]


@pytest.mark.attack("A-006")
async def test_no_header_moves_where_a_letter_leads(world: House) -> None:
    stranger = world.client()
    for lie in ELSEWHERE:
        asked = await stranger.post(
            "/v1/accounts", json={"email": V, "password": PASSWORD}, headers=lie
        )
        assert asked.status_code in (202, 400, 421), (lie, asked.text)
        if asked.status_code == 202:
            again = await stranger.post(
                "/v1/accounts/verification/letters",
                json={"sign_up": asked.json()["sign_up"]},
                headers=lie,
            )
            assert again.status_code == 202, (lie, again.text)

    letters = await world.mails(V)
    assert len(letters) > len(ELSEWHERE)
    for letter in letters:
        assert letter.link == f"https://auth.test/verify-email?token={letter.token}"
    for message in world.messages:
        assert "evil" not in message.subject + message.text + (message.html or "")
        assert "666" not in message.text.replace(read_token(message.text), "")

    # The landing page leads nowhere else either, and the honest end of the story works.
    for lie in ELSEWHERE:
        page = await stranger.get("/verify-email", params={"token": "x"}, headers=lie)
        assert page.status_code in (200, 400, 421)
        assert "evil" not in page.text
    proved = await world.browser().post(
        "/verify-email",
        data={"token": letters[-1].token, "password": PASSWORD},
        headers={"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "http"},
    )
    assert proved.status_code == 303
    assert urlsplit(proved.headers["Location"]).netloc in ("", "auth.test")


def read_token(text: str) -> str:
    return text.partition("token=")[2].split()[0]


@pytest.mark.attack("A-007")
async def test_no_body_and_no_origin_moves_where_a_letter_leads(world: House) -> None:
    before = await everything(world)
    named = {"Origin": "https://evil.test", "Referer": "https://evil.test/x"}
    for name, value in named.items():
        refused = await world.client(**{name: value}).sign_up(V)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross_site")
    for field, value in {
        "origin": "https://evil.test",
        "redirect_to": "https://evil.test",
        "redirect_uri": "https://evil.test",
        "callback_url": "https://auth.test.evil.test/",
        "callbackURL": "//evil.test",
        "base_url": "https://evil.test",
        "link": "https://evil.test/{token}",
        "next": "https://evil.test",
        "host": "evil.test",
    }.items():
        refused = await world.client().sign_up(V, **{field: value})
        assert refused.status_code == 422
        assert refused.json()["errors"][0] | {"message": ""} == {
            "field": field,
            "code": "unknown_field",
            "message": "",
        }
    assert await everything(world) == before

    asked = await world.browser().post(
        "/v1/accounts?base_url=https://evil.test&next=//evil.test",
        json={"email": V, "password": PASSWORD},
    )
    assert asked.status_code == 202
    [letter] = await world.mails()
    assert letter.link is not None
    assert letter.link.startswith("https://auth.test/verify-email?token=vlnk_")


@pytest.mark.attack("A-008")
async def test_a_letter_has_one_recipient_whatever_shape_the_address_comes_in(
    world: House,
) -> None:
    before = await everything(world)
    stranger = world.client()
    two = [V, "a@evil.test"]
    shapes = [two, [two], {"0": V, "1": "a@evil.test"}, {"email": V}, [V], [[V]]]
    for path, field, rest in (
        ("/v1/accounts", "email", {"password": PASSWORD}),
        ("/v1/login", "identifier", {"password": PASSWORD}),
        ("/v1/accounts/verification/letters", "sign_up", {}),
    ):
        for shape in shapes:
            answer = await stranger.post(path, json={field: shape} | rest)
            assert answer.status_code == 422, (path, shape)
        for body in (
            f"{field}={V}&{field}=a@evil.test&password={PASSWORD}",
            f"{field}[]={V}&{field}[]=a@evil.test&password={PASSWORD}",
        ):
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await stranger.post(path, content=body, headers=form)
            assert answer.status_code == 415, (path, body)
        twice = f'{{"{field}":"{V}","password":"{PASSWORD}","{field}":"a@evil.test"}}'
        answer = await stranger.post(
            path, content=twice, headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body"), path
    assert await everything(world) == before

    # The query is not read: the body's address is the one.
    asked = await stranger.post(
        "/v1/accounts?email=a@evil.test", json={"email": V, "password": PASSWORD}
    )
    assert asked.status_code == 202
    assert [mail.to for mail in await world.mails()] == [V]


@pytest.mark.attack("A-009")
async def test_an_address_that_two_programs_read_differently_is_refused(world: House) -> None:
    before = await everything(world)
    stranger = world.client()
    for address in TWO_READINGS:
        asked = await stranger.sign_up(address)
        assert (asked.status_code, asked.json()["code"]) == (422, "invalid_address"), address
    assert (await stranger.sign_up("v@victim.test\u0000@evil.test")).status_code == 400
    assert await everything(world) == before
    for address in TWO_READINGS:
        assert (await stranger.log_in(address)).status_code == 401

    assert (await stranger.sign_up(V)).status_code == 202
    assert [mail.to for mail in await world.mails()] == [V]


@pytest.mark.attack("A-009")
async def test_the_mail_server_sees_one_recipient_for_every_address_that_passes(
    database_url: str, tmp_path: Path
) -> None:
    odd = ["o'hara+news=a_b@victim.test", "a&b@victim.test", "{v}@victim.test"]
    async with SmtpStub() as server:
        smtp = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "none"}
        async with House.running(database_url, tmp_path, **PRODUCTION | smtp) as world:
            for address in [*odd, *TWO_READINGS]:
                await world.client().sign_up(address)
            while await world.vestibule.courier.send_due():
                pass
        assert len(server.letters) == len(odd)
        for address, letter in zip(odd, sorted_by(server, odd), strict=True):
            assert [each.lower() for each in letter.recipients] == [address.lower()]
            assert letter.message.get_all("To") == [letter.recipients[0]]
            assert not {"cc", "bcc", "resent-to"} & {name.lower() for name in letter.message}


def sorted_by(server: SmtpStub, addresses: list[str]) -> list[Delivered]:
    wanted = [address.lower() for address in addresses]
    return sorted(server.letters, key=lambda each: wanted.index(each.recipients[0].lower()))


@pytest.mark.attack("A-084")
async def test_nobody_writes_into_our_letters_by_a_name_or_a_browser(world: House) -> None:
    stranger = world.client()
    for name in (
        "x\r\nBcc: a@evil.test",
        "x\nSubject: evil",
        "x\u0085evil",
        "evil" * 30,
        "evil " * 1000,
    ):
        for field in ("given_name", "family_name"):
            refused = await stranger.sign_up(V, **{field: name})
            assert refused.status_code == 422, name
    for name in ("evil.test/claim", "<b>evil", "{{ evil }}", "a@evil.test", "e\u202elive"):
        assert (await stranger.sign_up(V, username=name)).status_code == 422, name
    assert await world.mails() == []

    lures = [
        "Click https://evil.test to claim",
        "<a href=//evil.test>evil</a>",
        "\u202eevil",
        "{{ evil }}{{config}}{% raw %}evil",
        "${7777*7777} evil",
    ]
    for lure in lures:
        asked = await stranger.post(
            "/v1/accounts",
            json={"email": V, "password": PASSWORD, "given_name": lure, "family_name": lure},
            headers=[(b"User-Agent", lure.encode()), (b"X-Forwarded-For", lure.encode())],
        )
        assert asked.status_code == 202
    await world.member("w@victim.test")
    for lure in lures:  # an owner's letter takes another way
        asked = await stranger.post(
            "/v1/accounts",
            json={"email": "w@victim.test", "password": PASSWORD, "given_name": lure},
            headers=[(b"User-Agent", lure.encode())],
        )
        assert asked.status_code == 202
    await world.mails()
    assert len(world.messages) == 2 * len(lures) + 1
    for message in world.messages:
        written = message.subject + message.text + (message.html or "")
        for hint in ("evil", "\u202e", "{{", "${", "60481729"):
            assert hint not in _without_tokens(written), hint
    assert (await events(world))["sign_up.asked"] == 2 * len(lures) + 1


def _without_tokens(text: str) -> str:
    return " ".join(word for word in text.split() if "vlnk_" not in word and ":" not in word)


@pytest.mark.attack("A-086")
async def test_a_scanner_that_follows_the_link_spends_nothing(world: House) -> None:
    owner = world.browser()
    await owner.sign_up(V, username="victoria", given_name="Victoria")
    [letter] = await world.mails(V)
    before = await everything(world)
    robot = {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner) HeadlessChrome/120"}
    for headers in (robot, robot | {"Purpose": "prefetch"}, robot | {"Sec-Purpose": "prefetch"}):
        scanner = world.client(**headers)
        for method in ("HEAD", "GET", "GET", "GET"):
            seen = await scanner.request(method, cast(str, letter.link))
            assert seen.status_code == 200
            assert "Set-Cookie" not in seen.headers
            assert V not in seen.text
            assert "ictoria" not in seen.text
        # A script in a page of ours would do more than look: there is none, nor may there be.
        assert "<script" not in seen.text
        assert "script-src" not in seen.headers["Content-Security-Policy"]
        assert seen.headers["Content-Security-Policy"].startswith("default-src 'none'")
        # Even a robot that presses the button does not know the password.
        pressed = await scanner.post("/verify-email", data={"token": letter.token, "password": ""})
        assert pressed.status_code == 400
        assert "Set-Cookie" not in pressed.headers
    after = await everything(world)
    assert after["challenges"] == before["challenges"]
    assert after["accounts"] == after["sessions"] == []
    assert (await events(world))["proof.refused"] == 3

    opened = await owner.post("/verify-email", data={"token": letter.token, "password": PASSWORD})
    assert opened.status_code == 303
    assert (await owner.get("/v1/me")).json()["email"] == V
