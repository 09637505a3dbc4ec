"""Imports run one way, and what belongs to one layer stays there."""

from pathlib import Path

import pytest

import vestibule
from tests.architecture.source import dotted, imports, modules

# Each imports only from layers above it in this list, never from its neighbours in the same one.
LAYERS = (
    {"kernel"},
    {"audit"},
    {"throttle", "courier"},
    {"sessions", "tokens", "roles", "api_keys"},
    {"accounts"},
    {"federation", "moving"},
    {"pruning", "resealing"},
    {"extension"},
    {"web"},
    {"embedding", "testing", "verify"},
    {"connection", "stopping"},
    {"connections"},
    {"app", "granian", "server"},
    {"supervisor"},
    {"cli"},
    {"__main__"},
)
DEPTH = {part: depth for depth, layer in enumerate(LAYERS) for part in layer}
MODULES = sorted(modules())


def part_of(name: str) -> str | None:
    """Return which part of the house a dotted name belongs to; None for the front door."""
    parts = name.split(".")
    return parts[1] if parts[0] == "vestibule" and len(parts) > 1 else None


def test_every_part_has_its_layer() -> None:
    assert {part_of(dotted(path)) for path in MODULES} == {None, *DEPTH}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(dotted(path))
    for name in imports(path):
        if name.split(".")[0] != "vestibule":
            continue
        other = part_of(name)
        if part is None:
            continue  # the front door gathers the public names
        assert other in DEPTH, f"{dotted(path)} comes in by the front door"
        if other != part:
            assert DEPTH[other] < DEPTH[part], f"{dotted(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_http_is_known_to_the_surfaces_alone(path: Path) -> None:
    part = part_of(dotted(path))
    if part is None or DEPTH[part] >= DEPTH["extension"]:
        return
    known = {name.split(".")[0] for name in imports(path)}
    assert not known & {"quart", "quart_auth", "quart_schema", "werkzeug", "hypercorn"}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_sql_is_unknown_to_the_surfaces(path: Path) -> None:
    part = part_of(dotted(path))
    if (
        part not in ("extension", "web", "embedding", "testing", "verify", "app", "server")
        or dotted(path) == "vestibule.web.health"
    ):
        return
    assert "sqlalchemy" not in {name.split(".")[0] for name in imports(path)}


def test_the_public_names() -> None:
    assert set(vestibule.__all__) == {
        "Account",
        "AddressNotProved",
        "CrossSite",
        "NotSignedIn",
        "ReauthenticationRequired",
        "RoleRequired",
        "ScopeRequired",
        "SessionRequired",
        "Settings",
        "Vestibule",
        "VestibuleError",
        "create_app",
        "current_account",
        "current_vestibule",
        "include_name",
        "requires",
        "signed_in",
    }
    assert all(hasattr(vestibule, name) for name in vestibule.__all__)
