"""A new password by letter, where the old one is forgotten."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NoReturn

from sqlalchemy import func

from vestibule.accounts import (
    challenges,
    devices,
    ending,
    holding,
    names,
    passwords,
    proofs,
    queries,
)
from vestibule.accounts.models import Account, Challenge
from vestibule.accounts.names import Address
from vestibule.accounts.proofs import Proof
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import life_letters, outbox
from vestibule.kernel.errors import ProofRefused, Why
from vestibule.kernel.limits import FORGOT_CLIENT, LETTERS, RESET_CODES
from vestibule.kernel.unit import Unit
from vestibule.throttle import counters
from vestibule.throttle.counters import Whose

_BOUND = "password_changed_at"


@dataclass(frozen=True)
class Reset:
    """Whose password is new, and what the device may keep to be known again."""

    account: Account
    device: str


async def forget_password(
    unit: Unit, *, email: str, page: str | None = None, lifetime: timedelta | None = None
) -> None:
    """Post a link and a code for a new password to whoever reads the mail of an address.

    Without an account that could be logged in to, a letter says so: the work is the same, and the
    caller learns nothing. Those of an earlier letter are worth nothing from then on.

    Args:
        page: where the link leads, with `{token}`, in place of the settings' page.
        lifetime: how long it works, in place of the settings'.

    Raises:
        InvalidAddress: what was typed.
        TooManyAttempts: too many from this client address.
    """
    address = names.address(email)
    network = unit.caller.network
    await counters.take(unit, *([] if network is None else [(FORGOT_CLIENT, network)]))
    whose = Whose(identifier=address.typed)
    may_write = await counters.admits(unit, LETTERS, address.key, whose=whose)
    account = await queries.by_email_key(unit, address.key)
    account_id = account.id if account else None
    asked = partial(log.record, unit, account_id=account_id, identifier=address.typed)
    await asked(Event.PASSWORD_FORGOTTEN)
    if not may_write:  # the last letter goes on working
        await asked(Event.LETTER_WITHHELD)
        return
    await write_letter(unit, address, account, page=page, lifetime=lifetime)


async def write_letter(
    unit: Unit,
    address: Address,
    account: Account | None,
    *,
    page: str | None = None,
    lifetime: timedelta | None = None,
) -> None:
    """Post a link and a code to `account`, or to nobody's address that there is none."""
    lasts = lifetime or unit.settings.reset_lifetime
    await proofs.void_of_address(unit, Proof.RESET, address.key)
    keys = await proofs.ask(
        unit,
        Proof.RESET,
        address,
        account_id=account.id if account else None,
        lifetime=lasts,
        bound={_BOUND: proofs.moment(account.password_changed_at) if account else None},
    )
    if account is not None and account.email is not None and account.state == "active":
        draft = life_letters.reset_password(
            unit.settings,
            to=account.email,
            account_id=account.id,
            keys=(keys.token, keys.code),
            now=unit.now,
            caller=unit.caller,
            lifetime=lasts,
            page=page,
        )
    else:
        draft = life_letters.no_account(to=address.typed, now=unit.now, caller=unit.caller)
    await outbox.post(unit, draft)


async def reset_by_link(unit: Unit, *, token: str, password: str) -> Reset:
    """Set a new password by a letter's link.

    It logs nobody in. Every session ends, and API keys unless the settings keep them; where it
    proves the address for the first time, everything that was there before the proof.

    Raises:
        WeakPassword: nothing is spent; choose another.
        ProofRefused: unknown, used, out of date, or for a password that was changed meanwhile.
        Busy: too many passwords wait to be hashed.
    """
    passwords.check(unit, password)
    challenge = await proofs.by_token(unit, Proof.RESET, token)
    if challenge is None or not challenges.is_open(unit, challenge):
        await _refuse(
            unit, challenge.address if challenge else None, challenges.why(unit, challenge)
        )
    return await _reset(unit, challenge, password)


async def reset_by_code(unit: Unit, *, email: str, code: str, password: str) -> Reset:
    """Set a new password by a letter's code, as `reset_by_link` does by its link.

    Raises:
        InvalidAddress, WeakPassword, ProofRefused, Busy: as there.
        TooManyAttempts: ten wrong codes for this address within a day; the link still works.
    """
    address = names.address(email)
    passwords.check(unit, password, address.typed)
    counted = (RESET_CODES, address.key)
    await counters.take(unit, counted, whose=Whose(identifier=address.typed))
    challenge = await proofs.of_address(unit, Proof.RESET, address.key)
    if challenge is None or not challenges.is_code(unit, challenge, code):
        await _refuse(unit, address.typed)
    await counters.give_back(unit, counted)
    return await _reset(unit, challenge, password)


async def _reset(unit: Unit, challenge: Challenge, password: str) -> Reset:
    bound = proofs.bound_to(unit, challenge)
    account = challenge.account_id and await queries.by_id(unit, challenge.account_id)
    if not account:
        await _refuse(unit, challenge.address)
    passwords.check(unit, password, *passwords.personal(account))
    fresh = await passwords.hash_chosen(unit, password)
    # The account first, so that a log-in which holds it is waited for and finds its session ended.
    await holding.hold(unit, account.id)
    if not await proofs.spend(unit, challenge):
        await _refuse(unit, challenge.address)
    # Not the hash: that is another one after a log-in that hashed the same password anew.
    asked_for = Account.password_changed_at.is_not_distinct_from(proofs.at_moment(bound[_BOUND]))
    changed = await passwords.replace(
        unit,
        account.id,
        asked_for,
        Account.email_key == challenge.email_key,
        password_hash=fresh,
        email_verified_at=func.coalesce(Account.email_verified_at, unit.now),
    )
    if changed is None:
        await _refuse(unit, challenge.address)
    first_proof = changed.email_verified_at == unit.now
    await ending.end_everything(
        unit,
        account.id,
        reason="password_reset",
        api_keys=first_proof or unit.settings.password_ends_api_keys,
    )
    if first_proof:  # whoever opened it may have left a way back in
        await ending.remove_identities(unit, account.id)
        await log.record(unit, Event.ADDRESS_PROVED, account_id=account.id)
    await log.record(unit, Event.PASSWORD_RESET, account_id=account.id)
    await passwords.tell_owner(unit, changed)
    return Reset(changed, devices.leave(unit, changed))


async def _refuse(unit: Unit, address: str | None, why: Why = Why.UNKNOWN) -> NoReturn:
    await log.record(unit, Event.PROOF_REFUSED, identifier=address)
    raise ProofRefused(why)
