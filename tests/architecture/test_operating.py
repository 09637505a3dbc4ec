"""The examples for operators name commands and settings that there are, and hang together."""

import re
import shlex
from pathlib import Path
from typing import Any  # Any: what a file of YAML holds

import click
import pytest
import yaml  # type: ignore[import-untyped]

from tests.architecture.source import TOP
from vestibule.cli import main
from vestibule.kernel.settings import Settings, variable

FOLDER = TOP / "docs/operating"
FILES = sorted(FOLDER.iterdir())
PAGES = [*FILES, TOP / "docs/operating.md"]


def command(words: list[str]) -> None:
    """Parse a command line of ours without running it."""
    context = click.Context(main, info_name="vestibule")
    found: click.Command = main
    while isinstance(found, click.Group):
        inner = found.get_command(context, words[0])
        assert inner is not None, words
        found, words = inner, words[1:]
    found.make_context("vestibule", words, resilient_parsing=False)


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def unit() -> dict[str, list[str]]:
    """Return what each key of the systemd unit is set to."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / "vestibule.service").read_text("utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_an_example_names_exists(page: Path) -> None:
    named = set(re.findall(r"\bVESTIBULE_[A-Z_]+\b", page.read_text("utf-8")))
    known = {variable(field) for field in Settings.model_fields}
    assert {name for name in named if name.removesuffix("_FILE") not in known} <= {"VESTIBULE_"}


def test_every_example_is_linked_from_the_page() -> None:
    linked = set(re.findall(r"\(operating/([^)]+)\)", (TOP / "docs/operating.md").read_text()))
    assert linked == {path.name for path in FILES}


def test_the_commands_of_the_procfile_exist() -> None:
    lines = (FOLDER / "Procfile").read_text("utf-8").splitlines()
    processes = {
        name: shlex.split(line) for name, _, line in (each.partition(": ") for each in lines)
    }
    assert processes.keys() == {"release", "web"}
    for program, *words in processes.values():
        assert program == "vestibule"
        command(words)


def test_the_commands_of_the_unit_exist() -> None:
    said = unit()
    for line in (*said["ExecStartPre"], *said["ExecStart"]):
        program, *words = shlex.split(line)
        assert program == "/opt/vestibule/bin/vestibule"
        command(words)
    assert said["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert said["KillMode"] == ["mixed"], "workers are told by the supervisor"


def test_the_commands_and_the_secrets_of_the_deployment_exist() -> None:
    by_kind = {each["kind"]: each for each in documents("kubernetes.yaml")}
    assert by_kind.keys() == {"ConfigMap", "Deployment", "Service"}
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    for container in (*pod["initContainers"], *pod["containers"]):
        command(container["args"])
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
    [server] = pod["containers"]
    given = by_kind["ConfigMap"]["data"].keys() | {each["name"] for each in server["env"]}
    assert given >= {"VESTIBULE_DATABASE_URL", "VESTIBULE_SECRETS", "VESTIBULE_BASE_URL", "HOST"}
    assert by_kind["ConfigMap"]["data"].keys().isdisjoint(each["name"] for each in server["env"])
    paths = {server[f"{probe}Probe"]["httpGet"]["path"] for probe in ("readiness", "liveness")}
    assert paths == {"/readyz", "/healthz"}
    assert pod["terminationGracePeriodSeconds"] >= 5 + 10
    assert by_kind["Service"]["spec"]["selector"] == {"app": "vestibule"}


def test_what_the_deployment_sets_is_a_start_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    [settings] = [
        each["data"] for each in documents("kubernetes.yaml") if each["kind"] == "ConfigMap"
    ]
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("VESTIBULE_DATABASE_URL", "postgresql://vestibule@db.example.com/vestibule")
    monkeypatch.setenv("VESTIBULE_SECRETS", bytes(range(32)).hex())
    monkeypatch.setenv("VESTIBULE_SMTP_PASSWORD", "secret")
    assert Settings.load().mode == "production"


def test_proxies_close_what_rests_before_we_do() -> None:
    ours = Settings.model_fields["idle_timeout"].default.total_seconds()
    for name in ("nginx.conf", "Caddyfile", "traefik.yaml"):
        told = re.findall(
            r"(?:keepalive_timeout|keepalive|idleConnTimeout:?) (\d+)s", (FOLDER / name).read_text()
        )
        assert told, name
        assert max(map(int, told)) < ours
    assert documents("traefik.yaml")[0].keys() == {"http"}
