"""A built front end, served from a folder on the origin of its API.

Routes come first. What no route is may be a file, and where a browser goes otherwise is the page,
whose script knows what to show there.
"""

import asyncio
import mimetypes
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import TemplateError
from quart import Quart, Response, request
from quart.helpers import send_from_directory
from werkzeug.exceptions import NotFound, RequestedRangeNotSatisfiable, ServiceUnavailable
from werkzeug.security import safe_join

from vestibule.kernel.settings.front_end import FrontEnd
from vestibule.web import reading
from vestibule.web.front_end_page import Page, policy
from vestibule.web.seen import seen

# Where the page never is: what is missing there is missing.
_NOT_PAGES = frozenset({"api", "v1", ".well-known", "dev", "static"})
# Paths that a dialect's API and its pages share.
_SHARED = frozenset({"/profile"})
_METHODS = frozenset({"GET", "HEAD"})
_PART = re.compile(r"bytes=[0-9]+-[0-9]*", re.IGNORECASE | re.ASCII)
_ODD = re.compile(rb"^//|%(?:2f|5c|00)", re.IGNORECASE)
# A name that changes with what is in the file, as build tools write it.
_HASHED = re.compile(
    r"\.(?!(?:19|20)[0-9]{6})(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}(?=\.)"
    r"|-(?P<mixed>[\w-]{8})\.(?:js|css)$"
)
_MIXED = tuple(re.compile(each) for each in ("[a-z]", "[A-Z]", "[0-9]"))
_SOON = 1  # seconds
_FOR_EVER, _ASK_FIRST = "public, max-age=31536000, immutable", "no-cache"
_PRIVATE = "private, no-cache"
# Files that browsers show as a page. Of others a policy would hold for what a worker loads.
_SHOWN = frozenset({"image/svg+xml", "text/xml", "application/xml", "application/xhtml+xml"})
_NO_PAGE = "frame-ancestors 'none'"
_OF_NO_KIND = "application/octet-stream"
_ROUTE = "front end"  # in the log and in numbers

_TYPES = mimetypes.MimeTypes()  # the same on every machine
for _type, _ending in (
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("application/json", ".map"),
    ("application/manifest+json", ".webmanifest"),
    ("application/wasm", ".wasm"),
    ("image/x-icon", ".ico"),
    ("image/webp", ".webp"),
    ("image/avif", ".avif"),
    ("font/woff", ".woff"),
    ("font/woff2", ".woff2"),
    ("font/ttf", ".ttf"),
    ("font/otf", ".otf"),
):
    _TYPES.add_type(_type, _ending)


@dataclass(frozen=True)
class Manner:
    """What a dialect's front end has of its own.

    `token`: written into its page for whoever asks; the answer sets the token's cookie.
    `not_there`: what is said of a file that is missing.
    """

    token: Callable[[], str]
    not_there: Callable[[], Response]


def attach(app: Quart, front_end: FrontEnd, manner: Manner | None) -> None:
    """Answer with files and pages of `front_end` what no route of `app` answers.

    Raises:
        CannotStart: its page is a template that cannot be rendered.
    """
    app.before_request(_Files(front_end, manner).answer)


class _Files:
    def __init__(self, front_end: FrontEnd, manner: Manner | None) -> None:
        self._root = front_end.files.resolve()
        self._under = front_end.under
        self._manner = manner
        self._page = Page(front_end, has_token=manner is not None)
        self._names = {"/", f"/{front_end.page}"}

    async def answer(self) -> Response | None:
        """Answer a request that is for the front end; None: it is for somebody else."""
        if request.method not in _METHODS:
            return None
        if request.path in self._names:
            return await self._show()
        if isinstance(request.routing_exception, NotFound):
            return await self._answer_what_no_route_does(request.path)
        for_page = request.path in _SHARED and not reading.brings_bearer()
        return await self._show(asked=True) if for_page and _navigates() else None

    async def _answer_what_no_route_does(self, path: str) -> Response | None:
        found = await asyncio.to_thread(self._find, path, _raw_path())
        if found is not None:
            return await self._send(found)
        if _may_be_a_page(path, _raw_path()) and _navigates():
            return await self._show(asked=True)
        if self._manner is not None and path.startswith("/static/"):
            return self._manner.not_there()
        return None

    def _find(self, path: str, raw: bytes) -> str | None:
        """Return the name of the file that a path is of, if it is one that everybody may read."""
        if not path.startswith(self._under) or not _is_plain(path, raw):
            return None
        joined = safe_join(str(self._root), path.removeprefix(self._under))
        try:
            found = Path(joined or "").resolve(strict=True)
            if joined is None or not found.is_file() or not os.access(found, os.R_OK):
                return None
            name = found.relative_to(self._root).as_posix()  # wherever links lead
        except (OSError, RuntimeError, ValueError):
            return None
        return name if _is_plain(f"/{name}") else None  # nor do links lead to hidden ones

    async def _show(self, *, asked: bool = False) -> Response:
        """Return the page; `asked`: because of what the request asks for at this path."""
        token = self._manner.token() if self._manner is not None else None
        try:
            text = await asyncio.to_thread(self._page.written, token)
        except OSError:  # between two builds
            raise NotFound from None
        except (TemplateError, ValueError):  # half of it is written
            raise ServiceUnavailable(retry_after=_SOON) from None
        answer = await _html(text, _ASK_FIRST if token is None else _PRIVATE)
        if asked:
            answer.vary.update(("Accept", "Authorization", "Sec-Fetch-Mode"))
        return answer

    async def _send(self, name: str) -> Response:
        found, packed = _TYPES.guess_type(name)
        kind = _OF_NO_KIND if packed or found is None else found
        if kind == "text/html":
            read = (self._root / name).read_bytes
            return await _html((await asyncio.to_thread(read)).decode("utf-8", "replace"))
        answer = await send_from_directory(self._root, name, mimetype=kind, conditional=False)
        size = answer.content_length
        try:
            await answer.make_conditional(
                request, accept_ranges=True, complete_length=size if _wants_part() else None
            )
        except RequestedRangeNotSatisfiable:
            raise RequestedRangeNotSatisfiable(size) from None
        answer.headers["Cache-Control"] = _FOR_EVER if is_hashed(name) else _ASK_FIRST
        answer.headers.pop("Expires", None)
        return _ours(answer, policy("") if kind in _SHOWN else _NO_PAGE)


def is_hashed(name: str) -> bool:
    """Tell whether a file is another one whenever its content is another."""
    return any(
        not hashed["mixed"] or all(each.search(hashed["mixed"]) for each in _MIXED)
        for hashed in _HASHED.finditer(name.rpartition("/")[2])
    )


async def _html(text: str, kept: str = _ASK_FIRST) -> Response:
    answer = Response(text, content_type="text/html; charset=utf-8")
    answer.headers["Cache-Control"] = kept
    await answer.add_etag()
    await answer.make_conditional(request)
    return _ours(answer, policy(text))


def _ours(answer: Response, said: str) -> Response:
    answer.headers["Content-Security-Policy"] = said
    seen().route = _ROUTE
    return answer


def _wants_part() -> bool:
    """Tell whether one part is asked for, from where to where; else the whole does (RFC 9110)."""
    said = request.headers.getlist("Range")
    plain = len(said) == 1 and _PART.fullmatch(said[0]) is not None
    return request.method == "GET" and plain and request.range is not None


def _raw_path() -> bytes:
    """Return the path as it was sent: Quart takes several slashes at its head for one."""
    return request.scope.get("raw_path") or request.scope["path"].encode(errors="replace")


def _is_plain(path: str, raw: bytes = b"") -> bool:
    """Tell whether a path says where something is as everybody would read it."""
    if "\0" in path or "\\" in path or _ODD.search(raw):
        return False
    return not any(not part or part.startswith(".") for part in path.split("/")[1:])


def _may_be_a_page(path: str, raw: bytes) -> bool:
    first = path[1:].partition("/")[0]
    return first not in _NOT_PAGES and _is_plain(path.removesuffix("/"), raw)


def _navigates() -> bool:
    """Tell whether a browser goes there, rather than a script that asks for something."""
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    accepted = request.accept_mimetypes
    return bool(accepted["text/html"] > accepted["application/json"])
