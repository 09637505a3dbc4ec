"""What Flask-JWT-Extended says of the token in a header, for dialects of apps that used it."""

from quart import Response, json, request

from vestibule.kernel.errors import NotSignedIn, VestibuleError, Why
from vestibule.web.answers import envelope_headers

NO_TYPE = "Missing 'Bearer' type in 'Authorization' header. Expected 'Authorization: Bearer <JWT>'"
NOT_ACCESS = "Only non-refresh tokens are allowed"
NOT_REFRESH = "Only refresh tokens are allowed"
UNAUTHORIZED = {
    Why.MISSING: "Missing Authorization Header",
    Why.EXPIRED: "Token has expired",
    Why.ENDED: "Token has been revoked",
}
_UNPROCESSABLE = {
    Why.UNREADABLE: "Not enough segments",
    Why.UNKNOWN: "Signature verification failed",
}


class BadHeader(Exception):
    """An `Authorization` header that holds no token of this kind; what the extension says of it."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


def bearer() -> str:
    """Return the token that came along.

    Raises:
        NotSignedIn: none did. BadHeader: something else did.
    """
    said = ",".join(request.headers.getlist("Authorization")).split()
    if not said:
        raise NotSignedIn(Why.MISSING)
    scheme, *rest = said
    if scheme != "Bearer":
        raise BadHeader(401, NO_TYPE)
    if len(rest) != 1:
        raise BadHeader(422, "Bad Authorization header. Expected 'Authorization: Bearer <JWT>'")
    return rest[0]


def refused(error: NotSignedIn | BadHeader) -> Response:
    if isinstance(error, BadHeader):
        return message(error.status, NotSignedIn.code, str(error))
    if error.why in _UNPROCESSABLE:
        return message(422, error.code, _UNPROCESSABLE[error.why])
    return message(401, error.code, UNAUTHORIZED[error.why])


def message(status: int, _code: str, detail: str, error: VestibuleError | None = None) -> Response:
    """Return the extension's error: `{"msg": …}`."""
    response = Response(json.dumps({"msg": detail}), status=status, content_type="application/json")
    return envelope_headers(response, error)
