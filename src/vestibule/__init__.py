"""Accounts, verified addresses and sessions for Quart applications."""

from vestibule.app import create_app
from vestibule.extension import Vestibule, current_vestibule
from vestibule.kernel.errors import VestibuleError
from vestibule.kernel.settings import Settings

__all__ = ("Settings", "Vestibule", "VestibuleError", "create_app", "current_vestibule")
