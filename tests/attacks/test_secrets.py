"""Secrets: strong, kept as digests, and written down nowhere."""

import asyncio
import logging
import re
import sys
from pathlib import Path

import pytest

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import House, every_value
from tests.processes import outside
from tests.world import World
from vestibule import Settings
from vestibule.kernel import opaque
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.settings import PREFIX

HINT = "for example from: openssl rand -base64 32"
WEAK = [
    "",
    "changeme",
    "secret",
    "x" * 8,
    "password" * 8,
    "a" * 64,
    "0123456789abcdef" * 4,
    "00" * 32,
    "correct horse battery staple, and a good deal more than that",
    "openssl rand -base64 32",
    "changeme-changeme-changeme-changeme-changeme",
    PRODUCTION["secrets"][:40],
    PRODUCTION["secrets"] + ",changeme",
    "set-at-least-32-random-bytes",
    "correcthorsebatterystaplecorrecthorsebatterystaple",
    "thequietriverrunspastthemillandintothesea+++",
]


@pytest.mark.attack("A-022")
@pytest.mark.parametrize("secret", WEAK)
def test_production_refuses_a_secret_that_somebody_could_guess(secret: str) -> None:
    with pytest.raises(CannotStart) as refused:
        Settings.load(**PRODUCTION | {"secrets": secret, "database_url": "postgresql://db/x"})
    assert all(each.startswith("VESTIBULE_SECRETS: ") for each in refused.value.problems)
    assert not secret or secret in HINT or secret not in str(refused.value)
    strong = Settings.load(**PRODUCTION | {"database_url": "postgresql://db/x"})
    assert len(strong.secrets) == 1


@pytest.mark.attack("A-022")
@pytest.mark.parametrize("secret", ["unset", "", "changeme"])
async def test_the_process_ends_before_it_listens(
    secret: str, tmp_path: Path, sqlite_url: str
) -> None:
    given = PRODUCTION | {"database_url": sqlite_url, "secrets": secret}
    if secret == "unset":
        del given["secrets"]
    variables = {PREFIX + name.upper(): str(value) for name, value in given.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vestibule", "serve", "--port", "0"),
        cwd=tmp_path,
        env=outside(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, wrong = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 1
    assert b"http" not in said
    assert b"VESTIBULE_SECRETS: " in wrong
    assert b"Traceback" not in wrong
    assert not (tmp_path / "data").exists(), "nothing is made up in its place"


@pytest.mark.attack("A-022")
async def test_every_development_machine_makes_a_secret_of_its_own(tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        async with World.running(f"sqlite:///{tmp_path}/{name}.db", folder):
            path = folder / "data" / "secret"
            made.append(path.read_text())
            assert path.stat().st_mode & 0o777 == 0o600
    assert made[0] != made[1]
    assert all(len(secret) >= 43 for secret in made)


@pytest.mark.attack("A-039")
@pytest.mark.parametrize("purpose", list(Purpose))
def test_tokens_are_long_plain_and_never_the_same(purpose: Purpose) -> None:
    made = [opaque.issue(purpose) for _ in range(2_000)]
    secrets = [secret.removeprefix(purpose) for secret, _ in made]
    assert all(secret.startswith(purpose) for secret, _ in made)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", secret) for secret in secrets), "256 bits"
    assert len(set(secrets)) == len({digest for _, digest in made}) == 2_000
    # No structure: each place takes nearly every sign, and neighbours share no beginning.
    for place in range(42):
        assert len({secret[place] for secret in secrets}) == 64
    beginnings = [{secret[:length] for secret in secrets} for length in (4, 6)]
    assert [len(each) for each in beginnings] > [1_990, 1_999], "nothing grows with time"
    assert all(secret.encode() not in digest for secret, digest in made)


@pytest.mark.attack("A-039")
def test_codes_are_40_bits_of_signs_that_nobody_mixes_up() -> None:
    made = [opaque.code() for _ in range(2_000)]
    assert all(re.fullmatch(r"[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", code) for code in made)
    assert len(set(made)) == 2_000
    for place in (0, 1, 2, 3, 5, 6, 7, 8):
        assert len({code[place] for code in made}) == 32


async def whole_walk(world: World) -> list[str]:
    """Do everything that there is to do; return every secret that came up."""
    secrets = ["a marked password 4711", "a wrong password 4712", "another password 4713"]
    password, wrong, planted = secrets
    ada = world.browser()
    asked = await ada.sign_up("ada@example.org", password=password, username="ada.l")
    await ada.post("/v1/accounts/verification/letters", json={"sign_up": asked.json()["sign_up"]})
    other = await world.client().sign_up("ada@EXAMPLE.org", password=planted)
    linked = await ada.sign_up("grace@example.org", password=password)
    letters = await world.mails()
    await ada.prove(sign_up=asked.json()["sign_up"], code="2345-6789")
    await ada.prove(token=letters[-1].token, password=wrong)
    newest = [each for each in letters if each.to == "ada@example.org"][-1]
    assert (await ada.prove(sign_up=asked.json()["sign_up"], code=newest.code)).status_code == 200
    landing = world.browser()
    shown = await landing.get("/verify-email", params={"token": letters[-1].token})
    assert shown.status_code == 200
    fields = {"token": letters[-1].token, "password": password}
    assert (await landing.post("/verify-email", data=fields)).status_code == 303
    await ada.log_in("ada@example.org", wrong)
    await ada.post(
        "/v1/login",
        content=f'{{"password": "{wrong}"',
        headers={"Content-Type": "application/json"},
    )
    await ada.post("/v1/login", json={"identifier": "ada.l", "password": [wrong]})
    for remember in (False, True):
        assert (await ada.log_in("ada.l", password, remember=remember)).status_code == 200
        secrets += ada.cookies.values()
    await world.client().get("/v1/me", headers={"Authorization": f"Bearer {secrets[-1]}"})
    await ada.get("/v1/me/sessions")
    await world.client().sign_up("ada@example.org", password=planted)
    await world.mails()
    await world.vestibule.write_touches()
    secrets += landing.cookies.values()
    await ada.post("/v1/logout")
    await landing.post("/v1/logout-all")
    secrets += [each.json()["sign_up"] for each in (asked, other, linked)]
    for letter in await world.mails():
        if letter.link is not None and letter.code is not None:
            secrets += [letter.code, letter.code.replace("-", ""), letter.token]
    return secrets


@pytest.mark.attack("A-039")
async def test_a_copy_of_the_database_opens_nothing(world: House) -> None:
    secrets = await whole_walk(world)
    await world.client().sign_up("late@example.org")  # its letter is still in the outbox
    kept = list(await every_value(world))
    assert len(kept) > 200
    for secret in secrets:
        bare = secret.split("_", 1)[-1].encode()
        for column, value in kept:
            assert bare not in value, f"{column} holds a secret"
    waiting = [value for column, value in kept if column == "letters.payload" and value != b"None"]
    assert len(waiting) == 1, "what was sent is erased"
    for word in (b"vlnk_", b"verify-email", b"token", b"code"):
        assert word not in waiting[0]
    hashes = [value for column, value in kept if column == "accounts.password_hash"]
    assert len(hashes) == 2
    assert all(value.startswith(b"$argon2id$") for value in hashes)
    assert len(set(hashes)) == 2, "salted"


@pytest.mark.attack("A-088")
async def test_no_log_at_any_level_holds_a_secret(
    world: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore"):  # the test's own client, which logs what it asks for
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("sqlalchemy.engine", "sqlalchemy.pool", "aiosqlite", "vestibule", "quart.app"):
        caplog.set_level(logging.DEBUG, logger=name)
    secrets = [*await whole_walk(world), PRODUCTION["secrets"]]
    written = caplog.text + "".join(
        repr(vars(record)) for record in caplog.records if record.name.startswith("vestibule")
    )
    assert len(caplog.records) > 100, "nothing was listened to"
    for secret in secrets:
        assert secret not in written
    for shown in (world.vestibule.settings, world.vestibule.means, world.vestibule):
        assert PRODUCTION["secrets"] not in repr(shown)


@pytest.mark.attack("A-088")
async def test_pages_that_hold_a_token_pass_it_on_to_nobody(world: House) -> None:
    await world.client().sign_up("v@victim.test")
    token = (await world.mails())[-1].token
    page = await world.client().get("/verify-email", params={"token": token})
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"(src|href)=", page.text), "nothing is loaded and nothing leads away"
    proved = await world.browser().post(
        "/verify-email", data={"token": token, "password": "a marked password 4711"}
    )
    assert "4711" not in proved.text


@pytest.mark.attack("A-105")
async def test_production_shows_strangers_nothing_about_itself(world: House) -> None:
    stranger = world.client()
    for path in (
        "/",
        "/docs",
        "/openapi.json",
        "/redocs",
        "/scalar",
        "/metrics",
        "/dev/mailbox",
        "/dev/",
        "/health",
        "/.git/HEAD",
        "/.env",
        "/static/x",
        "/static/../../etc/passwd",
        "/v1",
        "/v1/",
        "/v1/docs",
        "/server-status",
        "/robots.txt",
    ):
        for method in ("GET", "POST", "TRACE", "PROPFIND"):
            answer = await stranger.request(method, path)
            assert answer.status_code == 404, (method, path)
            assert answer.json()["code"] == "not_found"
    for path in ("/healthz", "/readyz", "/v1/me", "/nowhere", "/v1/login", "/verify-email"):
        for method in ("GET", "POST", "TRACE", "OPTIONS"):
            answer = await stranger.request(method, path)
            told = f"{answer.headers} {answer.text}".lower()
            for word in ("quart", "hypercorn", "python", "werkzeug", "sqlalchemy", "postgres"):
                assert word not in told, (method, path)
            assert not {"server", "x-powered-by", "via"} & {each.lower() for each in answer.headers}
            assert method != "TRACE" or answer.status_code in (404, 405)
    assert (await stranger.get("/healthz")).json() == {"status": "ok"}
    assert (await stranger.get("/readyz")).json() == {"status": "ok"}
