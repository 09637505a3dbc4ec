"""How a surface says no: a table from errors to words, and the envelope they travel in."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from quart import Blueprint, Quart, Response, current_app, got_request_exception, json
from quart.typing import ResponseReturnValue
from quart_schema import RequestSchemaValidationError
from werkzeug.exceptions import HTTPException, default_exceptions

from vestibule.kernel import errors
from vestibule.kernel.errors import TryLater, VestibuleError
from vestibule.web import reading
from vestibule.web.seen import seen

log = logging.getLogger("vestibule")

Words = str | Callable[[VestibuleError], str]
Answers = Mapping[type[VestibuleError], tuple[int, Words]]
Envelope = Callable[[int, str, str, VestibuleError | None], Response]


def request_id() -> str:
    """Return this request's id: in the answer's header, in every problem, in the log."""
    return seen().request_id


def problem(status: int, code: str, detail: str, error: VestibuleError | None = None) -> Response:
    """Return an `application/problem+json` answer (RFC 9457)."""
    content: dict[str, object] = {
        "type": f"urn:vestibule:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id(),
    }
    if isinstance(error, errors.InvalidFields):
        content["errors"] = [vars(each) for each in error.fields]
    response = Response(json.dumps(content), status=status, content_type="application/problem+json")
    return envelope_headers(response, error)


def envelope_headers(response: Response, error: VestibuleError | None) -> Response:
    """Add what every envelope of `error` tells in a header."""
    if isinstance(error, TryLater):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def refusal(error: VestibuleError, answers: Answers, envelope: Envelope = problem) -> Response:
    """Answer one of our errors as the table says."""
    status, words = answers[type(error)]
    detail = words if isinstance(words, str) else words(error)
    return envelope(status, error.code, detail, error)


def speak(scaffold: Blueprint | Quart, answers: Answers, envelope: Envelope = problem) -> None:
    """Answer every error raised in `scaffold`: ours from its table, the rest in its envelope.

    What the app around it raises before our routes, and has a handler of its own for, stays the
    app's.
    """

    async def ours(error: VestibuleError) -> Response:
        return refusal(error, answers, envelope)

    async def shape(error: RequestSchemaValidationError) -> Response:
        return await ours(reading.shape_errors(error))

    async def http(error: HTTPException) -> ResponseReturnValue:
        if theirs := _own_handler(error):
            return await theirs(error)
        return _http(error, envelope)

    async def unforeseen(error: Exception) -> ResponseReturnValue:
        if theirs := _own_handler(error):
            return await theirs(error)
        log.error("request %s failed", request_id(), exc_info=error)
        await got_request_exception.send_async(
            cast(Quart, current_app._get_current_object()),  # type: ignore[attr-defined]  # noqa: SLF001
            _sync_wrapper=cast(Any, current_app.ensure_async),  # Any: narrower than blinker's
            exception=error,
        )
        return envelope(
            500, "internal_error", "This is our fault. Tell us the request id if it stays.", None
        )

    scaffold.register_error_handler(VestibuleError, ours)
    scaffold.register_error_handler(RequestSchemaValidationError, shape)
    # Each by its status, too: an app's handler for 404 counts before ours for all.
    everybodys: list[type[Exception]] = [HTTPException, *default_exceptions.values()]
    for each in everybodys:
        scaffold.register_error_handler(each, http)
    scaffold.register_error_handler(Exception, unforeseen)


def _http(error: HTTPException, envelope: Envelope) -> Response:
    status = error.code or 500
    if status < HTTPStatus.BAD_REQUEST:  # a redirect that routing raised
        return cast(Response, error.get_response())
    code, detail = _HTTP.get(status, (HTTPStatus(status).name.lower(), "Not possible here."))
    response = envelope(status, code, detail, None)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "content-range", "retry-after"):
            response.headers[name] = value
    return response


def _own_handler(error: Exception) -> Callable[[Exception], Awaitable[ResponseReturnValue]] | None:
    """Return what the app registered for this very class of error, which is not one of ours."""
    handlers = current_app.error_handler_spec[None]
    for cls in type(error).__mro__:
        if cls in _EVERYBODYS:
            return None
        for code in (getattr(cls, "code", None), None):
            if cls in handlers[code]:
                return current_app.ensure_async(cast(Any, handlers[code][cls]))  # Any: Quart's own
    return None


_EVERYBODYS = frozenset({*default_exceptions.values(), HTTPException, VestibuleError, Exception})

_HTTP = {
    400: ("bad_request", "The request cannot be understood."),
    404: ("not_found", "Nothing is at this path."),
    405: ("method_not_allowed", "This path does not take this method; Allow lists those it takes."),
    408: ("request_timeout", "The body did not arrive in time."),
    413: ("body_too_large", "The body is larger than 64 KiB."),
    415: ("wrong_media_type", "Send application/json."),
    416: ("range_not_satisfiable", "The file has no such part; Content-Range says how long it is."),
    503: ("service_unavailable", "This is not available at this moment. Try again."),
}
