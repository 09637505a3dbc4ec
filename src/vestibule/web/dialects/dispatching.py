"""Who answers a path that several dialects know, told by what a request brings.

The contracts say so, for these paths alone. `pages` are our own pages in the place of a tutorial's.
"""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import cast

from quart import request

from vestibule.kernel.errors import BadInput
from vestibule.web import reading

PAGES = "pages"

_CSRF = ("X-CSRFToken", "X-CSRF-Token")
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


@dataclass(frozen=True)
class Shared:
    """Between whom `choose` decides, looking at the request."""

    between: frozenset[str]
    choose: Callable[[], Awaitable[str]]

    def settles(self, claimants: Collection[str | None]) -> bool:
        """Tell whether it knows all of them, each of whom claims the path once."""
        return self.between.issuperset(claimants) and len(set(claimants)) == len(claimants)


async def _log_in() -> str:
    """A form, and JSON with the key `login`, is of one front end; other JSON is of the other's."""
    if request.mimetype in _FORMS:
        return "doubledibz"
    if request.mimetype != "application/json":  # an empty form, as scripts send it, has no type
        return "doubledibz" if any(each in request.headers for each in _CSRF) else "classic"
    await reading.receive()
    try:
        said = reading.read_json(cast(bytes, await request.get_data()), whatever_its_type=True)
    except BadInput:
        return "classic"
    return "doubledibz" if isinstance(said, dict) and "login" in said else "classic"


async def _log_out_of_api() -> str:
    asked_first = request.headers.get("Access-Control-Request-Headers", "").lower()
    has_token = reading.brings_bearer() or "authorization" in asked_first
    return "classic" if has_token else "doubledibz"


async def _profile() -> str:
    """Whoever opens the page in a browser has no token to send, and wants HTML."""
    wants_page = "text/html" in request.headers.get("Accept", "")
    return PAGES if wants_page and not reading.brings_bearer() else "jwt_extended"


async def _log_out() -> str:
    """The front end posts nothing, and a page a form."""
    return PAGES if request.mimetype in _FORMS else "jwt_extended"


_APIS = frozenset({"classic", "doubledibz"})
_PROFILES = frozenset({"jwt_extended", PAGES})
SHARED = {
    ("POST", "/api/auth/login"): Shared(_APIS, _log_in),
    ("POST", "/api/auth/logout"): Shared(_APIS, _log_out_of_api),
    ("GET", "/profile"): Shared(_PROFILES, _profile),
    ("POST", "/logout"): Shared(_PROFILES, _log_out),
}
