"""Accounts, verified addresses and sessions for Quart applications."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_HOMES = {
    "Account": "accounts.models",
    "AddressNotProved": "kernel.errors",
    "CrossSite": "kernel.errors",
    "NotSignedIn": "kernel.errors",
    "ReauthenticationRequired": "kernel.errors",
    "RoleRequired": "kernel.errors",
    "ScopeRequired": "kernel.errors",
    "SessionRequired": "kernel.errors",
    "Settings": "kernel.settings",
    "Vestibule": "embedding",
    "VestibuleError": "kernel.errors",
    "create_app": "app",
    "current_account": "web.access",
    "current_vestibule": "extension",
    "include_name": "kernel.migrations",
    "requires": "web.access",
    "signed_in": "web.access",
}

if not TYPE_CHECKING:  # to a reader of types there are the names above and no others

    def __getattr__(name: str) -> object:
        """Import a public name when it is asked for: who imports `vestibule.verify` needs none."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
