"""Which account somebody of a provider enters, and on what terms: the rules of merging."""

from typing import NoReturn
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, update

from vestibule.accounts import credentials, ending, login, names, queries, signup
from vestibule.accounts.challenges import Wanted
from vestibule.accounts.login import LoggedIn
from vestibule.accounts.models import Account
from vestibule.accounts.names import Address
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.federation import identities
from vestibule.federation.pending import Intent
from vestibule.federation.provider import Person, Provider
from vestibule.kernel.errors import AddressTaken, InvalidAddress, NoAccount
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import Kind
from vestibule.sessions.terms import Terms

AMR = "ext"  # by somebody else's word


class Raced(Exception):
    """The same somebody, or the same address, was faster elsewhere: look again."""


async def enter(
    unit: Unit,
    person: Person,
    *,
    provider: Provider,
    intent: Intent,
    kind: Kind,
    remember: bool = False,
    instead_of: SignedIn | None = None,
    terms: Terms | None = None,
) -> LoggedIn:
    """Open a session for the account that `person` enters.

    Their own, if they have entered it before. Otherwise the one that has their address, if the
    provider is who may say that it is theirs; an address that was never proved here belongs to
    whoever the provider says, and what somebody else planted is dropped first. An account that
    somebody else of the same provider enters is not theirs, whoever has its address there by now.
    Otherwise, unless they only want to log in, a new one.

    Args:
        instead_of: who the same browser was signed in as; that session ends.
        terms: of another surface, in place of `kind`; it hands out its credential itself.

    Raises:
        NoAccount: there is none, or it is shut.
        Raced: run it again.
    """
    address = _address(person) if person.vouched else None
    account = await _known(unit, person, provider)
    if account is None and address is not None:
        owner = await queries.by_email_key(unit, address.key)
        if owner is not None and await _is_anothers(unit, owner, person):
            address = None
        elif owner is not None:
            account = await _merged(unit, person, address, owner.id, provider)
    if account is None:
        if intent == "login":
            await _refuse(unit, person, provider)
        account = await _opened(unit, person, address, provider)
    account = await _fill(unit, account, person)
    if instead_of is not None:
        await login.replace(unit, instead_of)
    opened = await store.open_for(
        unit, account.id, remember=remember, kind=kind, amr=AMR, terms=terms
    )
    await log.record(
        unit,
        Event.LOGIN_SUCCEEDED,
        account_id=account.id,
        session_id=opened.session.id,
        about=provider.name,
    )
    if terms is not None or kind == Kind.COOKIE:
        return LoggedIn(account, opened, None)
    tokens = await credentials.hand_out(unit, account, opened.session)
    return LoggedIn(account, opened, None, tokens)


async def _known(unit: Unit, person: Person, provider: Provider) -> Account | None:
    owner = await identities.owner_of(unit, person)
    if owner is None:
        return None
    account = await _hold_active(unit, owner)
    if account is None:
        await _refuse(unit, person, provider, account_id=owner)
    # Unlinked while we waited for the account: then it is not theirs any more.
    if await identities.owner_of(unit, person) != owner:
        raise Raced
    return account


async def _is_anothers(unit: Unit, account: Account, person: Person) -> bool:
    """Whether somebody else of the same issuer enters an account whose address was proved.

    A provider may give an address to one person after another; a subject it gives to one alone.
    One that is shut is nobody's: whoever has its address is refused.
    """
    proved = account.state == "active" and account.email_verified_at is not None
    return proved and await identities.has_one_of(unit, account.id, person.issuer)


async def _merged(
    unit: Unit, person: Person, address: Address, owner: UUID, provider: Provider
) -> Account:
    """Return the account of an address that the provider vouches for, theirs from now on."""
    account = await _hold_active(unit, owner, Account.email_key == address.key)
    if account is None:
        await _refuse(unit, person, provider, account_id=owner)
    if await _is_anothers(unit, account, person):  # since we looked
        raise Raced
    if account.email_verified_at is None:
        account = await _taken_over(unit, account)
        told = False
    else:
        told = True
    if not await identities.attach(unit, account, person, provider=provider):
        raise Raced
    if told:
        await identities.tell_owner(unit, account, provider)
    return account


async def _taken_over(unit: Unit, account: Account) -> Account:
    """Drop every way in that somebody planted who never proved the address."""
    await ending.end_everything(unit, account.id, reason="merged")
    await ending.remove_identities(unit, account.id)
    await log.record(unit, Event.ADDRESS_PROVED, account_id=account.id)
    return await _write(
        unit,
        account.id,
        password_hash=None,
        password_changed_at=unit.now,
        email_verified_at=unit.now,
    )


async def _opened(
    unit: Unit, person: Person, address: Address | None, provider: Provider
) -> Account:
    wanted = Wanted(
        password_hash=None, given_name=person.given_name, family_name=person.family_name
    )
    try:
        account = await signup.open_account(
            unit, wanted, address=address, proved=address is not None
        )
    except AddressTaken:
        raise Raced from None
    if not await identities.attach(unit, account, person, provider=provider):
        raise Raced
    return await _write(unit, account.id, last_login_at=unit.now)


async def _refuse(
    unit: Unit, person: Person, provider: Provider, *, account_id: UUID | None = None
) -> NoReturn:
    await log.record(
        unit,
        Event.LOGIN_REFUSED,
        account_id=account_id,
        about=provider.name,
        identifier=names.if_address(person.email or ""),
    )
    raise NoAccount


async def _hold_active(
    unit: Unit, account_id: UUID, *conditions: ColumnElement[bool]
) -> Account | None:
    """Note a log-in of an active account, and hold it until the unit ends."""
    account: Account | None = await unit.session.scalar(
        update(Account)
        .where(Account.id == account_id, Account.state == "active", *conditions)
        .values(last_login_at=unit.now)
        .returning(Account)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if account is not None:
        await unit.session.refresh(account, ["granted"])
    return account


async def _fill(unit: Unit, account: Account, person: Person) -> Account:
    """Write what the provider tells where the account says nothing."""
    told = {
        "given_name": person.given_name,
        "family_name": person.family_name,
        "picture": person.picture,
    }
    news = {name: value for name, value in told.items() if value and not getattr(account, name)}
    if not news:
        return account
    columns = Account.__table__.columns
    return await _write(
        unit,
        account.id,
        **{
            name: func.coalesce(func.nullif(columns[name], ""), literal(value))
            for name, value in news.items()
        },
    )


async def _write(unit: Unit, account_id: UUID, **values: object) -> Account:
    account: Account | None = await unit.session.scalar(
        update(Account)
        .where(Account.id == account_id)
        .values(updated_at=unit.now, **values)
        .returning(Account)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    assert account is not None, "it is held"
    await unit.session.refresh(account, ["granted"])
    unit.forget(Fact.ACCOUNT, account_id)
    return account


def _address(person: Person) -> Address | None:
    if person.email is None:
        return None
    try:
        return names.address(person.email)
    except InvalidAddress:
        return None
