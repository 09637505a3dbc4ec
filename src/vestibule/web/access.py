"""Who may use a route: the account that asks, and decorators that refuse all others.

For a host's routes as for ours. They refuse by raising, so whoever wants another answer registers
an error handler for the class.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, overload

from quart import Quart, current_app, has_websocket_context

from vestibule.accounts.models import Account
from vestibule.kernel.errors import AddressNotProved, CannotStart, NotSignedIn
from vestibule.web import guard, identity

View = TypeVar("View", bound=Callable[..., Any])  # Any: a view returns what Quart takes
Guarded = Callable[..., Awaitable[Any]]  # Any: the same

# On a view: it was decorated. On its wrapper: it decorates.
_INSIDE, _GUARD = "_vestibule_inside", "_vestibule_guard"


async def current_account() -> Account | None:
    """Return the account of whoever sends this request, or None for a stranger.

    However often it is asked, the database is asked once a request.

    Raises:
        DatabaseUnavailable: nobody can know; answered with 503.
    """
    _only_requests()
    known = await identity.somebody()
    return known.account if known else None


@overload
def signed_in(view: View, /) -> Guarded: ...
@overload
def signed_in() -> Callable[[View], Guarded]: ...
def signed_in(view: View | None = None, /) -> Guarded | Callable[[View], Guarded]:
    """Let only those in who are signed in.

    Stands below the route's own decorator and above those that read the body, so that a stranger
    is told to log in whatever they send. An unsafe request that another site's page may have sent
    is refused first, as on our own routes.

    Raises (when a request comes):
        CrossSite: 403. NotSignedIn: 401.
    """
    return requires() if view is None else requires(view)


@overload
def requires(view: View, /) -> Guarded: ...
@overload
def requires(*, verified: bool = False) -> Callable[[View], Guarded]: ...
def requires(
    view: View | None = None, /, *, verified: bool = False
) -> Guarded | Callable[[View], Guarded]:
    """Let only those in who are signed in and meet every condition that is named.

    Args:
        verified: the account has an address, and it is proved.

    Raises (when a request comes):
        As `signed_in`. AddressNotProved: 403.
    """

    def guarding(view: View) -> Guarded:
        if isinstance(view, type):
            raise TypeError(f"a class cannot be guarded: list it in {view.__name__}.decorators")

        @wraps(view)
        async def guarded(*args: Any, **named: Any) -> Any:  # Any: whatever the view takes
            _only_requests()
            await guard.refuse_cross_site()
            account = await current_account()
            if account is None:
                raise NotSignedIn
            if verified and account.email_verified_at is None:
                raise AddressNotProved
            return await current_app.ensure_async(view)(*args, **named)

        vars(guarded).pop(_INSIDE, None)
        setattr(guarded, _GUARD, True)
        if hasattr(view, "__dict__"):
            vars(view)[_INSIDE] = True
        return guarded

    return guarding if view is None else guarding(view)


def check_views(app: Quart) -> None:
    """Refuse decorators that guard nothing: above the route's own, or on a WebSocket.

    Raises:
        CannotStart: a line for each of them.
    """
    problems = []
    for rule in app.url_map.iter_rules():
        view = app.view_functions.get(rule.endpoint)
        if hasattr(view, _INSIDE):
            problems.append(
                f"{rule.rule} is open to everybody: put @signed_in or @requires below @….route"
            )
        elif rule.websocket and hasattr(view, _GUARD):
            problems.append(f"{rule.rule} is a WebSocket: @signed_in and @requires guard requests")
    if problems:
        raise CannotStart(*problems)


def _only_requests() -> None:
    if has_websocket_context():
        raise RuntimeError("a WebSocket has no current account: only requests do")
