"""For services that verify our access tokens by themselves: no database, and no call a request.

    verifier = Verifier("https://auth.example.com")

It needs joserfc and httpx and imports nothing of the service. Decorators and dependencies stand in
`vestibule.verify.quart`, `.flask` and `.starlette` (FastAPI too).
"""

from vestibule.verify.refusals import (
    AddressNotProved,
    KeysUnavailable,
    Refused,
    RoleRequired,
    TokenMissing,
    TokenRefused,
)
from vestibule.verify.verifier import Caller, Verifier

__all__ = (
    "AddressNotProved",
    "Caller",
    "KeysUnavailable",
    "Refused",
    "RoleRequired",
    "TokenMissing",
    "TokenRefused",
    "Verifier",
)
