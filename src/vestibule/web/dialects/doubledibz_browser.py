"""The two cookies of DoubleDibz' browsers: the session's, and the one that the CSRF token is of.

The page reads its token once and never again, so the token is of a cookie that outlives log-ins and
log-outs, and is good for as long as that.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any, cast

from quart import after_this_request, request
from quart.typing import ResponseTypes

from vestibule.accounts import presence
from vestibule.accounts.queries import SignedIn
from vestibule.extension import current_vestibule
from vestibule.kernel.settings import Settings
from vestibule.sessions.models import Kind
from vestibule.sessions.store import Opened
from vestibule.sessions.terms import Terms
from vestibule.web import identity
from vestibule.web.dialects.doubledibz_words import NAME, Refused

_PURPOSE = "doubledibz csrf"
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{48}", re.ASCII)
_YEAR = timedelta(days=365)
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_HEADERS = ("X-CSRFToken", "X-CSRF-Token")


def csrf_token() -> str:
    """Return this browser's token, which is given its cookie anew with each page."""
    secret = _brought() or token_urlsafe(32)
    _set(_csrf_name(), secret, _YEAR)
    mac = current_vestibule().means.seals.mac(_PURPOSE, secret.encode())
    return urlsafe_b64encode(mac).decode()


async def check_csrf() -> None:
    """Refuse an unsafe request without the token of the browser's cookie.

    It comes in a form's field whose name ends in `csrf_token`, or in a header.

    Raises:
        Refused: it does not.
    """
    if request.method in _SAFE:
        return
    secret, said = _brought(), await _token()
    if secret is None or not _TOKEN.fullmatch(said):
        raise Refused
    mac = urlsafe_b64decode(said.encode())
    if not current_vestibule().means.seals.verify(_PURPOSE, secret.encode(), mac):
        raise Refused


async def somebody() -> SignedIn | None:
    """Return who sends this request; None for a stranger."""
    await identity.after_the_start()
    secret = request.cookies.get(_name())
    if not secret:
        return None
    return await presence.by_session(current_vestibule().means, secret, audience=NAME)


def terms(settings: Settings, *, remember: bool = False) -> Terms:
    span = settings.doubledibz_remember_lifetime if remember else settings.session_lifetime
    return Terms(audience=NAME, kind=Kind.COOKIE, idle=span, lifetime=span)


def sign_in(opened: Opened) -> None:
    """Hand out the cookie of a session that was just opened."""
    assert opened.secret is not None, "a session of a cookie has one"
    remembered = current_vestibule().settings.doubledibz_remember_lifetime
    _set(_name(), opened.secret, remembered if opened.session.remember else None)


def sign_out() -> None:
    """Take the session's cookie back; the other one stays."""
    _set(_name(), "", timedelta())


def _brought() -> str | None:
    secret = request.cookies.get(_csrf_name(), "")
    return secret if _SECRET.fullmatch(secret) else None


async def _token() -> str:
    if request.mimetype == "application/x-www-form-urlencoded":
        for name, value in (await request.form).items():
            if name.endswith("csrf_token") and value:
                return cast(str, value)
    return next((said for name in _HEADERS if (said := request.headers.get(name))), "")


def _set(name: str, value: str, lasts: timedelta | None) -> None:
    @after_this_request
    async def set_cookie(response: ResponseTypes) -> ResponseTypes:
        response.set_cookie(name, value, max_age=lasts, **_attributes())
        return response


def _attributes() -> dict[str, Any]:  # Any: as Werkzeug's arguments are
    secure = not current_vestibule().settings.in_development
    return {"path": "/", "secure": secure, "httponly": True, "samesite": "Lax"}


def _name() -> str:
    in_development = current_vestibule().settings.in_development
    return f"{'' if in_development else '__Host-'}vestibule_{NAME}"


def _csrf_name() -> str:
    return f"{_name()}_csrf"
