"""By which name and how safely a request came to the ready-made service."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlsplit

from quart import redirect, request
from quart.typing import ResponseReturnValue

from vestibule.extension import current_vestibule
from vestibule.kernel.errors import HttpsRequired, WrongHost
from vestibule.kernel.settings import Settings, origin_of
from vestibule.web import network
from vestibule.web.place import place

ASGI = Callable[[Any, Any, Any], Awaitable[None]]  # Any: as ASGI defines them

_NOBODYS = b"name.invalid"  # RFC 6761, 6.4
_HEALTH = frozenset({"/healthz", "/readyz"})  # asked by address, without a proxy in between
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


async def check() -> ResponseReturnValue | None:
    """Refuse requests for other services, and lead those that came in clear to https.

    A name that is not ours may be an attacker's, who had it point here (DNS rebinding) or hopes
    that something on the way builds links from it. What was sent in clear is not taken even though
    it could be: the next one would be sent in clear as well.

    Raises:
        WrongHost: no name of ours.
        HttpsRequired: it came in clear and changes something.
    """
    settings = current_vestibule().settings
    if request.path in _HEALTH:
        return None
    by_address = request.path == "/metrics" and not settings.in_development  # its token will do
    anybody = settings.in_development and settings.dev_remote
    if not (by_address or anybody) and _name() not in own_names(current_vestibule().settings):
        raise WrongHost
    if settings.in_development or network.forwarded("X-Forwarded-Proto") != "http":
        return None
    if request.method not in ("GET", "HEAD"):
        raise HttpsRequired
    query = f"?{request.query_string.decode('ascii', 'replace')}" if request.query_string else ""
    return redirect(f"{place().base_url}{quote(request.path)}{query}", 308)


def _name() -> str | None:
    """Return the name by which the request calls us, as `origin_of` writes it."""
    return urlsplit(origin_of(f"http://{request.host}")).hostname


def own_names(settings: Settings) -> set[str | None]:
    own = {urlsplit(origin_of(settings.base_url)).hostname, *settings.allowed_hosts}
    own |= settings.dialect_hosts
    return own | _LOCAL if settings.in_development else own


def made_readable(app: ASGI) -> ASGI:
    """Write anew what Quart and Werkzeug would fail to read before anybody of ours is asked.

    A Host that DNS could not hold becomes a name that is nobody's, so that `check` refuses it. A
    target that is no path becomes one, and a query that is not ASCII is escaped.
    """

    async def read(scope: Any, receive: Any, send: Any) -> None:  # Any: as ASGI defines them
        if scope["type"] == "http":
            scope = scope | {
                "headers": [
                    (name, _NOBODYS if name.lower() == b"host" and not _is_name(value) else value)
                    for name, value in scope["headers"]
                ],
                "path": _path(scope["path"]),
                "query_string": quote(scope["query_string"], safe=_ASCII).encode(),
            }
        await app(scope, receive, send)

    return read


def _path(target: str) -> str:
    """Return the path of a request's target, which may be a whole URL (RFC 9112, 3.2.2)."""
    if target.startswith("/"):
        return target
    try:
        return f"/{urlsplit(target).path.lstrip('/')}"
    except ValueError:
        return "/"


def _is_name(host: bytes) -> bool:
    try:
        host.decode("latin-1").lower().partition(":")[0].encode("idna")
    except UnicodeError:
        return False
    return True


_ASCII = bytes(range(128))
