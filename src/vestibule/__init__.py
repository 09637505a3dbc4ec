"""Accounts, verified addresses and sessions for Quart applications."""

from vestibule.accounts.models import Account
from vestibule.app import create_app
from vestibule.embedding import Vestibule
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import (
    AddressNotProved,
    CrossSite,
    NotSignedIn,
    ReauthenticationRequired,
    RoleRequired,
    ScopeRequired,
    SessionRequired,
    VestibuleError,
)
from vestibule.kernel.migrations import include_name
from vestibule.kernel.settings import Settings
from vestibule.web.access import current_account, requires, signed_in

__all__ = (
    "Account",
    "AddressNotProved",
    "CrossSite",
    "NotSignedIn",
    "ReauthenticationRequired",
    "RoleRequired",
    "ScopeRequired",
    "SessionRequired",
    "Settings",
    "Vestibule",
    "VestibuleError",
    "create_app",
    "current_account",
    "current_vestibule",
    "include_name",
    "requires",
    "signed_in",
)
