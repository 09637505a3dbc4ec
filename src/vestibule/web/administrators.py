"""Routes that are for administrators, told apart before anything of the request is looked at."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from vestibule.accounts import powers
from vestibule.extension import current_vestibule
from vestibule.web import identity
from vestibule.web.access import Guarded, signed_in
from vestibule.web.conditions import Conditions

View = Callable[..., Any]  # Any: a view returns what Quart takes
RECENT = Conditions.of(None, any_of=(), scope=None, verified=False, recent=True)


def administers(*, all_of_it: bool = False, recent: bool = False) -> Callable[[View], Guarded]:
    """Let only administrators in; what they may is decided again by the flow, which holds them.

    Args:
        all_of_it: only `admin`, not the roles of `VESTIBULE_SUPPORT_ROLES`.
        recent: as for `requires`.

    Raises (when a request comes):
        As `signed_in`; RoleRequired, ReauthenticationRequired: 403.
    """

    def guarding(view: View) -> Guarded:
        @signed_in
        @wraps(view)
        async def guarded(*args: Any, **named: Any) -> Any:  # Any: whatever the view takes
            known = await identity.signed_in()
            settings = current_vestibule().settings
            powers.check(settings, known.account.roles, all_of_it=all_of_it)
            if recent:
                RECENT.check(known)
            return await view(*args, **named)

        return guarded

    return guarding
