"""What a folder of files gives to everybody, and that nothing else comes out of it."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.attacks.conftest import PRODUCTION, Wire
from tests.attacks.looking import Kept
from tests.processes import serving
from tests.world import World

SECRET = "what nobody may read"
OWN = "what everybody may read"
PAGE = {"Accept": "text/html"}
OUTSIDE = [
    "/../secret.txt",
    "/assets/../../secret.txt",
    "/./secret.txt",
    "/assets/./own.txt",
    "/%2e%2e/secret.txt",
    "/%2E%2E%2Fsecret.txt",
    "/..%2fsecret.txt",
    "/..%2Fsecret.txt",
    "/..%5csecret.txt",
    "/..\\secret.txt",
    "/%252e%252e/secret.txt",
    "/%252e%252e%252fsecret.txt",
    "/..;/secret.txt",
    "/.../secret.txt",
    "/....//secret.txt",
    "/assets/%2e%2e/%2e%2e/secret.txt",
    "/assets/..%00/own.txt",
    "//secret.txt",
    "//etc/passwd",
    "/%2fetc/passwd",
    "/%2f%2fetc%2fpasswd",
    "/etc/passwd",
    "/assets/%c0%ae%c0%ae/%c0%ae%c0%ae/secret.txt",
    "/assets/%ef%bc%8e%ef%bc%8e/%ef%bc%8e%ef%bc%8e/secret.txt",
    "/static/../../secret.txt",
    "/api/../../secret.txt",
    "/v1/../../secret.txt",
]
HIDDEN = [
    "/.env",
    "/.git/config",
    "/assets/.htaccess",
    "/%2eenv",
    "/assets/%2ehtaccess",
    "/.well-known/own.txt",
]
LINKS = [
    "/assets/hidden.txt",
    "/link.txt",
    "/folder/secret.txt",
    "/assets/up/secret.txt",
    "/chain.txt",
]
SPELLED = [
    "/assets%2fown.txt",
    "/assets%2Fown.txt",
    "/assets%5cown.txt",
    "/assets//own.txt",
    "//assets/own.txt",
    "/assets/own.txt%00",
    "/assets/own.txt%00.html",
    "/assets/own.txt/",
    "/assets/own.txt/x",
    "/assets/",
    "/assets",
    "/pipe",
    "/" + "x" * 300,
    "/" + "x/" * 3000,
    "/assets/%80%ff",
]


@dataclass
class Place:
    folder: Path

    def made(self) -> Path:
        """A build, with a secret beside it and links that lead there."""
        build = self.folder / "build"
        for name in ("assets", ".git", ".well-known", "static"):
            (build / name).mkdir(parents=True, exist_ok=True)
        (build / "index.html").write_text("<!doctype html>the page")
        (build / "assets/own.txt").write_text(OWN)
        (build / "inside.txt").symlink_to("assets/own.txt")
        (self.folder / "secret.txt").write_text(SECRET)
        for hidden in (".env", ".git/config", "assets/.htaccess", ".well-known/own.txt"):
            (build / hidden).write_text(SECRET)
        (build / "assets/hidden.txt").symlink_to(build / ".env")
        (build / "link.txt").symlink_to(self.folder / "secret.txt")
        (build / "folder").symlink_to(self.folder)
        (build / "assets/up").symlink_to("../..")
        (build / "chain.txt").symlink_to("link.txt")
        os.mkfifo(build / "pipe")
        return build


def nothing_came(answer: httpx.Response, path: str) -> None:
    assert SECRET not in answer.text, path
    assert "root:" not in answer.text, path
    assert answer.status_code < 500, path


@pytest.fixture(params=["development", "production"])
async def world(
    request: pytest.FixtureRequest, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[World]:
    settings = PRODUCTION if request.param == "production" else {}
    build = Place(tmp_path).made()
    async with World.running(
        sqlite_url, tmp_path, transport=Kept(), dialects="doubledibz", static=build, **settings
    ) as made:
        yield made


@pytest.mark.attack("A-108")
async def test_the_files_of_a_build_are_for_everybody(world: World) -> None:
    """So that what is refused below is refused for its path."""
    client = world.client()
    for path in ("/assets/own.txt", "/inside.txt", "/assets/%6fwn.txt"):
        answer = await client.get(path)
        assert (answer.status_code, answer.text) == (200, OWN), path


@pytest.mark.attack("A-108")
@pytest.mark.parametrize("headers", [PAGE, {"Accept": "*/*"}], ids=["browser", "program"])
async def test_nothing_outside_the_folder_or_hidden_in_it_comes_out(
    world: World, headers: dict[str, str]
) -> None:
    client = world.client()
    for path in OUTSIDE + HIDDEN + LINKS:
        url = httpx.URL(scheme=client.base_url.scheme, host=client.base_url.host)
        answer = await client.get(url.copy_with(raw_path=path.encode()), headers=headers)
        nothing_came(answer, path)
        if path in HIDDEN:
            assert answer.status_code == 404, path


@pytest.mark.attack("A-108")
async def test_a_file_has_one_spelling(world: World) -> None:
    client = world.client()
    for path in SPELLED:
        url = httpx.URL(scheme=client.base_url.scheme, host=client.base_url.host)
        answer = await client.get(url.copy_with(raw_path=path.encode("latin-1")))
        assert answer.status_code in (404, 421), path
        assert OWN not in answer.text, path


@pytest.mark.attack("A-108")
async def test_nothing_can_be_put_into_it(world: World) -> None:
    client = world.browser()
    for method in ("PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
        answer = await client.request(method, "/assets/own.txt")
        assert answer.status_code in (404, 405), method
        assert OWN not in answer.text
    assert (await client.get("/assets/own.txt")).text == OWN


@pytest.mark.attack("A-108")
async def test_nor_does_a_client_that_writes_its_own_bytes_get_further(tmp_path: Path) -> None:
    build = Place(tmp_path).made()
    command = ("serve", "--port", "0", "--dialect", "doubledibz", "--static", str(build))
    async with serving(tmp_path, *command) as served:
        wire = Wire(served.base_url, served.errors)

        async def get(path: str) -> bytes:
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n"
            return await wire.raw(head.encode("latin-1", "replace"))

        assert OWN.encode() in await get("/assets/own.txt")
        for path in OUTSIDE + HIDDEN + LINKS + SPELLED:
            came = await get(path)
            assert SECRET.encode() not in came, path
            assert b"root:" not in came, path
            assert OWN.encode() not in came or path not in SPELLED, path
            assert not came.startswith(b"HTTP/1.1 5"), path
    assert "Traceback" not in served.errors.read_text()
