"""What came is not as it must be."""

from collections.abc import Sequence
from dataclasses import dataclass

from vestibule.kernel.errors.roots import BadInput


class MalformedBody(BadInput):
    """The body is not JSON as everybody reads it. The message says what is wrong with it."""

    code = "malformed_body"


class WrongMediaType(BadInput):
    """The body is not of the type that the route reads."""

    code = "wrong_media_type"


@dataclass(frozen=True)
class FieldError:
    """One field that is not as it must be: where, a stable word for why, and a sentence."""

    field: str
    code: str
    message: str


class InvalidFields(BadInput):
    """The body is JSON, but not of the shape that the route reads."""

    code = "invalid_fields"

    def __init__(self, fields: Sequence[FieldError]) -> None:
        super().__init__(", ".join(each.field for each in fields))
        self.fields = tuple(fields)


class IdentifierMissing(BadInput):
    """A sign-up names neither an address nor a username."""

    code = "identifier_missing"


class InvalidAddress(BadInput):
    """Not an e-mail address that mail could be sent to."""

    code = "invalid_address"


class InvalidUsername(BadInput):
    """Not 3 to 80 letters, digits, `_`, `.` or `-`."""

    code = "invalid_username"


class WeakPassword(BadInput):
    """The password is one that somebody else would guess, or has a length that is not allowed.

    `reason` is one of too_short, too_long, common, personal, breached.
    """

    code = "weak_password"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
