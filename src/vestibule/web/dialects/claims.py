"""Which paths a dialect claims, and that nobody else claims them on the same host."""

import re
from collections.abc import Iterator
from typing import cast

from quart import Blueprint, Quart
from quart.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

_CLAIMS = "vestibule_dialects"
_EVERYWHERE = frozenset({"HEAD", "OPTIONS"})


def claim(blueprint: Blueprint, dialect: str) -> None:
    """Note, wherever `blueprint` is registered, that its paths are the dialect's."""

    def note(state: BlueprintSetupState) -> None:
        app = cast(Quart, state.app)
        name = f"{state.name_prefix}.{state.name}".lstrip(".")
        app.extensions.setdefault(_CLAIMS, {})[name] = dialect

    blueprint.record_once(note)


def clashes(app: Quart) -> Iterator[str]:
    """Yield a line for each path that a dialect and somebody else would both answer.

    Routing takes the one that came first and says nothing.
    """
    dialects: dict[str, str] = app.extensions.get(_CLAIMS, {})
    claimed: dict[tuple[str, str], tuple[Rule, str | None]] = {}
    for rule in app.url_map.iter_rules():
        dialect = dialects.get(rule.endpoint.rpartition(".")[0])
        for method in sorted((rule.methods or set()) - _EVERYWHERE):
            path = re.sub(r"<[^>]*>", "<>", rule.rule)
            first, whose = claimed.setdefault((method, path), (rule, dialect))
            if first is not rule and (dialect or whose):
                both = " and by ".join((whose or first.endpoint, dialect or rule.endpoint))
                yield f"{method} {rule.rule} is claimed by {both}; give one of them a host"
