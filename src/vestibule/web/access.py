"""Who may use a route: the account that asks, and decorators that refuse all others.

For a host's routes as for ours. They refuse by raising, so whoever wants another answer registers
an error handler for the class.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any, TypeVar, overload

from quart import current_app, has_websocket_context

from vestibule.accounts.models import Account
from vestibule.kernel.errors import NotSignedIn
from vestibule.web import guard, identity
from vestibule.web.conditions import Conditions

View = TypeVar("View", bound=Callable[..., Any])  # Any: a view returns what Quart takes
Guarded = Callable[..., Awaitable[Any]]  # Any: the same

# On a view: it was decorated. On its wrapper: it decorates, and by which conditions.
INSIDE, GUARD = "_vestibule_inside", "_vestibule_guard"


async def current_account() -> Account | None:
    """Return the account of whoever sends this request, or None for a stranger.

    However often it is asked, the database is asked once a request.

    With an API key it is the key's owner, without roles: what a key may do is told by its scopes.

    Raises:
        DatabaseUnavailable: nobody can know; answered with 503.
    """
    _only_requests()
    return await identity.account()


@overload
def signed_in(view: View, /) -> Guarded: ...
@overload
def signed_in() -> Callable[[View], Guarded]: ...
def signed_in(view: View | None = None, /) -> Guarded | Callable[[View], Guarded]:
    """Let only those in who are signed in; an API key is not enough.

    Stands below the route's own decorator and above those that read the body, so that a stranger
    is told to log in whatever they send. An unsafe request that another site's page may have sent
    is refused first, as on our own routes.

    Raises (when a request comes):
        CrossSite: 403. NotSignedIn: 401. SessionRequired: 403, to an API key.
    """
    return requires() if view is None else requires(view)


@overload
def requires(view: View, /) -> Guarded: ...
@overload
def requires(
    role: str | None = None,
    /,
    *,
    any_of: Sequence[str] = (),
    scope: str | None = None,
    verified: bool = False,
    recent: bool = False,
) -> Callable[[View], Guarded]: ...
def requires(
    view: View | str | None = None,
    /,
    *,
    any_of: Sequence[str] = (),
    scope: str | None = None,
    verified: bool = False,
    recent: bool = False,
) -> Guarded | Callable[[View], Guarded]:
    """Let only those in who are signed in and meet every condition that is named.

    API keys are let in by a scope alone: where none is named, or a role or a recent log-in is, the
    route is for people.

    Roles are those that the account has at this request, whatever a token says of them.

    Args:
        view: or the name of a role that the account has: `@requires("admin")`.
        any_of: roles of which the account has one.
        scope: one of `VESTIBULE_SCOPES`, given by a role that the account has; and to the key, if
            an API key came along.
        verified: the account has an address, and it is proved.
        recent: the session logged in, or confirmed who it is, within the last ten minutes
            (`VESTIBULE_RECENT_AUTHENTICATION`).

    Raises (when a request comes):
        As `signed_in`.
        RoleRequired, ScopeRequired, AddressNotProved, ReauthenticationRequired: 403.

    Raises (at once):
        TypeError, ValueError: a condition that nobody or everybody would meet.
    """
    role = view if isinstance(view, str) else None
    conditions = Conditions.of(role, any_of=any_of, scope=scope, verified=verified, recent=recent)

    def guarding(view: View) -> Guarded:
        if isinstance(view, type):
            raise TypeError(f"a class cannot be guarded: list it in {view.__name__}.decorators")

        @wraps(view)
        async def guarded(*args: Any, **named: Any) -> Any:  # Any: whatever the view takes
            _only_requests()
            await guard.refuse_cross_site()
            known = await identity.known()
            if known is None:
                raise NotSignedIn
            conditions.check(known)
            return await current_app.ensure_async(view)(*args, **named)

        vars(guarded).pop(INSIDE, None)
        setattr(guarded, GUARD, (*getattr(view, GUARD, ()), conditions))
        if hasattr(view, "__dict__"):
            vars(view)[INSIDE] = True
        return guarded

    return guarding if view is None or isinstance(view, str) else guarding(view)


def _only_requests() -> None:
    if has_websocket_context():
        raise RuntimeError("a WebSocket has no current account: only requests do")
