"""Everything the package says no to.

    VestibuleError
    ├── Refusal                 the answer is no, and what was written while finding out stays
    │   ├── BadCredentials
    │   ├── ProofRefused
    │   └── TokenRefused
    ├── BadInput                the request cannot be understood
    │   ├── MalformedBody
    │   ├── WrongMediaType
    │   ├── InvalidFields
    │   ├── IdentifierMissing
    │   ├── InvalidAddress
    │   ├── InvalidUsername
    │   └── WeakPassword
    ├── TryLater                the same request may work after `retry_after`
    │   ├── TooManyAttempts
    │   ├── Busy
    │   └── DatabaseUnavailable
    ├── UsernameTaken
    ├── AddressTaken
    ├── NotSignedIn
    ├── AddressNotProved
    ├── SessionUnknown
    ├── SigningKeyUnknown
    ├── CrossSite
    ├── WrongHost
    └── HttpsRequired
    CannotStart                 before anything is served: settings, schema, port

No class here knows about HTTP. Which status, which wording and which envelope a caller gets is
decided by the surface that answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class VestibuleError(Exception):
    """Base of every error raised here on purpose; `code` is public API and never changes."""

    code: ClassVar[str]


class Refusal(VestibuleError):
    """The answer is no, and what was written while finding out is kept.

    A failed log-in must still be recorded, so a unit commits on its way out.
    """


class BadCredentials(Refusal):
    """No such account, not its password, or not allowed in. Callers cannot tell which."""

    code = "bad_credentials"


class ProofRefused(Refusal):
    """A code or link that is wrong, used, out of date or was never sent: one answer for all."""

    code = "proof_refused"


class TokenRefused(Refusal):
    """A refresh token that is unknown, replaced, out of date, or of a session that has ended."""

    code = "token_refused"


class BadInput(VestibuleError):
    """The request itself is at fault; sending it again will not help."""


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


class TryLater(VestibuleError):
    """Nothing is wrong with the request; send it again in `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"try again in {retry_after} s")
        self.retry_after = retry_after


class TooManyAttempts(TryLater):
    """A limit is reached. The caller cannot tell whether what was tried exists."""

    code = "too_many_attempts"


class Busy(TryLater):
    """Too many passwords wait to be hashed, or this one waited too long. Nobody looked at it."""

    code = "busy"


class DatabaseUnavailable(TryLater):
    """The database does not answer, or has no connection to spare. Nothing was written.

    `undone`: it took the transaction back by itself, and might well take it a second time.
    """

    code = "database_unavailable"

    def __init__(self, retry_after: int, *, undone: bool = False) -> None:
        super().__init__(retry_after)
        self.undone = undone


class UsernameTaken(VestibuleError):
    """An account has this username. Usernames are public, so the caller is told."""

    code = "username_taken"


class AddressTaken(VestibuleError):
    """An account has this address: for callers who may know it, such as an administrator."""

    code = "address_taken"


class NotSignedIn(VestibuleError):
    """No credential came along, or one that is unknown, ended or expired."""

    code = "not_signed_in"


class AddressNotProved(VestibuleError):
    """Signed in, but what is asked for is only for accounts with an address that is proved."""

    code = "address_not_proved"


class SessionUnknown(VestibuleError):
    """No live session of this account has that id."""

    code = "session_unknown"


class SigningKeyUnknown(VestibuleError):
    """No signing key in use has that id."""

    code = "signing_key_unknown"


class CrossSite(VestibuleError):
    """An unsafe request that may have been sent by somebody else's page."""

    code = "cross_site"


class WrongHost(VestibuleError):
    """The request is for a host that is not this service."""

    code = "wrong_host"


class HttpsRequired(VestibuleError):
    """It came in clear, and would change something."""

    code = "https_required"


class CannotStart(Exception):
    """Why nothing is served: a line for each problem, saying what to do, never a secret."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
