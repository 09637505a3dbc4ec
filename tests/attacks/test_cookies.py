"""The session cookie: whose it is, who may use it, and what it looks like."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.attacks.looking import House, events, everything, face
from tests.world import PASSWORD, World

V = "v@victim.test"
COOKIE = "__Host-vestibule"
OWN = "https://auth.test"
JSON = {"Content-Type": "application/json"}
FOREIGN = [
    {"Origin": "https://evil.test"},
    {"Origin": "null"},
    {"Origin": "https://auth.test.evil.test"},
    {"Origin": "https://evilauth.test"},
    {"Origin": "http://auth.test"},
    {"Origin": "https://sub.auth.test"},
    {"Origin": "https://auth.test:444"},
    {"Origin": "https://auth.test@evil.test"},
    {"Origin": "https://auth.test, https://evil.test"},
    {"Origin": ""},
    {"Origin": "file://"},
    {"Origin": "http://localhost:8000"},
    {"Referer": "https://evil.test/"},
    {"Referer": "https://evil.test/https://auth.test/"},
    {"Referer": "https://auth.test.evil.test/"},
    {"Referer": "nonsense"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
    {"Sec-Fetch-Site": "none", "Origin": "https://evil.test"},
    {"Sec-Fetch-Site": "none", "Origin": "null"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://evil.test"},
    {"Sec-Fetch-Site": "cross-site", "Referer": "https://auth.test/"},
]
TYPES = [
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    None,
]


# The same for everybody: keys that verify, which anybody may keep and read.
PUBLIC = "/.well-known/jwks.json"


def routes(world: World, *, unsafe: bool) -> Iterator[tuple[str, str]]:
    """Every method and path that the service serves, but for what front ends from Flask ask."""
    theirs = world.app.extensions.get("vestibule_dialects", {})
    wanted = {"POST", "PUT", "PATCH", "DELETE"} if unsafe else {"GET", "HEAD"}
    for rule in world.app.url_map.iter_rules():
        if rule.endpoint.rpartition(".")[0] in theirs:
            continue
        path = rule.rule.replace("<session_id>", str(uuid4())).replace("<provider>", "demo")
        path = path.replace("<key_id>", str(uuid4())).replace("<token>", "x")
        path = path.replace("<account_id>", str(uuid4())).replace("<letter_id>", str(uuid4()))
        assert "<" not in path, "teach this test the new parameter"
        if path == PUBLIC:
            continue
        for method in sorted(wanted & (rule.methods or set())):
            yield method, path


def attributes(answer: httpx.Response) -> dict[str, str]:
    """The attributes of the session's cookie that an answer sets, as they stand there."""
    lines = answer.headers.get_list("Set-Cookie")
    [line] = [each for each in lines if not each.partition("=")[0].endswith("_device")]
    first, *rest = line.split("; ")
    name, _, value = first.partition("=")
    found = {"name": name, "value": value}
    return found | {key.lower(): given for key, _, given in (part.partition("=") for part in rest)}


@pytest.mark.attack("A-023")
async def test_a_session_id_that_was_there_before_never_becomes_ours(world: House) -> None:
    await world.member(V)
    mallory = await world.member("a@evil.test")
    planted = [
        "chosen",
        "vses_" + "A" * 43,
        mallory.cookies[COOKIE],  # a live one, of the attacker's own
    ]
    for value in planted:
        victim = world.browser()
        victim.cookies.set(COOKIE, value, domain="auth.test", path="/")
        assert (await victim.get("/verify-email")).status_code == 200
        entered = await victim.post(
            f"/v1/login?session={value}&session_id={value}",
            json={"identifier": V, "password": PASSWORD},
            headers={"X-Session": value, "X-Session-Id": value},
        )
        assert entered.status_code == 200
        given = attributes(entered)["value"]
        assert given not in planted
        assert given.startswith("vses_")
        attacker = world.client(Cookie=f"{COOKIE}={value}")
        assert (await attacker.get("/v1/me")).status_code == 401, "what was planted is dead"
        mine = world.client(Cookie=f"{COOKIE}={given}")
        assert (await mine.get("/v1/me")).json()["email"] == V
    body = {"identifier": V, "password": PASSWORD, "session_id": planted[0]}
    assert (await world.browser().post("/v1/login", json=body)).status_code == 422
    twice = [attributes(await world.browser().log_in(V))["value"] for _ in range(2)]
    assert twice[0] != twice[1], "a log-in is always a new session"
    assert (await events(world))["login.succeeded"] == 2 + len(planted) + 2


@pytest.mark.attack("A-023")
async def test_a_cookie_that_only_looks_like_ours_signs_nobody_in(world: House) -> None:
    """A name with the prefix comes from us alone: what a neighbour can set must not pass for it."""
    secret = (await world.member(V)).cookies[COOKIE].encode()
    for name in (
        b"vestibule",
        b"__Secure-vestibule",
        b"__host-vestibule",
        b"__HOST-VESTIBULE",
        b"=__Host-vestibule",
        b"\xa0__Host-vestibule",
        b"\x85__Host-vestibule",
        b"\xe2\x80\x80__Host-vestibule",
        b"__Host-vestibule\xa0",
        b"__Host-vestibule[]",
        b"__Host-vestibule.0",
        b"%5F_Host-vestibule",
        b'"__Host-vestibule"',
        b"$Version=1,__Host-vestibule",
        b"a=b,__Host-vestibule",
        b"__Host-vestibule_device",
    ):
        headers = [(b"Cookie", name + b"=" + secret)]
        answer = await world.client().get("/v1/me", headers=headers)
        assert answer.status_code == 401, name
    headers = [(b"Cookie", COOKIE.encode() + b"=" + secret)]
    assert (await world.client().get("/v1/me", headers=headers)).status_code == 200


@pytest.mark.attack("A-042")
async def test_another_sites_page_changes_nothing_with_our_cookie(world: House) -> None:
    victim = await world.member(V)
    cookie = {"Cookie": f"{COOKIE}={victim.cookies[COOKIE]}"}
    session = (await victim.get("/v1/me/sessions")).json()["sessions"][0]["id"]
    unsafe = [*routes(world, unsafe=True), ("DELETE", f"/v1/me/sessions/{session}")]
    assert len(unsafe) >= 9
    await world.mails()
    before = await everything(world)
    bare = world.client()
    for method, path in unsafe:
        for lie in [*FOREIGN, {}]:
            for kind in TYPES:
                typed = {"Content-Type": kind} if kind else {}
                refused = await bare.request(
                    method, path, headers=cookie | lie | typed, content=b"{}"
                )
                assert refused.status_code == 403, (method, path, lie, kind)
                assert "Set-Cookie" not in refused.headers
    for path in ("/v1/logout", "/v1/me/sessions", "/verify-email"):
        for override in ("DELETE", "POST"):
            await bare.get(
                f"{path}?_method={override}",
                headers=cookie | {"X-HTTP-Method-Override": override, "X-Method": override},
            )
    assert await everything(world) == before

    # A program with its own credential is no browser; the cookie beside it does not count.
    for lie in FOREIGN:
        program = cookie | lie | {"Authorization": "Bearer vses_nothing"}
        assert (await bare.post("/v1/logout-all", headers=program)).status_code == 401
    assert await everything(world) == before
    # A refusal says what would do, and that does.
    hint = (await bare.post("/v1/logout", headers=cookie)).json()["detail"]
    assert hint == f"Send the header Origin: {OWN}"
    for honest in (
        {"Origin": OWN},
        {"Referer": f"{OWN}/page"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
    ):
        done = await bare.delete("/v1/me/sessions", headers=cookie | honest)
        assert done.status_code == 204, honest
    assert (await victim.post("/v1/logout")).status_code == 204


@pytest.mark.attack("A-043")
async def test_another_sites_page_signs_nobody_in_or_up(world: House) -> None:
    await world.member("a@evil.test")
    await world.client().sign_up(V)
    token = (await world.mails(V))[-1].token
    before = await everything(world)
    victim = world.client()
    credentials = {"identifier": "a@evil.test", "password": PASSWORD}
    for lie in FOREIGN:
        for path, body in (
            ("/v1/login", credentials),
            ("/v1/accounts", {"email": "w@victim.test", "password": PASSWORD}),
            ("/v1/accounts/verification", {"token": token, "password": PASSWORD}),
            ("/v1/accounts/verification/letters", {"sign_up": "x"}),
            ("/verify-email", {"token": token, "password": PASSWORD}),
        ):
            as_json = httpx.Request("POST", OWN, json=body).content
            for sent in (
                {"json": body},
                {"data": body},
                {"content": as_json, "headers": lie | {"Content-Type": "text/plain"}},
            ):
                answer = await victim.post(path, **{"headers": lie} | sent)
                assert answer.status_code == 403, (path, lie)
                assert "Set-Cookie" not in answer.headers
    assert await everything(world) == before
    assert not victim.cookies
    for kind in ("text/plain", "application/x-www-form-urlencoded"):  # nor with our own Origin
        answer = await world.browser().post(
            "/v1/login", content=as_json, headers={"Content-Type": kind}
        )
        assert answer.status_code == 415

    assert (await world.browser().log_in("a@evil.test")).status_code == 200
    own = await world.browser().post("/verify-email", data={"token": token, "password": PASSWORD})
    assert own.status_code == 303


@pytest.mark.attack("A-044")
async def test_looking_changes_nothing_and_shows_no_secret(world: House) -> None:
    victim = await world.member(V)
    asked = await world.client().sign_up("w@victim.test")
    letter = (await world.mails("w@victim.test"))[-1]
    secrets = [victim.cookies[COOKIE], asked.json()["sign_up"], letter.code]
    before = await everything(world)
    world.clock.move(timedelta(minutes=5))
    safe = [*routes(world, unsafe=False), *routes(world, unsafe=True)]
    for _, path in safe:
        for method in ("GET", "HEAD"):
            for query in ("", f"?token={letter.token}", "?include_auth_token=1&_method=POST"):
                for client in (victim, world.client()):
                    seen = await client.request(method, path + query)
                    assert seen.status_code < 500
                    assert "Set-Cookie" not in seen.headers, path
                    assert not any(str(secret) in seen.text for secret in secrets), path
                    assert "vses_" not in seen.text
                    assert query.startswith("?token") or "vlnk_" not in seen.text
    assert await everything(world) == before
    assert (await world.client().get("/v1/logout")).status_code == 405
    assert (await victim.get("/v1/me")).status_code == 200
    proved = await world.client().prove(token=letter.token, password=PASSWORD)
    assert proved.status_code == 200


@pytest.mark.attack("A-046")
async def test_no_foreign_page_may_read_an_answer(world: House) -> None:
    """Where no further origin is listed, not even our own is told anything."""
    victim = await world.member(V)
    cookie = {"Cookie": f"{COOKIE}={victim.cookies[COOKIE]}"}
    bare = world.client()
    origins = [lie["Origin"] for lie in FOREIGN if "Origin" in lie]
    for origin in [*origins, OWN, "https://app.test:444", "https://AUTH.test", "https://evil?.a"]:
        asks = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,authorization",
        }
        for method, path in [*routes(world, unsafe=False), *routes(world, unsafe=True)]:
            for verb in ("OPTIONS", method):
                answer = await bare.request(verb, path, headers=cookie | asks)
                assert answer.status_code < 500
                assert not any(
                    name.lower().startswith("access-control") for name in answer.headers
                ), (verb, path, origin)
    fresh = await world.browser().log_in(V)
    assert fresh.status_code == 200


@pytest.mark.attack("A-056")
async def test_sessions_of_others_do_not_exist(world: House) -> None:
    victim, mallory = await world.member(V), await world.member("a@evil.test")
    theirs = (await victim.get("/v1/me/sessions")).json()["sessions"][0]["id"]
    mine = (await mallory.get("/v1/me/sessions")).json()["sessions"][0]["id"]
    before = await everything(world)
    nothing = await mallory.delete(f"/v1/me/sessions/{uuid4()}")
    assert (nothing.status_code, nothing.json()["code"]) == (404, "session_unknown")
    for named in (
        theirs,
        theirs.upper(),
        theirs.replace("-", ""),
        f"{{{theirs}}}",
        f"urn:uuid:{theirs}",
        theirs + "x",
        theirs[:-1],
        "1",
        "0",
        "null",
        "%00",
        f"{theirs},{mine}",
        f"['{theirs}']",
        "' or 1=1 --",
    ):
        answer = await mallory.delete(f"/v1/me/sessions/{named}")
        assert face(answer) == face(nothing), named
    for method in ("GET", "PATCH", "PUT", "POST"):
        answer = await mallory.request(method, f"/v1/me/sessions/{theirs}")
        assert answer.status_code == 405
    seen = (await mallory.get("/v1/me/sessions", params={"cursor": theirs})).json()["sessions"]
    assert theirs not in str(seen)
    for path in (f"/v1/accounts/{theirs}", f"/v1/users/{theirs}", f"/v1/me/{theirs}"):
        assert (await mallory.get(path)).status_code == 404
    assert await everything(world) == before
    assert (await victim.get("/v1/me")).status_code == 200

    assert (await victim.delete(f"/v1/me/sessions/{theirs}")).status_code == 204
    assert (await victim.get("/v1/me")).status_code == 401
    assert (await events(world))["session.ended"] == 1


@pytest.mark.attack("A-074")
async def test_nobody_signs_somebody_else_out(world: House) -> None:
    victim, mallory = await world.member(V), await world.member("a@evil.test")
    session = (await victim.get("/v1/me/sessions")).json()["sessions"][0]["id"]
    cookie = {"Cookie": f"{COOKIE}={victim.cookies[COOKIE]}"}
    bare = world.client()
    for path in ("/v1/logout", "/v1/logout-all"):
        assert (await bare.get(path, headers=cookie)).status_code == 405
        for lie in [*FOREIGN, {}]:
            refused = await bare.post(path, headers=cookie | lie)
            assert refused.status_code == 403, lie
            assert "Set-Cookie" not in refused.headers
    # Naming somebody else's session with one's own credential ends one's own, if any.
    for client in (world.browser(), mallory):
        await client.post("/v1/logout", json={"session_id": session, "sessions": [session]})
        await client.post(f"/v1/logout?session_id={session}")
        await client.delete(f"/v1/me/sessions/{session}")
    assert (await victim.get("/v1/me")).status_code == 200
    assert (await mallory.get("/v1/me")).status_code == 401

    assert (await victim.post("/v1/logout")).status_code == 204
    assert (await bare.get("/v1/me", headers=cookie)).status_code == 401


@pytest.mark.attack("A-089")
async def test_no_answer_may_be_kept_by_a_cache(world: House) -> None:
    victim = await world.member(V)
    entered = await world.browser().log_in(V)
    paths = [path for _, path in (*routes(world, unsafe=False), *routes(world, unsafe=True))]
    for path in [*paths, "/v1/me.css", "/v1/me/x.js", "/v1/me/", "/", "/favicon.ico"]:
        for client in (victim, world.client()):
            for method in ("GET", "HEAD", "OPTIONS", "POST"):
                answer = await client.request(method, path)
                assert answer.headers["Cache-Control"] == "no-store", (method, path)
    assert entered.headers["Cache-Control"] == "no-store"
    victim = await world.member("w@victim.test")
    for path in (
        *("/v1/me.css", "/v1/me/x.js", "/v1/me/", "/v1/me//", "/v1/me;.css", "/v1/me%3b.css"),
        *("/v1/me%00.css", "/v1/me%0a.css", "/v1/me%2f.css", "/v1/me%3f.css", "/v1/me%23.css"),
        *("/v1/me%20", "/v1/me.", "/v1/me..", "/V1/me", "/v1/Me", "/v1//me", "/v1/me/%2e%2e/x.css"),
        *("/static/..%2fv1/me", "/v1/me%5c.css", "/x.css/..%2fv1/me", "/v1/.%2fme"),
    ):
        again = await victim.get(path)
        assert again.status_code == 404, "no second name for a personal answer"
        assert "w@victim.test" not in again.text
    assert (await victim.get("/v1/me")).json()["email"] == "w@victim.test"


@pytest.mark.attack("A-090")
@pytest.mark.parametrize("way", ["logout", "logout-all", "ended", "ended by another", "replaced"])
async def test_a_copied_cookie_is_worth_nothing_after_its_session(world: House, way: str) -> None:
    victim = await world.member(V)
    copied = world.client(Cookie=f"{COOKIE}={victim.cookies[COOKIE]}", Origin=OWN)
    assert (await copied.get("/v1/me")).json()["email"] == V
    session = (await victim.get("/v1/me/sessions")).json()["sessions"][0]["id"]
    match way:
        case "ended":
            ended = await victim.delete(f"/v1/me/sessions/{session}")
        case "ended by another":
            other = world.browser()
            await other.log_in(V)
            ended = await other.delete("/v1/me/sessions")
        case "replaced":
            ended = await victim.log_in(V)
        case _:
            ended = await victim.post(f"/v1/{way}")
    assert ended.status_code in (200, 204)
    for method, path in (
        ("GET", "/v1/me"),
        ("GET", "/v1/me/sessions"),
        ("DELETE", "/v1/me/sessions"),
        ("POST", "/v1/logout-all"),
    ):
        assert (await copied.request(method, path)).status_code == 401, path
    counted = await events(world)
    assert counted["session.ended"] + counted["sessions.ended"] == 1
    assert (await world.browser().log_in(V)).status_code == 200


@pytest.mark.attack("A-090")
@pytest.mark.parametrize("remember", [False, True])
async def test_a_copied_cookie_ends_by_the_clock(world: House, remember: bool) -> None:
    await world.member(V)
    idle, most = (timedelta(days=30), 90) if remember else (timedelta(hours=24), 7)
    resting, used = world.browser(), world.browser()
    for client in (resting, used):
        assert (await client.log_in(V, remember=remember)).status_code == 200
    world.clock.move(idle - timedelta(minutes=1))
    assert (await used.get("/v1/me")).status_code == 200
    await world.vestibule.write_touches()
    world.clock.move(timedelta(minutes=2))
    assert (await resting.get("/v1/me")).status_code == 401, "unused for too long"
    steps = 0
    while (await used.get("/v1/me")).status_code == 200:
        await world.vestibule.write_touches()
        world.clock.move(idle / 2)
        steps += 1
        assert steps < 20
    lived = idle + steps * idle / 2 + timedelta(minutes=1)
    assert timedelta(days=most) <= lived < timedelta(days=most) + idle, "too old, however used"


@pytest.mark.attack("A-106")
async def test_every_answer_tells_browsers_to_be_careful(world: House) -> None:
    victim = await world.member(V)
    stranger = world.client()
    huge = b"x" * (64 * 1024 + 1)
    answers = [
        await victim.get("/v1/me"),
        await world.browser().log_in(V),
        await stranger.get("/verify-email"),
        await stranger.get("/verify-email?token=x"),
        await stranger.post("/verify-email", data={"token": "x", "password": "y"}),
        await stranger.get("/healthz"),
        await stranger.get("/readyz"),
        await stranger.get("/nowhere"),
        await stranger.get("/v1/nowhere"),
        await stranger.get("/v1/login"),
        await stranger.get("/v1/me"),
        await stranger.options("/v1/me"),
        await stranger.post(
            "/v1/login", content=b"{", headers={"Content-Type": "application/json"}
        ),
        await stranger.post("/v1/login", content=b"{}", headers={"Content-Type": "text/xml"}),
        await stranger.post("/v1/login", json={}),
        await stranger.post("/v1/login", content=huge, headers={"Content-Type": "text/plain"}),
        await stranger.post("/verify-email", content=huge),
        await world.client(Origin="https://evil.test").post("/v1/logout"),
        await world.client(Host="evil.test").get("/v1/me"),
        await victim.post("/v1/logout"),
    ]
    async with world.vestibule.unit() as unit:  # something that nobody foresaw
        await unit.session.execute(text("ALTER TABLE sessions RENAME TO elsewhere"))
    answers.append(await world.client(Cookie=f"{COOKIE}=vses_x").get("/v1/me"))
    assert answers[-1].status_code in (500, 503)
    for word in ("sessions", "SELECT", "Traceback", "asyncpg", "sqlite"):
        assert word not in answers[-1].text
    statuses = {answer.status_code for answer in answers}
    assert {200, 204, 400, 401, 403, 404, 405, 413, 415, 421, 422} <= statuses
    for answer in answers:
        headers = answer.headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000", answer.url
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        policy = headers["Content-Security-Policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "base-uri 'none'" in policy
        assert not any("unsafe" in each or "*" in each for each in policy)


@pytest.mark.attack("A-107")
async def test_the_cookie_is_ours_alone_and_dies_with_its_session(world: House) -> None:
    await world.member(V)
    browser = world.browser()
    entered = await browser.log_in(V)
    remembered = await world.browser().log_in(V, remember=True)
    gone = await browser.post("/v1/logout")
    await world.client().sign_up("w@victim.test")
    token = (await world.mails("w@victim.test"))[-1].token
    landed = await world.browser().post(
        "/verify-email", data={"token": token, "password": PASSWORD}
    )
    fixed = {"name": COOKIE, "path": "/", "secure": "", "httponly": "", "samesite": "Lax"}
    for answer in (entered, remembered, gone, landed):
        found = attributes(answer)
        assert {name: found.get(name) for name in fixed} == fixed
        assert "domain" not in found
        assert all(len(line) < 400 for line in answer.headers.get_list("Set-Cookie"))
        assert V not in answer.headers["Set-Cookie"]
    for answer in (entered, landed):
        assert not {"max-age", "expires"} & set(attributes(answer)), "until the browser closes"
    assert int(attributes(remembered)["max-age"]) <= 90 * 24 * 3600
    taken = attributes(gone)
    assert taken["value"] in ("", '""')
    assert int(taken["max-age"]) == 0


@pytest.mark.attack("A-107")
async def test_on_a_developers_machine_the_cookie_is_as_closed_as_http_lets_it(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path) as workshop:
        await workshop.member(V)
        found = attributes(await workshop.browser().log_in(V))
        assert found["name"] == "vestibule"
        assert (found["path"], found["samesite"], found["httponly"]) == ("/", "Lax", "")
        assert "secure" not in found
