"""Which paths a dialect claims, and that nobody else claims them on the same host.

Where the contracts say how several share a path, each request is led to the one whom it is for.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

from quart import Blueprint, Quart, request, request_started
from quart.blueprints import BlueprintSetupState
from quart.routing import QuartRule
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.routing import Rule

from vestibule.web.dialects.dispatching import SHARED

_CLAIMS, _LED = "vestibule_dialects", "vestibule_led"
_EVERYWHERE = frozenset({"HEAD", "OPTIONS"})

Routes = dict[tuple[str, str], list[Rule]]  # by method, and path without the names in it


def claim(blueprint: Blueprint, dialect: str) -> None:
    """Note, wherever `blueprint` is registered, that its paths are the dialect's."""

    def note(state: BlueprintSetupState) -> None:
        app = cast(Quart, state.app)
        name = f"{state.name_prefix}.{state.name}".lstrip(".")
        app.extensions.setdefault(_CLAIMS, {})[name] = dialect
        request_started.connect(_lead, app)  # before anybody asks whose hooks come first

    blueprint.record_once(note)


def clashes(app: Quart) -> Iterator[str]:
    """Yield a line for each path that a dialect and somebody else would both answer.

    Routing takes the one that came first and says nothing.
    """
    for (method, path), rules in _routes(app).items():
        claimants = [_dialect_of(app, rule) for rule in rules]
        shared = SHARED.get((method, path))
        if not any(claimants) or (shared and shared.settles(claimants)):
            continue
        first, whose = rules[0], claimants[0]
        for rule, dialect in zip(rules[1:], claimants[1:], strict=True):
            both = " and by ".join((whose or first.endpoint, dialect or rule.endpoint))
            yield f"{method} {rule.rule} is claimed by {both}; give one of them a host"


def alone_with(app: Quart, error: Exception | None) -> str | None:
    """Return whose words a path deserves that `app` has not, or not by this method.

    The dialect's that alone has the path; or that alone has paths in the same folder, which is not
    the top one. None where there is no such dialect.
    """
    if isinstance(error, MethodNotAllowed):
        at = app.url_map.bind("")
        found = [
            at.match(request.path, method, return_rule=True)[0]
            for method in error.valid_methods or ()
        ]
        return _only(app, found)
    folder = request.path
    while (folder := folder.rpartition("/")[0]) != "":
        inside = [
            rule for rule in app.url_map.iter_rules() if f"{rule.rule}/".startswith(f"{folder}/")
        ]
        if inside:
            return _only(app, inside)
    return None


async def _lead(app: Quart, **_: Any) -> None:  # Any: what signals bring along
    """Have the dialect answer whom a request to a shared path is for."""
    if request.url_rule is None:
        return
    method = {
        "HEAD": "GET",
        "OPTIONS": request.headers.get("Access-Control-Request-Method", ""),
    }.get(request.method, request.method)
    shared = method, request.url_rule.rule
    if led := _led(app).get(shared):
        request.url_rule = cast(QuartRule, led[await SHARED[shared].choose()])


def _led(app: Quart) -> dict[tuple[str, str], dict[str, Rule]]:
    """Return whose rule is whose, of those paths that several share in this app."""
    if _LED not in app.extensions:
        routes = _routes(app)
        app.extensions[_LED] = {
            shared: {str(_dialect_of(app, rule)): rule for rule in routes[shared]}
            for shared in SHARED
            if len(routes.get(shared, ())) > 1
        }
    return cast(dict[tuple[str, str], dict[str, Rule]], app.extensions[_LED])


def _routes(app: Quart) -> Routes:
    found: Routes = {}
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - _EVERYWHERE):
            found.setdefault((method, re.sub(r"<[^>]*>", "<>", rule.rule)), []).append(rule)
    return found


def _dialect_of(app: Quart, rule: Rule) -> str | None:
    dialects: dict[str, str] = app.extensions.get(_CLAIMS, {})
    return dialects.get(rule.endpoint.rpartition(".")[0])


def _only(app: Quart, rules: list[Rule]) -> str | None:
    owners = {_dialect_of(app, rule) for rule in rules}
    return owners.pop() if len(owners) == 1 else None
