"""Proving an address: by the code, where one signed up, or by the link and the password."""

from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

from sqlalchemy import update

from vestibule.accounts import challenges, ending, queries, signup
from vestibule.accounts.models import Account, Challenge
from vestibule.accounts.names import Address
from vestibule.accounts.queries import SignedIn
from vestibule.api_keys import keys
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.errors import AddressTaken, Busy, ProofRefused
from vestibule.kernel.limits import SIGN_UP_CODES, SIGN_UP_PASSWORDS
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.throttle import counters
from vestibule.throttle.counters import Whose

_TWICE = timedelta(minutes=1)


async def prove_by_code(
    unit: Unit,
    *,
    handle: str,
    code: str,
    username: str | None = None,
    caller: SignedIn | None = None,
) -> Account:
    """Open (or confirm) the account of a sign-up whose code came by letter.

    Args:
        handle: what the client got when it signed up.
        code: as typed; case, hyphen and blanks do not matter.
        username: instead of the one asked for, where that was taken meanwhile.
        caller: who types it; a first proof ends every session of the account but theirs.

    Raises:
        ProofRefused: wrong, used, out of date, or for an address that has an account.
        TooManyAttempts: ten wrong codes for this address within a day; the link still works.
        UsernameTaken: nothing is spent; choose another.
    """
    challenge = await challenges.by_handle(unit, handle)
    if challenge is None:
        raise ProofRefused
    await counters.take(unit, (SIGN_UP_CODES, challenge.email_key), whose=_whose(challenge))
    if not (challenges.is_open(unit, challenge) and challenges.is_code(unit, challenge, code)):
        await _refuse(unit, challenge)
    await counters.give_back(unit, (SIGN_UP_CODES, challenge.email_key))
    return await _prove(unit, challenge, username, caller)


async def prove_by_link(
    unit: Unit,
    *,
    token: str,
    password: str,
    username: str | None = None,
    caller: SignedIn | None = None,
) -> Account:
    """Open (or confirm) the account of the sign-up whose link was followed.

    The password is the one chosen at sign-up: the owner of a mailbox must not open a stranger's
    sign-up by a click.

    Raises:
        ProofRefused: unknown, used or out of date; or not that password, which spends nothing.
        TooManyAttempts: ten wrong passwords at this link.
        UsernameTaken: nothing is spent; choose another.
        Busy: too many passwords wait to be hashed.
    """
    challenge = await challenges.by_token(unit, token)
    if challenge is None or not challenges.is_open(unit, challenge):
        raise ProofRefused
    key = str(challenge.id)
    await counters.take(unit, (SIGN_UP_PASSWORDS, key), whose=_whose(challenge))
    chosen = challenges.wanted(unit, challenge).password_hash
    try:
        right = await unit.passwords.matches(password, chosen)
    except Busy:  # nobody looked at it, so it was no attempt
        await counters.give_back(unit, (SIGN_UP_PASSWORDS, key))
        raise
    if not right:
        await _refuse(unit, challenge)
    await counters.give_back(unit, (SIGN_UP_PASSWORDS, key))
    return await _prove(unit, challenge, username, caller)


async def prove_by_click(unit: Unit, *, token: str, surface: str, twice: bool = False) -> Account:
    """Confirm the account of a sign-up by its letter's link alone.

    For links of that kind only, and accounts that are open already: their front end knows no page
    that asks for the password.

    Args:
        surface: where the link was followed; links to another's page are unknown.
        twice: the front end sends the token twice at once, so within a minute a used one is as good
            as new.

    Raises:
        ProofRefused: unknown, used or out of date.
    """
    challenge = await challenges.by_token(unit, token, click_at=surface)
    if challenge is None or challenge.account_id is None:
        raise ProofRefused
    if twice and challenge.used_at is not None:
        return await _proved_by(unit, challenge)
    if not challenges.is_open(unit, challenge):
        raise ProofRefused(challenges.why(unit, challenge))
    try:
        return await _prove(unit, challenge, None, None)
    except ProofRefused:
        if not twice:
            raise
        await unit.session.refresh(challenge)  # the other of the two was first
        return await _proved_by(unit, challenge)


async def _proved_by(unit: Unit, challenge: Challenge) -> Account:
    """Return the account whose address a challenge that is used has just proved."""
    account = challenge.account_id and await queries.by_id(unit, challenge.account_id)
    if (
        not account
        or challenge.used_at is None
        or challenge.used_at <= unit.now - _TWICE
        or account.email_verified_at != challenge.used_at
    ):
        await _refuse(unit, challenge)
    return account


def _whose(challenge: Challenge) -> Whose:
    return Whose(account_id=challenge.account_id, identifier=challenge.address)


async def _refuse(unit: Unit, challenge: Challenge) -> NoReturn:
    await log.record(
        unit,
        Event.PROOF_REFUSED,
        account_id=challenge.account_id,
        identifier=challenge.address,
    )
    raise ProofRefused


async def _prove(
    unit: Unit, challenge: Challenge, username: str | None, caller: SignedIn | None
) -> Account:
    # Spending comes first: who holds the address's challenges has no one to wait for.
    if not await challenges.spend(unit, challenge):
        await _refuse(unit, challenge)
    if challenge.account_id is not None:
        account = await _confirm(unit, challenge, caller)
    else:
        account = await _open(unit, challenge, username)
    await log.record(unit, Event.ADDRESS_PROVED, account_id=account.id)
    return account


async def _open(unit: Unit, challenge: Challenge, username: str | None) -> Account:
    wanted = challenges.wanted(unit, challenge)
    if username is not None:
        wanted = replace(wanted, username=username)
    address = Address(challenge.address, challenge.email_key)
    try:
        return await signup.open_account(unit, wanted, address=address, proved=True)
    except AddressTaken:  # opened meanwhile by other means; its owner stays its owner
        await _refuse(unit, challenge)


async def _confirm(unit: Unit, challenge: Challenge, caller: SignedIn | None) -> Account:
    """Mark the address of an account opened before its proof; end its other sessions and its keys.

    Whoever opened it may have waited inside for the owner of the mailbox to prove it.
    """
    account: Account | None = await unit.session.scalar(
        update(Account)
        .where(
            Account.id == challenge.account_id,
            Account.email_key == challenge.email_key,
            Account.email_verified_at.is_(None),
            Account.state == "active",
        )
        .values(email_verified_at=unit.now, updated_at=unit.now)
        .returning(Account)
    )
    if account is None:
        await _refuse(unit, challenge)
    await unit.session.refresh(account, ["granted"])
    unit.forget(Fact.ACCOUNT, account.id)
    own = caller.session.id if caller and caller.account.id == account.id else None
    await store.end_all(unit, account.id, reason="address_proved", but=own)
    await keys.remove_all(unit, account.id)
    await ending.remove_identities(unit, account.id)
    return account
