"""Who is not let in, and to what."""

from enum import StrEnum

from vestibule.kernel.errors.roots import Refusal, TryLater, VestibuleError


class Why(StrEnum):
    """What is the matter with a credential; a surface tells as much of it as its words know."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    ENDED = "ended"


class BadCredentials(Refusal):
    """No such account, not its password, or not allowed in. Callers cannot tell which.

    `unknown`: nobody is called that; for a surface whose contract tells it.
    """

    code = "bad_credentials"

    def __init__(self, *, unknown: bool = False) -> None:
        super().__init__()
        self.unknown = unknown


class ProofRefused(Refusal):
    """A code or link that is wrong, used, out of date or was never sent: one answer for all."""

    code = "proof_refused"

    def __init__(self, why: Why = Why.UNKNOWN) -> None:
        super().__init__(why)
        self.why = why


class TokenRefused(Refusal):
    """A refresh token that is unknown, replaced, out of date, or of a session that has ended."""

    code = "token_refused"


class TooManyAttempts(TryLater):
    """A limit is reached. The caller cannot tell whether what was tried exists."""

    code = "too_many_attempts"


class Busy(TryLater):
    """Too many passwords wait to be hashed, or this one waited too long. Nobody looked at it."""

    code = "busy"


class DatabaseUnavailable(TryLater):
    """The database does not answer, or has no connection to spare. Nothing was written.

    `undone`: it took the transaction back by itself, or somebody else was faster with the same row;
    it might well take it a second time.
    """

    code = "database_unavailable"

    def __init__(self, retry_after: int, *, undone: bool = False) -> None:
        super().__init__(retry_after)
        self.undone = undone


class NotSignedIn(VestibuleError):
    """No credential came along, or one that is unknown, ended or expired."""

    code = "not_signed_in"

    def __init__(self, why: Why = Why.UNKNOWN) -> None:
        super().__init__(why)
        self.why = why


class AddressNotProved(Refusal):
    """Signed in, or would be, but this is only for accounts with an address that is proved."""

    code = "address_not_proved"


class RoleRequired(VestibuleError):
    """Signed in, but without a role that what is asked for is for."""

    code = "role_required"


class BeyondPowers(VestibuleError):
    """An administrator would act on somebody with powers that are not their own, or give such."""

    code = "beyond_powers"


class NotOneself(VestibuleError):
    """Nobody disables, deletes or demotes themself, and nobody raises themself; the last
    administrator does not close their account."""

    code = "not_oneself"


class ScopeRequired(VestibuleError):
    """The scope that this is for is given by none of the account's roles, or not to the API key."""

    code = "scope_required"


class ReauthenticationRequired(VestibuleError):
    """Signed in, but too long ago for this: say once more who you are, then ask again."""

    code = "reauthentication_required"


class SessionRequired(VestibuleError):
    """An API key came along, and what is asked for is for people who are signed in."""

    code = "session_required"


class NoCodeByLetter(VestibuleError):
    """The account has a password to confirm with, or no proved address to write to."""

    code = "no_code_by_letter"


class CrossSite(VestibuleError):
    """An unsafe request that may have been sent by somebody else's page."""

    code = "cross_site"


class WrongHost(VestibuleError):
    """The request is for a host that is not this service."""

    code = "wrong_host"


class HttpsRequired(VestibuleError):
    """It came in clear, and would change something."""

    code = "https_required"
