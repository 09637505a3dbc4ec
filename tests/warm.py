"""What a process does once, done once for the thousands of services that one process of tests runs.

Two things cost a service that starts most of its time: SQLAlchemy writes out each statement for
each engine, and Werkzeug compiles what builds a URL for each route. Both depend on nothing that
differs between services.
"""

from collections.abc import Callable
from typing import Any  # Any: what the libraries keep to themselves

import pytest
from sqlalchemy.engine import Engine
from werkzeug.routing import Rule


class Statements:
    """A cache of compiled statements for every engine of a kind."""

    def __init__(self) -> None:
        self._kept: dict[Any, Any] = {}

    def get(self, key: tuple[Any, ...]) -> Any:
        return self._kept.get((type(key[0]), *key[1:]))

    def __setitem__(self, key: tuple[Any, ...], compiled: Any) -> None:
        self._kept[type(key[0]), *key[1:]] = compiled


def stay_warm(patch: pytest.MonkeyPatch) -> None:
    """Share statements and URL builders from here on."""
    statements = Statements()
    builders: dict[Any, Callable[..., tuple[str, str]]] = {}
    compile_builder = Rule._compile_builder

    def kept(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (tuple(rule._trace), append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    own = property(lambda _: statements, lambda _engine, _cache: None)
    patch.setattr(Engine, "_compiled_cache", own, raising=False)
    patch.setattr(Rule, "_compile_builder", kept)
