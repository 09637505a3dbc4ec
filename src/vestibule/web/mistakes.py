"""Guards that do not guard what their author meant, found before anything is served."""

from collections.abc import Collection, Iterator
from typing import Any

from quart import Quart
from werkzeug.routing import Rule

from vestibule.extension import Vestibule
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.scopes import Scope
from vestibule.roles import grants
from vestibule.web.access import GUARD, INSIDE
from vestibule.web.conditions import Conditions
from vestibule.web.dialects import claims

View = Any  # Any: whatever Quart takes for one


async def check_views(app: Quart, vestibule: Vestibule) -> None:
    """Refuse decorators that guard nothing, roles and scopes that there are not, and paths twice.

    Above the route's own decorator, or on a WebSocket, one guards nothing.

    Raises:
        CannotStart: a line for each of them.
    """
    roles, scopes = await vestibule.run(grants.names, reading=True), vestibule.settings.scopes
    problems = [*_unknown_roles(scopes, roles)]
    problems += (
        f"VESTIBULE_SUPPORT_ROLES names a role that there is not: {role}"
        for role in set(vestibule.settings.support_roles).difference(roles)
    )
    for rule in app.url_map.iter_rules():
        view = app.view_functions.get(rule.endpoint)
        problems += _misplaced(rule, view)
        problems += _unknown(rule, view, roles, {scope.name for scope in scopes})
    problems += claims.clashes(app)
    if problems:
        raise CannotStart(*dict.fromkeys(problems))


def _unknown_roles(scopes: Collection[Scope], roles: Collection[str]) -> Iterator[str]:
    for scope in scopes:
        for role in set(scope.roles).difference(roles):
            yield f"VESTIBULE_SCOPES: {scope.name} names a role that there is not: {role}"


def _misplaced(rule: Rule, view: View) -> Iterator[str]:
    if hasattr(view, INSIDE):
        yield f"{rule.rule} is open to everybody: put @signed_in or @requires below @….route"
    elif rule.websocket and hasattr(view, GUARD):
        yield f"{rule.rule} is a WebSocket: @signed_in and @requires guard requests"


def _unknown(
    rule: Rule, view: View, roles: Collection[str], scopes: Collection[str]
) -> Iterator[str]:
    for each in _conditions(view):
        for role in set(each.any_of).difference(roles):
            yield f"{rule.rule} requires a role that there is not: {role}"
        if each.scope is not None and each.scope not in scopes:
            yield f"{rule.rule} requires a scope that VESTIBULE_SCOPES does not name: {each.scope}"


def _conditions(view: View) -> Iterator[Conditions]:
    """Yield what guards a view, and the methods of one that is a class."""
    methods = vars(view.view_class).values() if hasattr(view, "view_class") else ()
    for each in (view, *methods):
        yield from getattr(each, GUARD, ())
