"""The Dockerfile and compose.yaml, step by step on this machine: no engine builds an image here."""

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any  # Any: YAML
from uuid import uuid4

import httpx
import pytest
import yaml  # type: ignore[import-untyped]
from dotenv import dotenv_values

from tests.postgres import Server
from tests.walks.image import TOP, Image, build, context, stages
from vestibule.kernel.settings import Settings

PAGE = (TOP / "docs/operating.md").read_text("utf-8").partition("## Containers\n")[2]
PAGE = PAGE.partition("\n## ")[0]
COMPOSE: dict[str, Any] = yaml.safe_load((TOP / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("vestibule", "migrate")


@pytest.fixture
def empty_url(postgres: Server) -> Iterator[str]:
    name = f"image_{uuid4().hex}"
    postgres.create(name)
    yield postgres.url(name)
    postgres.drop(name)


def prepared(folder: Path) -> Path:
    """Do in `folder` what the page says to do in the checkout; return the settings' file."""
    [typed] = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    subprocess.run(["bash", "-euo", "pipefail", "-c", typed], cwd=folder, check=True)
    [(name, settings)] = re.findall(r"`([^`]+)`:\n\n```ini\n(.*?)```", PAGE, re.DOTALL)
    written = folder / str(name)
    written.write_text(settings)
    return written


def variables(service: str, folder: Path) -> dict[str, str]:
    """The variables that compose would give a service, with its secrets where they stand here."""
    found = dotenv_values(folder / SERVICES[service]["env_file"])
    given = {name: value for name, value in found.items() if value is not None}
    for name, value in SERVICES[service]["environment"].items():
        if str(value).startswith("/run/secrets/"):
            named = value.removeprefix("/run/secrets/")
            assert named in SERVICES[service]["secrets"], f"{service} is not given {named}"
            given[name] = str(folder / COMPOSE["secrets"][named]["file"])
        else:
            given[name] = str(value)
    return given


def lives(image: Image, folder: Path, database_url: str) -> None:
    """Migrate, serve until healthy, stop: by the image's own commands and compose's settings."""
    prepared(folder)
    (folder / "secrets/database_url").write_text(database_url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    here = {"HOST": "127.0.0.1", "PORT": port}
    settings = {service: variables(service, folder) | here for service in OURS}
    through_a_proxy = settings["vestibule"] | {"http_proxy": "http://127.0.0.1:9"}

    _, where = image.run(["python", "-c", "print(__import__('vestibule').__file__)"], {})
    assert Path(where).is_relative_to(image.root), "what was built, not the checkout"
    serve = [*image.entrypoint, *SERVICES["vestibule"]["command"]]
    status, said = image.run(serve, settings["vestibule"])
    assert (status, "vestibule db upgrade" in said) == (1, True), said
    status, said = image.run(
        [*image.entrypoint, *SERVICES["migrate"]["command"]], settings["migrate"]
    )
    assert status == 0, said
    assert image.run(image.health, settings["vestibule"])[0] != 0, "nobody is there yet"

    server = image.start(serve, settings["vestibule"])
    try:
        patience = time.monotonic() + 30
        while image.run(image.health, through_a_proxy)[0] != 0:
            assert server.poll() is None, server.communicate()[0]
            assert time.monotonic() < patience
            time.sleep(0.1)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            named = {"Host": "auth.example.com"}
            assert client.get("/readyz").json() == {"status": "ok"}
            assert client.get("/verify-email?token=x", headers=named).status_code == 200
            assert client.get("/v1/me", headers=named).json()["code"] == "not_signed_in"
    finally:
        server.send_signal(signal.SIGTERM)
        said, _ = server.communicate(timeout=20)
    assert server.returncode == 0, said
    assert "production mode" in said
    assert list(Path(image.outside(image.folder)).iterdir()) == [], "production keeps nothing here"


def test_the_image_serves_as_compose_has_it(tmp_path: Path, empty_url: str) -> None:
    lives(build(tmp_path / "image", from_the_index=False), tmp_path, empty_url)


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_the_image_serves_with_what_its_lock_installs(tmp_path: Path, empty_url: str) -> None:
    lives(build(tmp_path / "image", from_the_index=True), tmp_path, empty_url)


def test_the_context_holds_what_is_built_and_nothing_else() -> None:
    held = {str(path) for path in context()}
    assert {path.partition("/")[0] for path in held} == {
        *("alembic", "src", "requirements", "pyproject.toml", "README.md", "LICENSE"),
    }
    assert {"src/vestibule/py.typed", "requirements/runtime.txt", "requirements/build.txt"} <= held
    assert not [path for path in held if re.search(r"__pycache__|\.env|\.key|\.db", path)]


def test_the_image_runs_as_a_number_that_owns_its_data_and_nothing_more() -> None:
    *_, last = stages()
    said = [rest for instruction, rest in last.steps if instruction == "USER"]
    assert len(said) == 1
    user, group = map(int, said[0].split(":"))
    assert min(user, group) >= 1000
    [users] = [rest for instruction, rest in last.steps if instruction == "RUN"]
    assert f"groupadd --gid {group} " in users
    assert f"useradd --uid {user} --gid {group} " in users
    given = dict(
        pair.split("=", 1)
        for instruction, rest in last.steps
        if instruction == "ENV"
        for pair in rest.split()
    )
    assert given["VESTIBULE_MODE"] == "production"
    assert given["HOST"] == "0.0.0.0"
    assert ("EXPOSE", given["PORT"]) in last.steps
    home = given["VESTIBULE_DATA_DIR"]
    assert users.endswith(f"install --directory --owner={user} --group={group} --mode=0700 {home}")
    assert ("WORKDIR", home) in last.steps
    assert not [rest for instruction, rest in last.steps if "chown" in rest]


def test_every_install_asks_for_hashes_and_leaves_no_cache() -> None:
    first, _ = stages()
    installs = [rest for _, rest in first.steps if " -r " in rest]
    assert [Path(rest.split()[-1]).name for rest in installs] == ["runtime.txt", "build.txt"]
    assert all("--require-hashes --only-binary :all:" in rest for rest in installs)
    assert any("PIP_NO_CACHE_DIR=1" in rest for name, rest in first.steps if name == "ENV")
    given = [rest for stage in stages() for name, rest in stage.steps if name in ("ARG", "ENV")]
    assert not re.search(r"SECRET|PASSWORD|TOKEN|_KEY", " ".join(given))


def test_signals_reach_the_server_and_not_a_shell() -> None:
    *_, last = stages()
    for instruction, rest in last.steps:
        if instruction in ("ENTRYPOINT", "CMD"):
            assert rest.startswith("["), f"{instruction} starts a shell"


def test_what_compose_names_is_there() -> None:
    assert {name: set(COMPOSE.get(name, {})) for name in ("volumes", "secrets")} == {
        "volumes": {
            each.partition(":")[0]
            for service in SERVICES.values()
            for each in service.get("volumes", [])
        },
        "secrets": {each for service in SERVICES.values() for each in service["secrets"]},
    }
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            checked = "healthcheck" in SERVICES[needed]
            assert checked or how["condition"] != "service_healthy"
            ends = SERVICES[needed]["restart"] == "no"
            assert ends == (how["condition"] == "service_completed_successfully")
    for name in OURS:
        assert (TOP / SERVICES[name]["build"] / "Dockerfile").is_file()
        known = {f"VESTIBULE_{field.upper()}" for field in Settings.model_fields}
        assert {each.removesuffix("_FILE") for each in SERVICES[name]["environment"]} <= known
        assert SERVICES[name]["read_only"] is True
    assert re.findall(r"exec (?:-T )?(\w+) ", PAGE) == ["vestibule", "database"]


def test_what_the_page_has_people_make_is_what_compose_asks_for(tmp_path: Path) -> None:
    settings = prepared(tmp_path)
    assert {SERVICES[name]["env_file"] for name in OURS} == {settings.name}
    asked_for = {tmp_path / each["file"] for each in COMPOSE["secrets"].values()}
    assert asked_for == set((tmp_path / "secrets").iterdir())
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in asked_for} == {0o644}
    database = SERVICES["database"]
    named = database["environment"]
    password = (tmp_path / "secrets/database_password").read_text().strip()
    assert len(password) >= 32
    assert (tmp_path / "secrets/database_url").read_text() == (
        f"postgresql://{named['POSTGRES_USER']}:{password}@database/{named['POSTGRES_DB']}"
    )
    assert f"--username={named['POSTGRES_USER']}" in database["healthcheck"]["test"]
    assert f"--dbname={named['POSTGRES_DB']}" in database["healthcheck"]["test"]
    assert f"pg_dump --username={named['POSTGRES_USER']} {named['POSTGRES_DB']}" in PAGE
    ignored = (TOP / ".gitignore").read_text().splitlines()
    assert "/secrets/" in ignored
    assert any(settings.match(line) for line in ignored if line.startswith(".env"))


def test_the_port_is_for_a_proxy_on_this_machine_which_is_trusted() -> None:
    [published] = SERVICES["vestibule"]["ports"]
    *_, last = stages()
    assert published.startswith("127.0.0.1:")
    assert ("EXPOSE", published.rpartition(":")[2]) in last.steps
    assert [name for name, each in SERVICES.items() if "ports" in each] == ["vestibule"]
    [network] = COMPOSE["networks"]["default"]["ipam"]["config"]
    trusted = SERVICES["vestibule"]["environment"]["VESTIBULE_TRUSTED_PROXIES"]
    assert trusted == network["gateway"]
