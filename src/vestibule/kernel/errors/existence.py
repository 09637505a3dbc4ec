"""What there is already, and what there is not."""

from collections.abc import Collection

from vestibule.kernel.errors.roots import VestibuleError


class UsernameTaken(VestibuleError):
    """An account has this username. Usernames are public, so the caller is told."""

    code = "username_taken"


class AddressTaken(VestibuleError):
    """An account has this address: for callers who may know it: they read its mail."""

    code = "address_taken"


class RoleUnknown(VestibuleError):
    """There is no such role; `known` are those that there are."""

    code = "role_unknown"

    def __init__(self, known: Collection[str]) -> None:
        super().__init__(f"there are {', '.join(known)}")
        self.known = tuple(known)


class AccountUnknown(VestibuleError):
    """No account has that id."""

    code = "account_unknown"


class LetterUnknown(VestibuleError):
    """No letter has that id that was given up and may still be sent."""

    code = "letter_unknown"


class SessionUnknown(VestibuleError):
    """No live session of this account has that id."""

    code = "session_unknown"


class ApiKeyUnknown(VestibuleError):
    """No API key of this account has that id."""

    code = "api_key_unknown"


class TooManyApiKeys(VestibuleError):
    """The account has as many API keys as it may; remove one first."""

    code = "too_many_api_keys"


class SigningKeyUnknown(VestibuleError):
    """No signing key in use has that id."""

    code = "signing_key_unknown"
