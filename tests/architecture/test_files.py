"""What no file of ours may be or hold."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, TOP, dotted, modules, ours, tree

MODULES = sorted(modules())
LONGEST = 250
NAMES_FOR_NOTHING = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
MARKED = re.compile(r"\b[AF]-\d{2,3}\b")


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_module_has_one_reason_to_be_opened(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines"


def test_a_module_is_named_for_what_it_holds() -> None:
    assert {part for path in MODULES for part in dotted(path).split(".")}.isdisjoint(
        NAMES_FOR_NOTHING
    )


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_nothing_is_printed(path: Path) -> None:
    called = {
        node.func.id
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"print", "breakpoint"}


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_the_clock_asks_the_clock(path: Path) -> None:
    asked = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    if path != PACKAGE / "kernel/clock.py":
        assert not asked & {"datetime.now", "datetime.utcnow", "datetime.today", "time.time"}


def texts() -> Iterator[tuple[Path, str]]:
    for path in ours():
        try:
            yield path, path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # not text


def test_no_text_names_a_place_on_somebodys_machine() -> None:
    homes = re.compile(r"/(?:home|Users|root)/[a-z]")
    here = {str(TOP), str(Path.home())} - {"/", ""}
    assert [
        str(path.relative_to(TOP))
        for path, text in texts()
        if homes.search(text) or any(f"{place}/" in text for place in here)
    ] == []


def test_every_case_that_a_test_is_marked_with_is_told_in_the_documents() -> None:
    """`docs/security.md` says what each attack and fault was; its reader finds every one there."""
    used = {
        argument.value
        for path in ours(TOP / "tests")
        if path.suffix == ".py"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("attack", "fault")
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }
    assert used
    assert all(MARKED.fullmatch(each) for each in used), "each is one id, such as A-001 or F-01"
    told = set(MARKED.findall((TOP / "docs/security.md").read_text("utf-8")))
    assert used - told == set()
