"""Counting log-ins before anybody knows whether the password is right.

Known and unknown names are counted by the same statements and refused by the same answers.
"""

from dataclasses import dataclass, field
from uuid import UUID

from vestibule.accounts import names
from vestibule.accounts.models import Account
from vestibule.kernel.limits import (
    LOG_IN_ACCOUNT,
    LOG_IN_CLIENT,
    LOG_IN_DEVICE,
    LOG_IN_IDENTIFIER,
    Limit,
)
from vestibule.kernel.unit import Unit
from vestibule.throttle import counters


@dataclass
class Attempt:
    """One log-in: what was counted for it, and what its account's cap counts it as.

    A device that is known has a limit of its own, and no cap of the account's.
    """

    account_key: str | None
    counted: list[tuple[Limit, str]] = field(default_factory=list)


async def begin(
    unit: Unit, identifier: str, account: Account | None, device: UUID | None
) -> Attempt:
    """Count a log-in before its password is hashed.

    Raises:
        TooManyAttempts: too many wrong ones from this client address, or for this identifier.
    """
    key = names.counted_as(identifier)
    attempt = Attempt(account_key=str(account.id) if account else key)
    if unit.caller.network is not None:
        await counters.take(unit, LOG_IN_CLIENT, unit.caller.network)
        attempt.counted.append((LOG_IN_CLIENT, unit.caller.network))
    if device is not None and await counters.admits(unit, LOG_IN_DEVICE, str(device)):
        attempt.account_key = None
        attempt.counted.append((LOG_IN_DEVICE, str(device)))
        return attempt
    await counters.take(unit, LOG_IN_IDENTIFIER, key)
    attempt.counted.append((LOG_IN_IDENTIFIER, key))
    return attempt


async def may_count(unit: Unit, attempt: Attempt) -> bool:
    """Tell whether the password may be believed, once it is hashed: the account's cap.

    An account has two identifiers at most, so this catches who uses them in turns or is patient.
    """
    if attempt.account_key is None:
        return True
    if not await counters.admits(unit, LOG_IN_ACCOUNT, attempt.account_key):
        return False
    attempt.counted.append((LOG_IN_ACCOUNT, attempt.account_key))
    return True


async def forget(unit: Unit, attempt: Attempt) -> None:
    """Give back what was counted: the password was right, or nobody looked at it."""
    await counters.give_back(unit, *attempt.counted)
