"""A built front end, served from a folder on the origin of its API."""

import re
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any  # Any: whatever the settings take

import httpx
import pytest

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import Kept
from tests.processes import serving
from tests.test_serve import failing
from tests.world import PASSWORD, World
from vestibule import Settings
from vestibule.kernel.errors import CannotStart

PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SCRIPT = {"Accept": "application/json, text/plain, */*"}
INLINE = "\n  window.answer = 6 < 7 && '&amp;';\n"
INDEX = f"""<!doctype html><html><head><title>Built</title>
<link rel="stylesheet" href="https://fonts.example/css?family=Lato">
<script src="//cdn.example/lib/jquery.min.js"></script>
<script>{INLINE}</script>
<!--[if lt IE 9]><script src="https://old.example/shim.js"></script><![endif]-->
<script src="/static/js/main.3fa2b1c4.js"></script></head><body style="margin: 0"></body></html>
"""
FILES = {
    "index.html": INDEX,
    "about.html": "<!doctype html><script>about()</script>",
    "favicon.ico": "icon",
    "manifest.webmanifest": "{}",
    "robots.txt": "User-agent: *",
    "logo.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    "static/js/main.3fa2b1c4.js": "run()",
    "static/js/main.3fa2b1c4.js.map": "{}",
    "static/css/main.css": "body {}",
    "static/media/font.0a1b2c3d4e5f60718293.woff2": "font",
    "assets/index-Di3rgTda.js": "vite()",
    "assets/app-settings.js": "plain()",
    "assets/jquery-20140101.js": "dated()",
    "logo-Version1.png": "plain",
    "photo-20240101a.jpg": "plain",
    "photo.20240101a.jpg": "plain",
    "a file.txt": "with a blank",
    "data": "of no kind",
    "run.js.gz": "packed",
}


def build(folder: Path, **further: str) -> Path:
    for name, text in (FILES | further).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    said = answer.headers["Content-Security-Policy"].split(";")
    return {words[0]: words[1:] for each in said if (words := each.split())}


def is_page(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and answer.text == INDEX


@pytest.fixture
async def world(sqlite_url: str, tmp_path: Path) -> AsyncIterator[World]:
    static = build(tmp_path / "build")
    async with World.running(sqlite_url, tmp_path, dialects="jwt_extended", static=static) as made:
        yield made


async def test_the_page_is_at_the_root_and_wherever_a_browser_goes(world: World) -> None:
    client = world.client()
    assert is_page(await client.get("/")), "whatever is asked for"
    assert is_page(await client.get("/index.html"))
    for path in ("/account", "/account/settings/", "/users/ann.lee", "/v1x", "/caf%C3%A9"):
        assert is_page(await client.get(path, headers=PAGE)), path
        assert is_page(await client.get(path, headers={"Sec-Fetch-Mode": "navigate"})), path
        shown = await client.get(path, headers=PAGE)
        assert {"Accept", "Sec-Fetch-Mode"} <= vary(shown)
        for headers in ({}, SCRIPT, PAGE | {"Sec-Fetch-Mode": "cors"}):
            answer = await client.get(path, headers=headers)
            assert answer.status_code == 404, (path, headers)
            assert answer.json()["code"] == "not_found"


def vary(answer: httpx.Response) -> set[str]:
    return {each.strip() for each in str(answer.headers["Vary"]).split(",")}


@pytest.mark.parametrize("head", ["/api", "/v1", "/.well-known", "/dev", "/static"])
async def test_what_is_missing_below_an_api_stays_missing(world: World, head: str) -> None:
    for path in (head, f"{head}/", f"{head}/nothing", f"{head}/nothing/at/all.html"):
        answer = await world.client().get(path, headers=PAGE)
        assert answer.status_code == 404, path
        assert "text/html" not in answer.headers["Content-Type"]


async def test_only_looking_meets_the_page(world: World) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for path in ("/account", "/robots.txt"):
            answer = await world.browser().request(method, path, headers=PAGE)
            assert answer.status_code == 404, (method, path)
    for path, length in (("/account", len(INDEX)), ("/robots.txt", 13)):
        head = await world.client().head(path, headers=PAGE)
        assert head.status_code == 200
        assert head.headers["Content-Length"] == str(length)


async def test_what_is_ours_stays_ours(world: World) -> None:
    client = world.client()
    assert (await client.get("/v1/me", headers=PAGE)).status_code == 401
    assert (await client.get("/healthz", headers=PAGE)).json() == {"status": "ok"}
    assert (await client.get("/.well-known/jwks.json", headers=PAGE)).json()["keys"]
    assert "Built" not in (await client.get("/dev/mailbox", headers=PAGE)).text
    assert "Built" not in (await client.get("/verify-email?token=x", headers=PAGE)).text
    assert (await client.get("/token", headers=PAGE)).status_code == 405


async def test_a_path_that_a_page_and_the_api_share_is_the_pages_for_a_browser_alone(
    world: World,
) -> None:
    client = world.browser()
    proxys = PAGE | {"Authorization": "Basic YTpi"}
    for headers in (PAGE, proxys, {"Sec-Fetch-Mode": "navigate", "Accept": "*/*"}):
        answer = await client.get("/profile", headers=headers)
        assert is_page(answer)
        assert {"Accept", "Authorization", "Sec-Fetch-Mode"} <= vary(answer)
    for headers in (
        {},
        SCRIPT,
        PAGE | {"Sec-Fetch-Mode": "cors"},
        PAGE | {"Authorization": "Bearer x"},
    ):
        answer = await client.get("/profile", headers=headers)
        assert answer.status_code == (422 if "Authorization" in headers else 401), headers
        assert list(answer.json()) == ["msg"], headers
    await client.sign_up(None, username="ann")
    said = await client.post("/token", json={"email": "ann", "password": PASSWORD})
    headers = {"Authorization": f"Bearer {said.json()['access_token']}"} | PAGE
    answer = await client.get("/profile", headers=headers)
    assert answer.json() == {"name": "", "about": ""}


async def test_without_that_dialect_the_shared_path_is_a_page_like_any_other(
    sqlite_url: str, tmp_path: Path
) -> None:
    static = build(tmp_path / "build")
    async with World.running(sqlite_url, tmp_path, static=static) as world:
        assert is_page(await world.client().get("/profile", headers=PAGE))
        assert (await world.client().get("/profile", headers=SCRIPT)).status_code == 404
        assert is_page(await world.client().get("/"))


KINDS = {
    "/static/js/main.3fa2b1c4.js": "text/javascript; charset=utf-8",
    "/static/js/main.3fa2b1c4.js.map": "application/json",
    "/static/css/main.css": "text/css; charset=utf-8",
    "/static/media/font.0a1b2c3d4e5f60718293.woff2": "font/woff2",
    "/about.html": "text/html; charset=utf-8",
    "/favicon.ico": "image/x-icon",
    "/manifest.webmanifest": "application/manifest+json",
    "/robots.txt": "text/plain; charset=utf-8",
    "/logo.svg": "image/svg+xml; charset=utf-8",
    "/a%20file.txt": "text/plain; charset=utf-8",
    "/data": "application/octet-stream",
    "/run.js.gz": "application/octet-stream",
}


async def test_files_say_of_which_type_they_are(world: World) -> None:
    for path, kind in KINDS.items():
        for headers in (PAGE, SCRIPT):
            answer = await world.client().get(path, headers=headers)
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind), path
            assert answer.text == FILES[path.replace("%20", " ")[1:]]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_what_has_its_content_in_its_name_is_kept_and_the_rest_is_asked_for(
    world: World,
) -> None:
    client, kept = world.client(), {}
    for name in FILES:
        answer = await client.get(f"/{name}")
        assert "Expires" not in answer.headers
        kept[name] = answer.headers["Cache-Control"]
    for_ever = {name for name, said in kept.items() if "immutable" in said}
    assert for_ever == {
        "static/js/main.3fa2b1c4.js",
        "static/js/main.3fa2b1c4.js.map",
        "static/media/font.0a1b2c3d4e5f60718293.woff2",
        "assets/index-Di3rgTda.js",
    }
    assert {kept[name] for name in for_ever} == {"public, max-age=31536000, immutable"}
    assert {said for name, said in kept.items() if name not in for_ever} == {"no-cache"}


@pytest.mark.parametrize("path", ["/", "/about.html", "/static/css/main.css"])
async def test_what_a_browser_has_is_not_sent_again(world: World, path: str) -> None:
    client = world.client()
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    other = await client.get(path, headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.text) == (200, first.text)


async def test_a_part_of_a_file_can_be_asked_for(world: World) -> None:
    answer = await world.client().get("/robots.txt", headers={"Range": "bytes=0-3"})
    assert (answer.status_code, answer.text) == (206, "User")
    for asked, begin, end in (("bytes=3-", 3, 13), ("BYTES=2-4", 2, 5), ("bytes=9-99", 9, 13)):
        answer = await world.client().get("/robots.txt", headers={"Range": asked})
        assert (answer.status_code, answer.text) == (206, FILES["robots.txt"][begin:end]), asked
        assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/13"


async def test_a_part_that_is_not_there_is_told_how_long_the_file_is(world: World) -> None:
    for asked in ("bytes=13-", "bytes=50-60"):
        answer = await world.client().get("/robots.txt", headers={"Range": asked})
        assert answer.status_code == 416, asked
        assert answer.headers["Content-Range"] == "bytes */13"
        assert answer.json()["code"] == "range_not_satisfiable"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=-5",
        "bytes=-99",
        "bytes=-0",
        "bytes=0-1,3-4",
        "bytes=5-2",
        "bytes=",
        "bytes",
        "bytes=a-b",
        "bytes=\u0660-",
        "bytes=0 - 3",
        "lines=0-3",
        f"bytes={'9' * 5000}-",
        "",
    ],
)
async def test_what_is_no_plain_part_is_the_whole_file(world: World, asked: str) -> None:
    answer = await world.client().get("/robots.txt", headers={b"Range": asked.encode()})
    assert (answer.status_code, answer.text) == (200, FILES["robots.txt"])
    head = await world.client().head("/robots.txt", headers={"Range": "bytes=0-3"})
    assert (head.status_code, head.headers["Content-Length"]) == (200, "13")


async def test_a_new_build_is_served_as_soon_as_it_is_there(world: World, tmp_path: Path) -> None:
    client = world.client()
    first = await client.get("/")
    (tmp_path / "build/index.html").write_text("<!doctype html>new")
    again = await client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.text) == (200, "<!doctype html>new")
    (tmp_path / "build/index.html").unlink()
    assert (await client.get("/account", headers=PAGE)).status_code == 404


async def test_an_old_build_may_run_what_its_page_names_and_no_more(world: World) -> None:
    client = world.client()
    for path in ("/", "/account"):
        said = policy_of(await client.get(path, headers=PAGE))
        digest = b64encode(sha256(INLINE.encode()).digest()).decode()
        assert said["script-src"] == [
            "'self'",
            f"'sha256-{digest}'",
            "cdn.example/lib/jquery.min.js",
        ]
        assert said["style-src"] == ["'self'", "'unsafe-inline'", "https:"]
        assert said["default-src"] == ["'self'"]
        assert (said["object-src"], said["base-uri"]) == (["'none'"], ["'self'"])
        assert said["frame-ancestors"] == ["'none'"]
        assert "form-action" not in said, "its forms lead to a provider"
    about = policy_of(await client.get("/about.html"))
    digest = b64encode(sha256(b"about()").digest()).decode()
    assert about["script-src"] == ["'self'", f"'sha256-{digest}'"]
    assert policy_of(await client.get("/logo.svg"))["script-src"] == ["'self'"]
    for name in ("static/css/main.css", "static/js/main.3fa2b1c4.js", "robots.txt"):
        answer = await client.get(f"/{name}")
        assert policy_of(answer) == {"frame-ancestors": ["'none'"]}, (
            "a worker may load what it does"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert policy_of(await client.get("/v1/me"))["default-src"] == ["'none'"]


async def test_a_name_in_the_page_adds_nothing_else_to_its_policy(
    sqlite_url: str, tmp_path: Path
) -> None:
    static = tmp_path / "build"
    static.mkdir()
    tags = "".join(
        f'<script src="{url}"></script>'
        for url in (
            "https://a.example/x; script-src *",
            "https://b.example/x,y",
            "http://clear.example/x.js",
            "https://*/x.js",
            "https://c.example/x' 'unsafe-inline",
            "data:text/javascript,1",
            "/own.js",
        )
    )
    (static / "index.html").write_text(f"<!doctype html>{tags}<script>a()\r\nb()</script>")
    async with World.running(sqlite_url, tmp_path, static=static) as world:
        said = policy_of(await world.client().get("/"))
    digest = b64encode(sha256(b"a()\nb()").digest()).decode()
    assert said["script-src"] == ["'self'", f"'sha256-{digest}'"]


async def test_a_dialect_on_a_host_of_its_own_has_the_page_there(
    sqlite_url: str, tmp_path: Path
) -> None:
    static, dialects = build(tmp_path / "build"), "jwt_extended@app.localhost, praetorian"
    async with World.running(sqlite_url, tmp_path, static=static, dialects=dialects) as world:
        there = world.client(Host="app.localhost:8000")
        assert is_page(await there.get("/"))
        assert is_page(await there.get("/profile", headers=PAGE))
        assert (await there.get("/robots.txt")).status_code == 200
        missing = await there.get("/v1/me", headers=PAGE)
        assert (missing.status_code, list(missing.json())) == (404, ["msg"])
        assert (await world.client().get("/robots.txt")).status_code == 404
        assert (await world.client().get("/")).headers["Location"] == "docs"


async def test_production_serves_it_too(sqlite_url: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = PRODUCTION | {"static": build(tmp_path / "build")}
    async with World.running(sqlite_url, tmp_path, transport=Kept(), **settings) as world:
        client = world.client()
        for path in ("/", "/account"):
            answer = await client.get(path, headers=PAGE)
            assert is_page(answer)
            assert answer.headers["Strict-Transport-Security"]
        assert (await client.get("/dev/mailbox", headers=PAGE)).status_code == 404
        assert (await client.get("/robots.txt")).status_code == 200
        refused = await world.client(Host="evil.test").get("/", headers=PAGE)
        assert refused.status_code == 421


@pytest.mark.parametrize("half", [b"<!doctype html>{% if", b"<!doctype html>\xff"])
async def test_a_page_that_is_being_written_is_to_be_asked_for_again(
    sqlite_url: str, tmp_path: Path, half: bytes
) -> None:
    static = flask_app(tmp_path / "app", app=TEMPLATE, header="")
    async with World.running(sqlite_url, tmp_path, static=static, dialects="doubledibz") as world:
        (static / "templates/app.html").write_bytes(half)
        answer = await world.client().get("/")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        (static / "templates/app.html").write_text("<b>whole</b>")
        assert (await world.client().get("/")).text == "<b>whole</b>"
        (static / "templates/app.html").write_bytes(half)
    with pytest.raises(CannotStart, match=r"^VESTIBULE_STATIC: app.html: "):
        async with World.running(sqlite_url, tmp_path, static=static, dialects="doubledibz"):
            pass


async def test_the_page_is_the_first_dialects(sqlite_url: str, tmp_path: Path) -> None:
    index = '<!doctype html><meta name="csrf-token" content="">'
    static = build(tmp_path / "build", **{"index.html": index})
    dialects = "jwt_extended, doubledibz"
    async with World.running(sqlite_url, tmp_path, static=static, dialects=dialects) as world:
        shown = await world.client().get("/")
        assert (shown.text, shown.headers["Cache-Control"]) == (index, "no-cache")
        assert "Set-Cookie" not in shown.headers


META = re.compile(r'<meta name="csrf-token" content="([^"]*)">')


@pytest.mark.parametrize(
    "meta",
    [
        '<meta name="csrf-token" content="">',
        '<meta name="csrf-token" content="{{ csrf_token() }}">',
        "<META content='old' name=csrf-token >",
        '<meta name="csrf-token" />',
    ],
)
async def test_a_built_page_of_doubledibz_holds_its_browsers_token(
    sqlite_url: str, tmp_path: Path, meta: str
) -> None:
    index = f"<!doctype html><head>{meta}</head><script>'{{{{ shown as it is }}}}'</script>"
    if "csrf_token()" in meta:
        index = f"<!doctype html><head>{meta}</head><script>''</script>"
    static = build(tmp_path / "build", **{"index.html": index})
    async with World.running(sqlite_url, tmp_path, static=static, dialects="doubledibz") as world:
        one, other = world.browser(), world.browser()
        shown = await one.get("/account", headers=PAGE)
        token = re.search(r'content="([^"]{48})"', shown.text)
        assert token is not None, shown.text
        assert "csrf-token" in shown.text
        assert ("{{" in shown.text) == ("csrf_token()" not in meta)
        assert shown.headers["Cache-Control"] == "private, no-cache"
        assert "HttpOnly" in shown.headers["Set-Cookie"]
        one.headers["X-CSRFToken"] = token[1]
        assert (await one.post("/api/auth/login")).status_code == 422
        again = await one.get("/", headers={"If-None-Match": shown.headers["ETag"]})
        assert again.status_code == 304, "the same token, for the same browser"
        assert token[1] not in (await other.get("/")).text
        other.headers["X-CSRFToken"] = token[1]
        assert (await other.post("/api/auth/login")).status_code == 400


def flask_app(folder: Path, **templates: str) -> Path:
    (folder / "static/js").mkdir(parents=True)
    (folder / "static/js/main.js").write_text("run()")
    (folder / "templates").mkdir()
    (folder / "config.py").write_text("SECRET_KEY = 'x'")
    for name, text in templates.items():
        (folder / "templates" / f"{name}.html").write_text(text)
    return folder


TEMPLATE = """<!doctype html>{% include "header.html" %}
<meta name="csrf-token" content="{{ csrf_token() }}">
<script src="{{ url_for('static', filename='js/main.js') }}?bust=1"></script>
{% if config['PROD'] %}<script>prod()</script>{% else %}<script>here()</script>{% endif %}
<a href="{{ url_for('frontend.index') }}">{{ '<' }}</a>"""


async def test_a_template_learns_nothing_of_what_makes_it(sqlite_url: str, tmp_path: Path) -> None:
    template = "<{{ csrf_token.__globals__ }}{{ url_for.__self__ }}{{ config.SECRET }}{{ self }}>"
    static = flask_app(tmp_path / "app", app=template)
    async with World.running(sqlite_url, tmp_path, static=static, dialects="doubledibz") as world:
        shown = (await world.client().get("/")).text
    assert "vestibule" not in shown
    assert shown.startswith("<&lt;TemplateReference") or shown == "<>"


@pytest.mark.parametrize("named", ["app", "app/static"])
async def test_a_flask_apps_template_is_rendered_and_its_static_files_are_served(
    sqlite_url: str, tmp_path: Path, named: str
) -> None:
    flask_app(tmp_path / "app", app=TEMPLATE, header="<b>DoubleDibz</b>")
    static = tmp_path / named
    async with World.running(sqlite_url, tmp_path, static=static, dialects="doubledibz") as world:
        client = world.browser()
        shown = await client.get("/any/path", headers=PAGE)
        assert shown.status_code == 200
        for part in (
            "<b>DoubleDibz</b>",
            '<script src="/static/js/main.js?bust=1">',
            "here()",
            '<a href="/">&lt;</a>',
        ):
            assert part in shown.text
        token = META.search(shown.text)
        assert token is not None
        client.headers["X-CSRFToken"] = token[1]
        assert (await client.post("/api/auth/login")).status_code == 422
        digest = b64encode(sha256(b"here()").digest()).decode()
        assert f"'sha256-{digest}'" in policy_of(shown)["script-src"]
        assert (await client.get("/static/js/main.js")).text == "run()"
        for path in ("/config.py", "/templates/header.html", "/header.html", "/js/main.js"):
            assert (await client.get(path)).status_code == 404, path
        missing = await client.get("/static/nothing.js", headers=PAGE)
        assert missing.status_code == 404
        assert missing.json()["errors"]["type"] == "Not Found"


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ url_for.__globals__['os'].popen('id').read() }}",
        "{% include '../config.py' %}",
        "{% include '/etc/passwd' %}",
        "{{ unknown | json }}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 1 }}",
    ],
)
async def test_a_template_that_reaches_further_stops_the_start(
    sqlite_url: str, tmp_path: Path, template: str
) -> None:
    static = flask_app(tmp_path / "app", app=template)
    with pytest.raises(CannotStart) as stopped:
        async with World.running(sqlite_url, tmp_path, static=static, dialects="doubledibz"):
            pass
    assert str(stopped.value).startswith("VESTIBULE_STATIC: app.html: ")


@pytest.mark.parametrize(
    "static, dialects, said",
    [
        ("nowhere", "", "there is no folder nowhere"),
        ("file", "", "there is no folder file"),
        ("empty", "", "there is no index.html in empty; build the front end first"),
        ("empty", "doubledibz", "there is no index.html in empty, nor templates/app.html"),
        ("app", "jwt_extended, doubledibz@b.localhost", "there is no index.html in app"),
    ],
)
def test_a_folder_that_holds_no_front_end_is_told_in_one_line(
    tmp_path: Path, static: str, dialects: str, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    flask_app(tmp_path / "app", app=TEMPLATE, header="")
    with pytest.raises(CannotStart) as stopped:
        Settings.load(static=static, dialects=dialects)
    [line] = stopped.value.problems
    assert line.startswith(f"VESTIBULE_STATIC: {said}")


async def test_a_start_without_the_folder_is_refused(tmp_path: Path) -> None:
    [line] = await failing(tmp_path, "--dialect", "doubledibz", "--static", "nowhere")
    assert line == "Error: VESTIBULE_STATIC: there is no folder nowhere"


async def test_moving_over_is_one_command(tmp_path: Path) -> None:
    build(tmp_path / "build")
    command = ("serve", "--port", "0", "--dialect", "jwt_extended", "--static", "build")
    variables = {"VESTIBULE_DIALECTS": "praetorian, jwt_extended@elsewhere.localhost"}
    async with serving(tmp_path, *command, **variables) as served, served.client() as client:
        assert served.process.stdout is not None
        lines = [(await served.process.stdout.readline()).decode() for _ in range(7)]
        assert is_page(await client.get("/"))
        assert is_page(await client.get("/profile", headers=PAGE))
        assert (await client.get("/profile")).json() == {"msg": "Missing Authorization Header"}
        assert (await client.get("/api/")).json() == {"Hello": "World"}
        assert (await client.get("/static/js/main.3fa2b1c4.js")).text == "run()"
        head = await client.head("/account", headers=PAGE)
        assert (head.status_code, head.content) == (200, b"")
    assert any(str(tmp_path / "build") in line for line in lines)


async def test_every_worker_serves_it(postgres_url: str, tmp_path: Path) -> None:
    build(tmp_path / "build")
    command = ("serve", "--port", "0", "--workers", "2", "--dialect", "jwt_extended")
    variables = {"VESTIBULE_DATABASE_URL": postgres_url}
    async with serving(tmp_path, *command, "--static", "build", **variables) as served:
        for _ in range(4):
            async with served.client() as client:
                assert is_page(await client.get("/account", headers=PAGE))
                assert (await client.get("/profile")).status_code == 401
