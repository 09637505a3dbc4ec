"""Which dialects there are, and putting them on an app."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from quart import Blueprint, Quart

from vestibule.kernel.settings import origin_of
from vestibule.web.answers import speak
from vestibule.web.arrival import ASGI
from vestibule.web.dialects import (
    doubledibz,
    doubledibz_browser,
    doubledibz_words,
    jwt_extended,
    openrank,
    openrank_cookie,
    praetorian,
    praetorian_tokens,
)
from vestibule.web.front_end import Manner

BLUEPRINTS: dict[str, Callable[[], Blueprint]] = {
    "doubledibz": doubledibz.blueprint,
    "jwt_extended": jwt_extended.blueprint,
    "openrank": openrank.blueprint,
    "praetorian": praetorian.blueprint,
}
# What a contract tells strangers, or lets them do, that the API does not; said at the start.
GIVES_AWAY = {
    "openrank": "tells who has an account, lets in whose address is not proved, signs in by a "
    "letter's link alone, and keeps its token where scripts can read it",
    "doubledibz": "tells who has an account, and lets in whose address is not proved",
    "praetorian": "tells who has an account, and opens accounts by a letter's link alone",
}
_SPEAKING: dict[str, Callable[[Quart], None]] = {
    "doubledibz": lambda app: speak(app, doubledibz_words.ANSWERS, doubledibz_words.trouble),
    "jwt_extended": lambda app: speak(app, jwt_extended.ANSWERS, jwt_extended.message),
    "openrank": lambda app: speak(app, openrank_cookie.ANSWERS, openrank_cookie.message),
    "praetorian": lambda app: speak(app, praetorian_tokens.ANSWERS, praetorian_tokens.trouble),
}
# Whose front ends have a page with something of their own in it.
MANNERS = {
    "doubledibz": Manner(token=doubledibz_browser.csrf_token, not_there=doubledibz.not_there),
}


def mount(app: Quart, names: Sequence[str]) -> None:
    """Answer what the front ends of these dialects send, on the paths that they know."""
    for name in names:
        app.register_blueprint(BLUEPRINTS[name]())


def speak_as(app: Quart, name: str) -> None:
    """Answer what no route does, on a host that a dialect has to itself, in its shape."""
    _SPEAKING[name](app)


class Hosts:
    """ASGI middleware that chooses the app by the host that a request is for."""

    def __init__(self, app: ASGI, others: dict[str, ASGI]) -> None:
        self._app = app
        self._others = others

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # Any: as ASGI has them
        chosen = self._others.get(_name(scope), self._app)
        await chosen(scope, receive, send)


def _name(scope: Any) -> str:  # Any: the same
    for name, value in scope.get("headers", ()):
        if name.lower() == b"host":
            asked = origin_of(f"http://{value.decode('latin-1')}")
            return urlsplit(asked).hostname or ""
    return ""
