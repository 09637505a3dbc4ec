"""Devices that an account was signed in on before, known by what a log-in left there.

Strangers can use up the log-ins of an account; from a device that is known they cannot, and so its
owner is never locked out (OWASP, "device cookies"). What is left is sealed, and worth nothing after
a change of the password that it was given for.
"""

from uuid import UUID

from vestibule.accounts.models import Account
from vestibule.kernel.ids import uuid7
from vestibule.kernel.seal import Unsealable
from vestibule.kernel.unit import Unit

_SEAL, _ID = "device", 16


def leave(unit: Unit, account: Account, *, device: UUID | None = None) -> str:
    """Return what proves from now on that the account was signed in on this device.

    Args:
        device: the id that it had already.
    """
    content = (device or uuid7()).bytes + _password_of(account)
    return unit.seals.seal(_SEAL, content, row=account.id.bytes).hex()


def recognise(unit: Unit, account: Account | None, left: str | None) -> UUID | None:
    """Return the id of the device that `left` proves to be known to `account`, if it does."""
    if account is None or account.password_hash is None or left is None:
        return None
    try:
        content = unit.seals.open(_SEAL, bytes.fromhex(left), row=account.id.bytes)
    except (ValueError, Unsealable):
        return None
    current = content[_ID:] == _password_of(account)
    return UUID(bytes=content[:_ID]) if current else None


def _password_of(account: Account) -> bytes:
    """Tell one password of an account from the next: by when it was set, not by its hash, which a
    log-in may make anew. Who moved in has one that was set before."""
    changed = account.password_changed_at
    return b"" if changed is None else changed.isoformat().encode()
