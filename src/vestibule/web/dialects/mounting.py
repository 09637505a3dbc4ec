"""Which dialects there are, and putting them on an app."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from quart import Blueprint, Quart, Response, current_app, request

from vestibule.kernel.errors import VestibuleError
from vestibule.kernel.settings import origin_of
from vestibule.web.answers import Answers, Envelope, problem, speak
from vestibule.web.arrival import ASGI
from vestibule.web.dialects import (
    claims,
    classic,
    classic_tokens,
    doubledibz,
    doubledibz_browser,
    doubledibz_words,
    jwt_extended,
    jwt_words,
    openrank,
    openrank_cookie,
    praetorian,
    praetorian_tokens,
)
from vestibule.web.front_end import Manner

BLUEPRINTS: dict[str, Callable[[], Blueprint]] = {
    "classic": classic.blueprint,
    "doubledibz": doubledibz.blueprint,
    "jwt_extended": jwt_extended.blueprint,
    "openrank": openrank.blueprint,
    "praetorian": praetorian.blueprint,
}
# What a contract tells strangers, or lets them do, that the API does not; said at the start.
GIVES_AWAY = {
    "classic": "deletes accounts by an administrator's token alone, without a recent log-in",
    "doubledibz": "tells who has an account, and lets in whose address is not proved",
    "openrank": "tells who has an account, lets in whose address is not proved, signs in by a "
    "letter's link alone, and keeps its token where scripts can read it",
    "praetorian": "tells who has an account, and opens accounts by a letter's link alone",
}
_SPEAKING: dict[str, tuple[Answers, Envelope]] = {
    "classic": (classic_tokens.ANSWERS, classic_tokens.trouble),
    "doubledibz": (doubledibz_words.ANSWERS, doubledibz_words.trouble),
    "jwt_extended": (jwt_extended.ANSWERS, jwt_words.message),
    "openrank": (openrank_cookie.ANSWERS, openrank_cookie.message),
    "praetorian": (praetorian_tokens.ANSWERS, praetorian_tokens.trouble),
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
    speak(app, *_SPEAKING[name])


def problem_or_own(
    status: int, code: str, detail: str, error: VestibuleError | None = None
) -> Response:
    """Answer what no route does on a host that several share: as the dialect whose it would be."""
    missed = request.routing_exception
    if missed is not None and status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        name = claims.alone_with(current_app, missed)
        if name in _SPEAKING:
            _, envelope = _SPEAKING[name]
            return envelope(status, code, detail, error)
    return problem(status, code, detail, error)


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
