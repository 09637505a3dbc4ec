"""Another address: proved where letters will go, told to where they went until now."""

from typing import Literal, NoReturn

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from vestibule.accounts import challenges, ending, holding, names, proofs, queries
from vestibule.accounts.models import Account, Challenge
from vestibule.accounts.names import Address
from vestibule.accounts.proofs import Proof
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import life_letters, outbox
from vestibule.kernel.errors import AddressTaken, Busy, NotSignedIn, ProofRefused
from vestibule.kernel.limits import ADDRESS_CHANGES, ADDRESS_CODES, LETTERS, SIGN_UP_PASSWORDS
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.throttle import counters
from vestibule.throttle.counters import Whose

_PASSWORD, _FORMER = "password_changed_at", "former"


async def ask_to_change(unit: Unit, *, caller: SignedIn, email: str) -> None:
    """Post a proof to an address that the caller's account is to have; tell the one that it has.

    Nothing changes before the proof. For an address that has an account, its owner is told, by the
    same work, and the caller learns nothing. An earlier proof is worth nothing from then on.

    Raises:
        InvalidAddress: what was typed.
        TooManyAttempts: five changes asked for within an hour.
        NotSignedIn: the account was shut, or the session ended, meanwhile.
    """
    address = names.address(email)
    whose = Whose(account_id=caller.account.id, identifier=address.typed)
    await counters.take(unit, (ADDRESS_CHANGES, str(caller.account.id)), whose=whose)
    may_write = await counters.admits(unit, LETTERS, address.key, whose=whose)
    if not await holding.holds(unit, caller):
        raise NotSignedIn
    owner = await queries.by_email_key(unit, address.key)
    account = await holding.hold(unit, caller.account.id)
    assert account is not None, "it is held"
    await log.record(
        unit,
        Event.ADDRESS_CHANGE_ASKED,
        account_id=account.id,
        session_id=caller.session.id,
        identifier=address.typed,
    )
    if not may_write:  # the last letter goes on working
        await log.record(unit, Event.LETTER_WITHHELD, account_id=account.id)
        return
    await proofs.void(unit, account.id, Proof.CHANGE)
    keys = await proofs.ask(
        unit,
        Proof.CHANGE,
        address,
        account_id=account.id,
        lifetime=unit.settings.address_lifetime,
        bound={
            _PASSWORD: proofs.moment(account.password_changed_at),
            _FORMER: account.email_key,
        },
    )
    if owner is not None and owner.id != account.id:
        wanted = owner.email or address.typed
        draft = life_letters.address_wanted(to=wanted, now=unit.now, caller=unit.caller)
    else:
        draft = life_letters.change_address(
            unit.settings,
            to=address.typed,
            account_id=account.id,
            keys=(keys.token, keys.code),
            now=unit.now,
            caller=unit.caller,
        )
    await outbox.post(unit, draft)
    await _tell_former(unit, account, "address_change_asked")


async def change_by_code(unit: Unit, *, caller: SignedIn, code: str) -> Account:
    """Give the caller's account the address whose letter held `code`.

    Raises:
        ProofRefused: wrong, used, out of date, or asked for before something else changed.
        TooManyAttempts: ten wrong codes for the address within a day; the link still works.
        AddressTaken: an account has got it meanwhile; nothing is spent.
    """
    account = caller.account
    challenge = await proofs.of_account(unit, Proof.CHANGE, account.id)
    counted = (ADDRESS_CODES, challenge.email_key if challenge else str(account.id))
    await counters.take(unit, counted, whose=Whose(account_id=account.id))
    if challenge is None or not challenges.is_code(unit, challenge, code):
        await refuse(unit, challenge)
    await counters.give_back(unit, counted)
    return await _change(unit, challenge, caller)


async def change_by_link(
    unit: Unit, *, token: str, password: str | None = None, caller: SignedIn | None = None
) -> Account:
    """Give an account the address whose letter held the link.

    Who is signed in to the account only follows it; anybody else sends the account's password: the
    owner of a mailbox must not give it to a stranger's account by a click.

    Raises:
        NotSignedIn: neither that session nor a password came along.
        ProofRefused: as `change_by_code`, or not that password, which spends nothing.
        TooManyAttempts: ten wrong passwords at this link.
        AddressTaken: an account has got it meanwhile; nothing is spent.
        Busy: too many passwords wait to be hashed.
    """
    challenge = await proofs.by_token(unit, Proof.CHANGE, token)
    if challenge is None or not challenges.is_open(unit, challenge):
        await refuse(unit, challenge)
    if caller is not None and caller.account.id == challenge.account_id:
        return await _change(unit, challenge, caller)
    if not password:
        raise NotSignedIn
    counted = (SIGN_UP_PASSWORDS, str(challenge.id))
    await counters.take(unit, counted, whose=Whose(account_id=challenge.account_id))
    account = challenge.account_id and await queries.by_id(unit, challenge.account_id)
    seen = account.password_hash if account else None
    await unit.pause()
    try:
        right = await unit.passwords.matches(password, seen)
    except Busy:
        await counters.give_back(unit, counted)
        raise
    if not right:
        await refuse(unit, challenge)
    await counters.give_back(unit, counted)
    return await _change(unit, challenge, None)


async def _change(unit: Unit, challenge: Challenge, caller: SignedIn | None) -> Account:
    bound = proofs.bound_to(unit, challenge)
    held = await holding.hold(unit, challenge.account_id)
    if held is None or not await proofs.spend(unit, challenge):
        await refuse(unit, challenge)
    as_asked = (
        held.state == "active"
        and held.email_key == bound[_FORMER]
        and held.password_changed_at == proofs.at_moment(bound[_PASSWORD])
    )
    if not as_asked:  # it is held, so nobody changes it between this and the next statement
        await refuse(unit, challenge)
    first_proof = held.email_verified_at is None
    await ending.void_open(unit, held.id)
    former = held.email_key if held.email_verified_at else None
    if not first_proof:
        await _tell_former(unit, held, "address_changed")
    account = await write(unit, held, Address(challenge.address, challenge.email_key))
    if first_proof:  # whoever opened it may have waited inside
        own = caller.session.id if caller else None
        await ending.end_everything(unit, account.id, reason="address_proved", but=own)
    await log.record(unit, Event.ADDRESS_CHANGED, account_id=account.id, identifier=former)
    return account


async def write(unit: Unit, held: Account, address: Address, **values: object) -> Account:
    """Give an account that the caller's unit holds a proved address.

    Raises:
        AddressTaken: another account has it.
    """
    values |= {"email": address.typed, "email_key": address.key, "email_verified_at": unit.now}
    try:
        account = await unit.session.scalar(
            update(Account)
            .where(Account.id == held.id)
            .values(updated_at=unit.now, **values)
            .returning(Account)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
    except IntegrityError:  # the address alone is unique, of what is written
        raise AddressTaken from None
    assert account is not None, "it is held"
    await unit.session.refresh(account, ["granted"])
    unit.forget(Fact.ACCOUNT, account.id)
    return account


async def _tell_former(
    unit: Unit, account: Account, kind: Literal["address_change_asked", "address_changed"]
) -> None:
    """Write to the address that an account has, if it is proved, with a way to take it back."""
    if account.email is None or account.email_key is None or account.email_verified_at is None:
        return
    keys = await proofs.ask(
        unit,
        Proof.UNDO,
        Address(account.email, account.email_key),
        account_id=account.id,
        lifetime=unit.settings.address_undo_lifetime,
        bound={},
    )
    draft = life_letters.to_former_address(
        unit.settings,
        kind,
        to=account.email,
        account_id=account.id,
        token=keys.token,
        now=unit.now,
        caller=unit.caller,
    )
    await outbox.post(unit, draft)


async def refuse(unit: Unit, challenge: Challenge | None) -> NoReturn:
    """Raise ProofRefused, and keep that in the audit log."""
    await log.record(
        unit,
        Event.PROOF_REFUSED,
        account_id=challenge.account_id if challenge else None,
        identifier=challenge.address if challenge else None,
    )
    raise ProofRefused
