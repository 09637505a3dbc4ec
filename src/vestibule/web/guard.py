"""What stands before and after every route of ours: who may send, and what no answer may lack."""

from collections.abc import Awaitable, Callable, Mapping

from quart import Blueprint, Response, request

from vestibule.extension import current_vestibule
from vestibule.kernel.errors import CrossSite
from vestibule.kernel.limits import REQUESTS
from vestibule.kernel.settings import Settings, origin_of
from vestibule.throttle import counters
from vestibule.web import identity
from vestibule.web.answers import request_id
from vestibule.web.place import place

Headers = list[tuple[bytes, bytes]]  # as ASGI has them

_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_IN_PRODUCTION = {**_HEADERS, "Strict-Transport-Security": "max-age=31536000"}


def protect(
    blueprint: Blueprint, *, cross_site: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Put our rules before every route of `blueprint`, and our headers after it.

    Args:
        cross_site: in place of `refuse_cross_site`, for a surface with tokens against that.
    """
    blueprint.before_request(identity.after_the_start)
    blueprint.before_request(refuse_flood)
    blueprint.before_request(cross_site or refuse_cross_site)
    blueprint.after_request(add_headers)


async def refuse_flood() -> None:
    """Refuse what may change something while this process has more of that than it can do.

    Raises:
        TooManyAttempts: it has.
    """
    if request.method not in _SAFE:
        await counters.take_here(current_vestibule().means, REQUESTS)


async def refuse_cross_site() -> None:
    """Refuse an unsafe request that somebody else's page may have made a browser send.

    Log-in and sign-up too: nobody is to be signed in as somebody else without noticing. A token
    or an API key is never sent by a browser on its own, so it needs no such rule. (OWASP CSRF:
    Fetch Metadata first, Origin next, Referer last.)

    Raises:
        CrossSite: with the header that would make it acceptable.
    """
    if request.method in _SAFE or identity.brings_token() or _says_its_origin():
        return
    if referer := request.headers.get("Referer"):
        if origin_of(referer) not in place().origins:
            raise CrossSite(_not_ours("The origin of the Referer"))
        return
    if "Sec-Fetch-Site" not in request.headers and identity.has_cookie():
        raise CrossSite(f"Send the header Origin: {own_origin()}")


async def refuse_foreign_origin() -> None:
    """Refuse what says that another site's page sent it, and take what says nothing.

    Raises:
        CrossSite: as above.
    """
    if request.method not in _SAFE:
        _says_its_origin()


def _says_its_origin() -> bool:
    allowed = place().origins
    origins = request.headers.getlist("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in ("same-origin", "none"):
        if len(origins) != 1 or origins[0] not in allowed:
            raise CrossSite(_not_ours("The page that sent this"))
        return True
    if origins:
        own_page = origins == ["null"] and site == "same-origin"
        if not own_page and (len(origins) != 1 or origins[0] not in allowed):
            raise CrossSite(_not_ours("The Origin"))
        return True
    return False


def _not_ours(what: str) -> str:
    """Name what would do; never what came, which a foreign page chose."""
    return (
        f"{what} is not {own_origin()} (VESTIBULE_BASE_URL) nor one of VESTIBULE_ALLOWED_ORIGINS."
    )


def own_origin() -> str:
    return place().origin


def headers(settings: Settings) -> Mapping[str, str]:
    """Return what every answer says to browsers."""
    return _HEADERS if settings.in_development else _IN_PRODUCTION


def raw_headers(settings: Settings) -> Headers:
    """Return the same as ASGI has it."""
    said = dict(headers(settings))
    if settings.allowed_origins:
        said["Vary"] = "Origin"
    return [(name.lower().encode(), value.encode()) for name, value in said.items()]


async def add_headers(response: Response) -> Response:
    if response.headers.get("X-Request-Id") == request_id():
        return response  # a surface of the app has added them before the app does
    for name, value in headers(current_vestibule().settings).items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-Id"] = request_id()
    return response
