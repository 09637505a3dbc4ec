"""Everything a verifier says no to, and how that is answered (RFC 6750, 3).

Refused
├── TokenMissing        401   nobody says who asks
├── TokenRefused        401   a token, and not a good one
├── AddressNotProved    403
├── RoleRequired        403
└── KeysUnavailable     503   nobody can know
"""

from http import HTTPStatus
from typing import ClassVar

MEDIA_TYPE = "application/problem+json"


class Refused(Exception):
    """A request that is not let in. `code` never changes."""

    status: ClassVar[int]
    code: ClassVar[str]
    detail: ClassVar[str]
    error: ClassVar[str | None] = None  # what the challenge tells, if it tells anything

    def headers(self, issuer: str) -> dict[str, str]:
        error = f', error="{self.error}"' if self.error else ""
        return {"WWW-Authenticate": f'Bearer realm="{issuer}"{error}', "Cache-Control": "no-store"}

    def problem(self) -> dict[str, object]:
        """Return the body (RFC 9457)."""
        return {
            "type": f"urn:vestibule:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }


class TokenMissing(Refused):
    """There is no `Authorization: Bearer` header."""

    status = 401
    code = "not_signed_in"
    detail = "Log in first."


class TokenRefused(Refused):
    """Anything about the token is not as it must be. Which, nobody is told."""

    status = 401
    code = "not_signed_in"
    detail = "The access token is not good, or not any more."
    error = "invalid_token"


class AddressNotProved(Refused):
    """The account had no proved address when the token was issued."""

    status = 403
    code = "address_not_proved"
    detail = "Prove your e-mail address first."
    error = "insufficient_scope"


class RoleRequired(Refused):
    """The account had not the role when the token was issued."""

    status = 403
    code = "role_required"
    detail = "Your account may not do this."
    error = "insufficient_scope"


class KeysUnavailable(Refused):
    """There are no keys to verify with, and none can be fetched."""

    status = 503
    code = "keys_unavailable"
    detail = "Nobody can tell now who you are. Try again in a few seconds."
    retry_after: ClassVar = 5  # seconds

    def headers(self, issuer: str) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after), "Cache-Control": "no-store"}
