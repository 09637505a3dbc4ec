"""Counting log-ins before anybody knows whether the password is right.

Known and unknown names are counted by the same statements and refused by the same answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
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
from vestibule.throttle.counters import Whose


@dataclass(frozen=True)
class Attempt:
    """One log-in: what was counted for it, and what its account's cap counts it as.

    A device that is known has a limit of its own, and no cap of the account's.
    """

    account_key: str | None
    counted: Sequence[tuple[Limit, str]]
    whose: Whose


async def begin(
    unit: Unit, identifier: str, account: Account | None, device: UUID | None
) -> Attempt:
    """Count a log-in before its password is hashed.

    Raises:
        TooManyAttempts: too many wrong ones from this client address, or for this identifier.
    """
    key = names.counted_as(identifier)
    network = unit.caller.network
    whose = _whose(identifier, account)
    counted = [] if network is None else [(LOG_IN_CLIENT, network)]
    uncounted = counted
    if device is not None:
        await counters.take(unit, *counted, whose=whose)
        if await counters.admits(unit, LOG_IN_DEVICE, str(device), whose=whose):
            return Attempt(None, [*counted, (LOG_IN_DEVICE, str(device))], whose)
        uncounted = []
    await counters.take(unit, *uncounted, (LOG_IN_IDENTIFIER, key), whose=whose)
    account_key = str(account.id) if account else key
    return Attempt(account_key, [*counted, (LOG_IN_IDENTIFIER, key)], whose)


async def judge(unit: Unit, attempt: Attempt, *, right: bool) -> bool:
    """Tell whether the password may be believed, once it is hashed: the account's cap.

    An account has two identifiers at most, so this catches who uses them in turns or is patient.
    What was counted for a password that is right, and believed, is given back.
    """
    if attempt.account_key is None:
        if right:
            await forget(unit, attempt)
        return right
    capped = (LOG_IN_ACCOUNT, attempt.account_key)
    back = [*attempt.counted, capped] if right else []
    admitted = await counters.admits(unit, *capped, if_so_give_back=back, whose=attempt.whose)
    return admitted and right


async def forget(unit: Unit, attempt: Attempt) -> None:
    """Give back what was counted: nobody looked at the password."""
    await counters.give_back(unit, *attempt.counted)


def _whose(identifier: str, account: Account | None) -> Whose:
    account_id = account.id if account else None
    return Whose(account_id=account_id, identifier=names.if_address(identifier))
