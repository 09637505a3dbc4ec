"""Bodies, headers and passwords that nobody honest sends: refused, never a fault of ours."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast  # Any: JSON
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import select

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import CountingHasher, House, Kept, events, everything, face
from tests.world import PASSWORD, Client, Held
from vestibule.accounts.models import Account
from vestibule.web import reading

V = "v@victim.test"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LOGS = ("audit_entries", "audit_details", "counters")
LIMIT = 64 * 1024
ODD_CREDENTIALS = [
    b"Bearer %E0%A4%A",
    b"Bearer",
    b"Bearer ",
    b"Bearer  x y",
    b"bearer\tx",
    b"Bearer " + b"x" * 10_000,
    b"Bearer \xff\xfe",
    b"Basic !!!",
    b"Basic \xff",
    b"Basic YTpi",
    b"Digest",
    b"Negotiate x",
    b"",
    b"\xc3\xa9",
    b"x" * 10_000,
]
ODD_COOKIES = [
    b"%s",
    b"=",
    b";;;",
    b"%s=",
    b"%s=x",
    b"%s=\xff\xfe",
    b'%s="\\377\\303"',
    b'%s="\\355\\240\\200"',
    b"%s=\xed\xa0\x80",
    b"%s=%%00%%ff",
    b'%s="unclosed',
    b"%s=a; %s=b",
    b"%s=vses_" + b"A" * 10_000,
    b"; ".join(b"c%d=x" % number for number in range(300)) + b"; %s=x",
    b"\x80=\x80; %s=\x80",
]
ODD_VALUES: list[Any] = [  # Any: JSON of every shape
    {},
    [],
    True,
    False,
    0,
    1,
    -1,
    1.5,
    2**70,
    None,
    [V],
    [[]],
    {"a": 1},
    {"$ne": 1},
    {"$gt": ""},
    {"$regex": ".*"},
    {"0": V},
    [None] * 5_000,
    "x" * 5_000,
]
ODD_LITERALS = ["1e309", "-0", "-0.0", "9" * 5_000, "1e-400", "NaN", "Infinity", "-Infinity"]


REVOKE, HINT = "/v1/tokens/revoke", {"token_type_hint"}
NOBODY = "00000000-0000-7000-8000-000000000000"
METHODS = {
    "/v1/me": "PATCH",
    f"/v1/admin/accounts/{NOBODY}": "PATCH",
    f"/v1/admin/accounts/{NOBODY}/roles": "PUT",
}


def bodies() -> dict[str, tuple[dict[str, Any], set[str]]]:
    """A right body for every route that takes one, and which of its fields may be null."""
    handle, token = "vsup_" + "A" * 43, "vlnk_" + "A" * 43
    names = {"username": "victoria", "given_name": "V", "family_name": "W"}
    changes = names | {"picture": "https://victim.test/v.png", "profile": {"likes": "tea"}}
    return {
        "/v1/accounts": ({"email": V, "password": PASSWORD} | names, {"email", *names}),
        "/v1/login": (
            {"identifier": V, "password": PASSWORD, "remember": False, "deliver": "cookie"},
            set(),
        ),
        "/v1/accounts/verification": (
            {"sign_up": handle, "code": "2222-2222", "username": "victoria"},
            {"username"},
        ),
        "/v1/accounts/verification/letters": ({"sign_up": handle}, set()),
        "/v1/accounts/verification#": (
            {"token": token, "password": PASSWORD, "username": "victoria"},
            {"username"},
        ),
        "/v1/me": (changes, set(changes)),
        "/v1/me/api-keys": (
            {"name": "x", "scopes": [], "expires_in": 3600},
            {"expires_in"},
        ),
        "/v1/me/confirm": ({"password": PASSWORD}, {"password"}),
        "/v1/tokens/refresh": ({"refresh_token": "vref_" + "A" * 75}, set()),
        "/v1/password/forgot": ({"email": V}, set()),
        "/v1/password/reset": ({"token": token, "password": PASSWORD}, set()),
        "/v1/password/reset#": ({"email": V, "code": "2222-2222", "password": PASSWORD}, set()),
        "/v1/me/password": ({"current_password": PASSWORD, "new_password": PASSWORD}, set()),
        "/v1/me/email": ({"email": V}, set()),
        "/v1/email/confirmation": ({"token": token, "password": PASSWORD}, {"password"}),
        "/v1/email/undo": ({"token": token}, set()),
        "/v1/accounts/keep": ({"token": token}, set()),
        "/v1/oauth/demo/exchange": (
            {
                "code": "x",
                "code_verifier": "v" * 43,
                "redirect_uri": "https://victim.test/cb",
                "nonce": "x",
                "iss": "https://victim.test",
                "intent": "login",
            },
            {"nonce", "iss"},
        ),
        "/v1/oauth/demo/id-token": ({"id_token": "x", "nonce": "x", "intent": "login"}, set()),
        "/v1/me/identities/demo/exchange": (
            {
                "code": "x",
                "code_verifier": "v" * 43,
                "redirect_uri": "https://victim.test/cb",
                "nonce": "x",
                "iss": "https://victim.test",
            },
            {"nonce", "iss"},
        ),
        "/v1/me/identities/demo/id-token": ({"id_token": "x", "nonce": "x"}, set()),
        "/v1/me/identities/demo/link": ({"next": "/"}, {"next"}),
        "/v1/admin/accounts": (
            {"email": V, "email_verified": False, "password": PASSWORD, "roles": []} | names,
            {"email", "password", *names},
        ),
        f"/v1/admin/accounts/{NOBODY}": (changes | {"state": "active"}, set(changes)),
        f"/v1/admin/accounts/{NOBODY}/roles": ({"roles": []}, set()),
        REVOKE: ({"token": "vref_" + "A" * 75, "token_type_hint": "x"}, HINT),
    }


async def send(client: Client, route: str, **content: Any) -> httpx.Response:
    return await client.request(METHODS.get(route, "POST"), route.rstrip("#"), **content)


def test_every_route_that_takes_a_body_is_fuzzed(tmp_path: Path) -> None:
    from vestibule import Settings, create_app  # noqa: PLC0415 - the app alone, no world

    app = create_app(Settings.load(data_dir=tmp_path / "data"))
    taking = {
        rule.rule.replace("<provider>", "demo").replace("<account_id>", NOBODY)
        for rule in app.url_map.iter_rules()
        if hasattr(app.view_functions[rule.endpoint], "_quart_schema_request_schema")
    }
    assert taking == {path.rstrip("#") for path in bodies()}


@pytest.mark.attack("A-079")
async def test_broken_credentials_are_no_credentials(world: House) -> None:
    ada = await world.member()
    good = ada.cookies["__Host-vestibule"].encode()
    stranger = world.client()
    before = await everything(world)
    nobody = face(await stranger.get("/v1/me"))
    assert nobody[0] == 401
    for value in ODD_CREDENTIALS:
        answer = await stranger.get("/v1/me", headers=[(b"Authorization", value)])
        assert face(answer) == nobody, value
        # Who sends a token is judged by it, not by the cookie beside it.
        cookie = (b"Cookie", b"__Host-vestibule=" + good)
        answer = await stranger.get("/v1/me", headers=[(b"Authorization", value), cookie])
        token = value.lower().startswith(b"bearer")
        assert answer.status_code == (401 if token else 200), value
    for value in ODD_COOKIES:
        named = value.replace(b"%s", b"__Host-vestibule").replace(b"%%", b"%")
        for path in ("/v1/me", "/v1/me/sessions"):
            answer = await stranger.get(path, headers=[(b"Cookie", named)])
            assert answer.status_code == 401, value
        assert (await stranger.get("/verify-email", headers=[(b"Cookie", named)])).is_success
        odd = [(b"Cookie", named), (b"Origin", b"https://auth.test")]
        assert (await stranger.post("/v1/logout", headers=odd)).status_code == 204, value
    for value in (b"x" * 20_000, b"\xff\xfe", b"", "\U0001f600".encode()):
        answer = await stranger.post(
            "/v1/login",
            json={"identifier": V, "password": PASSWORD},
            headers=[(b"User-Agent", value)],
        )
        assert answer.status_code == 401
    assert await everything(world, but=LOGS) == {
        name: rows for name, rows in before.items() if name not in LOGS
    }
    assert (await ada.get("/v1/me")).status_code == 200


def fits(route: str, field: str, value: object) -> bool:
    """Tell whether an odd value is a right one after all."""
    if field in ("remember", "email_verified"):
        return isinstance(value, bool)
    if field in ("scopes", "roles"):
        return value in ([], [V])
    return route == REVOKE and field == "token" and isinstance(value, str)  # given back like others


@pytest.mark.attack("A-080")
async def test_no_field_takes_a_value_of_another_kind(world: House) -> None:
    victoria, stranger = await world.member(V), world.client()
    await world.give(V, "admin")
    before = await everything(world, but=LOGS)
    for route, (body, nullable) in bodies().items():
        path = route.rstrip("#")
        sender = stranger
        # A stranger's body is not looked at there; hers shall change nothing.
        if path.startswith(("/v1/me", "/v1/admin")):
            sender, body["one_too_many"] = victoria, 1
        for field in sorted(body.keys() - {"one_too_many"}):
            for value in ODD_VALUES:
                if fits(route, field, value) or (value is None and field in nullable):
                    continue
                answer = await send(sender, route, json=body | {field: value})
                assert 400 <= answer.status_code < 500, (path, field, value)
                assert answer.headers["Content-Type"] == "application/problem+json"
                if not (isinstance(value, str) or (field == "profile" and isinstance(value, dict))):
                    assert answer.status_code == 422, (path, field, value)
                    where = answer.json()["errors"][0]["field"].partition(".")[0]
                    assert where in (field, ""), (field, value)
            for literal in ODD_LITERALS:
                raw = json.dumps(body | {field: "HERE"}).replace('"HERE"', literal)
                answer = await send(sender, route, content=raw, headers=JSON)
                assert answer.status_code in (400, 422), (path, field, literal)
            if field not in nullable | {"remember", "deliver", "scopes", "intent"}:
                missing = {name: body[name] for name in body if name != field}
                assert (await send(sender, route, json=missing)).status_code == 422
    assert await everything(world, but=LOGS) == before
    assert not stranger.cookies
    assert (await world.browser().log_in(V)).status_code == 200


@pytest.mark.attack("A-080")
async def test_a_profile_holds_no_number_that_json_has_not(world: House) -> None:
    victoria = await world.member(V)
    for literal in ("NaN", "Infinity", "-Infinity", "1e309", "-1e309", "9" * 5_000):
        raw = f'{{"profile": {{"likes": [{literal}]}}}}'
        answer = await victoria.patch("/v1/me", content=raw, headers=JSON)
        # What is no JSON is refused as such; what is no number in it, as a profile.
        assert answer.status_code == (422 if "1e309" in literal else 400), literal
    named = {"profile": {"likes": [1e300, -0.5, 2**53]}}
    assert (await victoria.patch("/v1/me", json=named)).json()["profile"] == named["profile"]


@pytest.mark.attack("A-080")
async def test_only_one_plain_json_object_in_utf8_is_a_body(world: House) -> None:
    stranger = world.client()
    right = json.dumps({"email": V, "password": PASSWORD})
    whole: list[bytes] = [
        *(b"[]", b'"x"', b"1", b"null", b"true", b"", b" ", b"{", b"{}{}", b"[[", b"{]"),
        *(b"NaN", b'{"email":NaN}', b"'x'", b"{'a':1}", b"{a:1}", b"// x\n{}"),
        right.encode() + b"x",
        right.encode() + right.encode(),
        right.encode() + b"\x00",
        b"\xef\xbb\xbf" + right.encode(),
        right.encode("utf-16"),
        right.encode("utf-32"),
        right.replace("v@", "\u00e9@").encode("latin-1")[:-1] + b"\xff}",
        right.replace('"email"', '"email": 1, "email"').encode(),
        right.replace('"email"', '"e\\u006dail": 1, "email"').encode(),
        b'{"password":"' + PASSWORD.encode() + b'","email":"v@victim.test\xc0\xae"}',
        b'[{"email":"v@victim.test"}]',
    ]
    before = await everything(world)
    for body in whole:
        answer = await stranger.post("/v1/accounts", content=body, headers=JSON)
        assert answer.status_code in (400, 422), body
        assert answer.headers["Content-Type"] == "application/problem+json"
    for kind in (
        "application/json; charset=utf-7",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/jsonx",
        "application/problem+json",
        "text/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "",
        "nonsense",
    ):
        answer = await stranger.post(
            "/v1/accounts", content=right, headers={"Content-Type": kind} if kind else {}
        )
        assert answer.status_code == 415, kind
    assert await everything(world) == before
    for kind in ("application/json", "application/json; charset=UTF-8", "Application/JSON"):
        answer = await stranger.post("/v1/accounts", content=right, headers={"Content-Type": kind})
        assert answer.status_code == 202, kind


@pytest.mark.attack("A-080")
async def test_no_depth_of_nesting_is_too_much_for_us(world: House) -> None:
    stranger = world.client()
    depths = [*range(1, 1_100, 3), *range(960, 1_000), 5_000, 20_000, 32_000]
    for depth in depths:
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            inside = "1" if opening != "[" else ""
            nested = opening * depth + inside + closing * depth
            for body in (nested, f'{{"email":"{V}","password":{nested}}}', opening * depth):
                answer = await stranger.post("/v1/accounts", content=body, headers=JSON)
                assert 400 <= answer.status_code < 500, depth
    assert (await stranger.sign_up(V)).status_code == 202


@pytest.mark.attack("A-025")
async def test_no_text_is_taken_for_sql(world: House) -> None:
    await world.member("w@victim.test")
    victoria, stranger = await world.member(V, username="victoria"), world.client()
    before = await everything(world, but=LOGS)
    for text in (
        "' or 1=1 --",
        "' or '1'='1",
        "victoria' --",
        "victoria'; drop table accounts; --",
        "victoria%",
        "victori?",
        "$1",
        ":key",
        "\\' or 1=1 --",
        "x' union select password_hash from accounts --",
        "'||(select pg_sleep(3))||'",
        "x'; select pg_sleep(3); --",
        "'||randomblob(100000000)||'",
        "%' or '1'='1",
    ):
        start = time.perf_counter()
        answers = [
            await stranger.log_in(text),
            await stranger.log_in("victoria", text),
            await stranger.prove(sign_up=text, code=text),
            await stranger.prove(token=text, password=text),
            await stranger.post("/v1/accounts/verification/letters", json={"sign_up": text}),
            await stranger.sign_up(text),
            await stranger.sign_up(None, username=text),
            await victoria.get("/v1/me/sessions", params={"cursor": text}),
            await victoria.get("/v1/me/sessions", params={"limit": text}),
            await victoria.get("/v1/me/sessions", params={"sort": text}),
            await victoria.delete(f"/v1/me/sessions/{quote(text, safe='')}"),
            await world.client(Cookie=f"__Host-vestibule={quote(text)}").get("/v1/me"),
        ]
        found = [each.status_code for each in answers]
        assert found[:4] == [401, 401, 400, 400], text
        assert found[4] == 202, "as for every handle that nobody has"
        assert found[5:] == [422, 422, 422, 422, 422, 404, 401], text
        assert time.perf_counter() - start < 2, "nobody slept"
    assert (await stranger.log_in("v_ctoria")).status_code == 401
    assert await everything(world, but=LOGS) == before
    named = {"given_name": "Robert'); drop table accounts; --", "profile": {"a": "' or 1=1"}}
    assert (await victoria.patch("/v1/me", json=named)).status_code == 200
    kept = (await victoria.get("/v1/me")).json()
    assert {name: kept[name] for name in named} == named


@pytest.mark.attack("A-081")
async def test_nul_and_half_characters_are_refused_in_every_field(world: House) -> None:
    stranger = world.client()
    before = await everything(world)
    halves = ("\\u0000", "a\\u0000b", "\\ud800", "\\udc00x", "\\ud83d", "\\ude00\\ud83d")
    for route, (body, _) in bodies().items():
        fields = [field for field, value in body.items() if isinstance(value, str)]
        raw = [json.dumps(body | {field: "HERE"}) for field in fields]
        raw += [json.dumps(body)[:-1] + ',"HERE":1}']
        for each, bad in itertools.product(raw, halves):
            content = each.replace("HERE", bad)
            answer = await send(stranger, route, content=content, headers=JSON)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    for form in (
        "token=x&password=%00",
        "token=%00",
        "token=x&password=a&password=b",
        "token=%ff&password=%ff",
        "token=%ed%a0%80&password=x",
        "token=%",
        "&&&=",
        "token",
        "",
    ):
        answer = await stranger.post("/verify-email", content=form, headers=FORM)
        assert answer.status_code == 400, form
    assert await everything(world) == before
    assert (await stranger.sign_up(V)).status_code == 202
    assert (await stranger.log_in(V, "correct horse")).status_code == 401


@pytest.mark.attack("A-081")
async def test_control_characters_are_in_no_name_and_no_address(world: House) -> None:
    stranger = world.client()
    before = await everything(world)
    for sign in ("\x7f", "\x01", "\r\n", "\x85", "\t"):
        for field in ("username", "given_name", "family_name"):
            assert (await stranger.sign_up(V, **{field: f"vic{sign}tor"})).status_code == 422
    for sign in ("\x7f", "\x01", "\r\n", "\u202e", "\u200b", "\u2028", "\U0001f600"):
        for odd in ({"username": f"vic{sign}tor"}, {"email": f"v@vic{sign}tim.test"}):
            answer = await stranger.sign_up(**({"email": V} | odd))
            assert answer.status_code == 422, ascii(odd)
    assert await everything(world) == before
    for name in ("vic\x01tor", "\u202evictor", "\U0001f600" * 5, "\x7f@\x7f", "a@" + "\u0301" * 50):
        assert (await stranger.log_in(name)).status_code == 401, ascii(name)
    assert (await stranger.sign_up(V, username="victor")).status_code == 202


@pytest.mark.attack("A-081")
async def test_what_is_taken_is_kept_exactly(world: House) -> None:
    name = "\U0001f600 \u202eO\u2019Neill \u00e9"
    password = "\U0001f600\u200b\u202e p\x01\x7f\r\n\u00e9 "
    await world.member(V, given_name=name, password=password)
    assert await world.rows(select(Account.given_name)) == [(name,)]
    stranger = world.browser()
    for other in (password.strip(), password.replace("\u200b", ""), password.upper()):
        assert other != password
        assert (await stranger.log_in(V, other)).status_code == 401
    assert (await stranger.log_in(V, password)).status_code == 200


@pytest.mark.attack("A-082")
async def test_every_sign_of_a_password_counts(world: House) -> None:
    tail = "SECRET-TAIL"
    for length in (8, 55, 64, 71, 72, 73, 128, 245):
        for fill in ("ab", "é\u65e5"):
            head = (fill * length)[:length]
            email = f"p{length}{ord(fill[0])}@victim.test"
            asked = await world.client().sign_up(email, password=head + tail)
            assert asked.status_code == 202, length
            token = (await world.mails(email))[-1].token
            client = world.browser()
            for other in (head, head + "OTHER-TAIL-", head + tail[:-1], head + tail + "x"):
                assert (await client.prove(token=token, password=other)).status_code == 400
            assert (await client.prove(token=token, password=head + tail)).status_code == 200
            for other in (head + "other", head + tail.lower(), head + tail + " "):
                assert (await client.log_in(email, other)).status_code == 401, length
            assert (await client.log_in(email, head + tail)).status_code == 200
    for length in (257, 1_024, 4_096, 10_000):
        refused = await world.client().sign_up(V, password="ab" * (length // 2) + "c")
        assert refused.status_code == 422, "too long is refused, not cut"
    composed, apart = "caf\u00e9 au lait", "cafe\u0301 au lait"
    await world.member("cafe@victim.test", password=composed)
    assert (await world.browser().log_in("cafe@victim.test", apart)).status_code == 401


@pytest.mark.attack("A-083")
async def test_what_is_too_long_is_refused_before_anything_is_hashed(
    database_url: str, tmp_path: Path
) -> None:
    hasher = CountingHasher()
    async with House.running(
        database_url, tmp_path, hasher=hasher, transport=Kept(), **PRODUCTION
    ) as running:
        world = cast(House, running)
        await world.member(V)
        await world.client().sign_up("w@victim.test")
        token = (await world.mails("w@victim.test"))[-1].token
        stranger = world.client()
        before, rows = hasher.work, await everything(world)
        for length, expected in ((10_000, 422), (60_000, 422), (LIMIT, 413), (1_000_000, 413)):
            long = "pq" * (length // 2)
            for path, body in (
                ("/v1/accounts", {"email": "x@victim.test", "password": long}),
                ("/v1/login", {"identifier": V, "password": long}),
                ("/v1/login", {"identifier": "nobody@victim.test", "password": long}),
                ("/v1/login", {"identifier": long, "password": PASSWORD}),
                ("/v1/accounts/verification", {"token": token, "password": long}),
                ("/v1/accounts/verification/letters", {"sign_up": long}),
            ):
                answer = await stranger.post(path, json=body)
                assert answer.status_code == expected, (path, length)
                assert answer.headers["Content-Type"] == "application/problem+json"
            form = {"token": token, "password": long}
            answer = await stranger.post("/verify-email", data=form)
            assert answer.status_code in (400, 413), length
        assert hasher.work == before
        assert await everything(world) == rows
        assert (await world.browser().log_in(V)).status_code == 200
        assert (await stranger.prove(token=token, password=PASSWORD)).status_code == 200


@pytest.mark.attack("A-083")
async def test_a_body_that_does_not_arrive_is_given_up(
    world: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BODY_TIMEOUT", 0.2)
    whole = json.dumps({"email": V, "password": PASSWORD}).encode()

    async def dripping(wait: float) -> AsyncIterator[bytes]:
        yield whole[:10]
        await asyncio.sleep(wait)
        yield whole[10:]

    for path in ("/v1/accounts", "/v1/logout", "/verify-email", "/v1/accounts/verification"):
        async with asyncio.timeout(5):
            late = await world.client().post(path, content=dripping(60), headers=JSON)
        assert late.status_code == 408, path
    assert (await everything(world))["challenges"] == []
    asked = await world.client().post("/v1/accounts", content=dripping(0.01), headers=JSON)
    assert asked.status_code == 202


@pytest.mark.attack("A-083")
async def test_two_hundred_log_ins_at_once_leave_the_others_a_turn(
    database_url: str, tmp_path: Path
) -> None:
    # A hash in one thread: 81 may be under way or wait, the rest is told so at once.
    given = PRODUCTION | {"hash_threads": 1}
    held = Held()
    async with House.running(
        database_url, tmp_path, hasher=held, transport=Kept(), **given
    ) as running:
        world = cast(House, running)
        passwords = world.vestibule.means.passwords
        passwords.patience = 60
        client = world.client()
        storm = [
            asyncio.create_task(client.log_in(f"{n}@victim.test", "not it")) for n in range(200)
        ]
        async with asyncio.timeout(60):
            while sum(task.done() for task in storm) + passwords.load().waiting < 199:
                assert (await client.get("/healthz")).status_code == 200
        assert passwords.load().running == 1
        assert passwords.load().waiting <= 80
        for task in storm[::2]:  # hanging up makes no room beside the one at work
            task.cancel()
        held.may_go.set()
        answers = [
            each
            for each in await asyncio.gather(*storm, return_exceptions=True)
            if not isinstance(each, BaseException)
        ]
        refused = [each for each in answers if each.status_code == 503]
        assert {each.status_code for each in answers} == {401, 503}
        assert all(int(each.headers["Retry-After"]) > 0 for each in refused)
        assert (await events(world))["login.refused"] <= 81
        await world.member(V)
