"""Whoever changes what servers remember says so, also where that is written some day."""

import ast
from collections.abc import Iterator

from tests.architecture.source import dotted, modules, tree

REMEMBERED = {"Account", "Session", "ApiKey", "SigningKey", "Grant"}
# What is remembered does not become wrong by these.
UNTOLD = {
    "accounts.queries._ENTERING": "a log-in; nobody is shown when the last one was",
    "federation.admission._hold_active": "the same",
    "api_keys.keys.write_touches": "a use; the last one is shown from the row",
    "sessions.rotation.rotating": "a refresh; what looks idle is read again",
    "sessions.store.write_touches": "a use; what looks idle is read again",
}


def changes() -> Iterator[tuple[str, bool]]:
    """Yield each function or constant that changes such rows, and whether it tells."""
    for path in modules():
        for part in tree(path).body:
            calls = [each for each in ast.walk(part) if isinstance(each, ast.Call)]
            if not any(_is_change(each) for each in calls):
                continue
            named = part.targets[0] if isinstance(part, ast.Assign) else part
            name = named.id if isinstance(named, ast.Name) else getattr(named, "name", "?")
            tells = any(
                isinstance(each.func, ast.Attribute) and each.func.attr == "forget"
                for each in calls
            )
            yield f"{dotted(path)}.{name}".removeprefix("vestibule."), tells


def _is_change(call: ast.Call) -> bool:
    made = isinstance(call.func, ast.Name) and call.func.id in ("update", "delete")
    named = {part.id for each in call.args for part in ast.walk(each) if isinstance(part, ast.Name)}
    return made and bool(named & REMEMBERED)


def test_whoever_changes_what_is_remembered_says_so() -> None:
    found = dict(changes())
    assert {name for name, tells in found.items() if not tells} == set(UNTOLD)
    assert sum(found.values()) >= 8
