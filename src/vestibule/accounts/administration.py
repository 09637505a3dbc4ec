"""What administrators do to accounts. Each flow holds both sides first: see `powers`."""

from collections.abc import Collection
from typing import TypedDict
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import set_committed_value

from vestibule.accounts import breaches, closing, ending, names, policy, powers, profile, state
from vestibule.accounts.challenges import Wanted
from vestibule.accounts.models import BETWEEN, Account
from vestibule.accounts.profile import Changes
from vestibule.accounts.signup import open_account
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import outbox
from vestibule.kernel.errors import (
    BeyondPowers,
    IdentifierMissing,
    InvalidFields,
    LetterUnknown,
    RoleUnknown,
    UsernameTaken,
)
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.roles import grants
from vestibule.roles.models import USER
from vestibule.sessions import store


class Opening(TypedDict, total=False):
    """Whose account is to be opened; without a password they choose one by "forgot password"."""

    email: str | None
    email_verified: bool
    username: str | None
    password: str | None
    given_name: str | None
    family_name: str | None


async def create(unit: Unit, by: UUID, wanted: Opening, *, roles: Collection[str] = ()) -> Account:
    """Open an account at once, for somebody else. Only `admin` vouches for an address.

    Raises:
        IdentifierMissing, InvalidAddress, InvalidUsername, WeakPassword: what was typed.
        AddressTaken, UsernameTaken: there is such an account.
        RoleUnknown: there is no such role.
        BeyondPowers: a role that is not the administrator's to give.
        Busy: too many passwords wait to be hashed.
    """
    email, username, password = (wanted.get(each) for each in ("email", "username", "password"))
    if email is None and username is None:
        raise IdentifierMissing
    address = None if email is None else names.address(str(email))
    if username is not None:
        names.username(str(username))
    hashed = None
    if password is not None:
        given, family = wanted.get("given_name"), wanted.get("family_name")
        personal = (address.typed if address else None, str(username or ""), given, family)
        policy.check(str(password), personal=(*personal, unit.settings.service_name))
        await breaches.check(unit, str(password))
        await unit.pause()
        hashed = await unit.passwords.hash(str(password))
    vouched = bool(wanted.get("email_verified", False))
    holder = await powers.administrator(unit, by, all_of_it=vouched)
    await _check_roles(unit, holder, roles)
    opening = Wanted(
        password_hash=hashed,
        username=wanted.get("username"),
        given_name=wanted.get("given_name"),
        family_name=wanted.get("family_name"),
    )
    proved = address is not None and vouched
    account = await open_account(unit, opening, address=address, proved=proved, by=by)
    for role in sorted(set(roles) - {USER}):
        await grants.grant(unit, account.id, role, by=by)
    set_committed_value(account, "granted", BETWEEN.join({USER, *roles}))
    return account


async def amend(
    unit: Unit, by: UUID, account_id: UUID, changes: Changes, *, state: str | None = None
) -> Account:
    """Change what an account says of its owner, and shut it or open it again.

    Raises:
        InvalidFields, InvalidUsername, UsernameTaken: as for its owner.
        What `powers.over` raises; NotOneself where an administrator would shut themself.
    """
    if wrong := profile.wrong_fields(changes):
        raise InvalidFields(wrong)
    account = await powers.over(unit, by, account_id, oneself=state is None)
    if changes:
        await _write(unit, account, changes)
        await log.record(unit, Event.ACCOUNT_CHANGED, account_id=account.id, actor_id=by)
    if state is not None and state != account.state:
        await _turn(unit, account, state, by=by)
    await unit.session.refresh(account)
    return account


async def set_roles(unit: Unit, by: UUID, account_id: UUID, roles: Collection[str]) -> Account:
    """Give an account these roles and no others.

    Raises:
        RoleUnknown: there is no such role.
        BeyondPowers: a role that is not the administrator's to give.
        What `powers.over` raises.
    """
    account = await powers.over(unit, by, account_id)
    await _check_roles(unit, await unit.session.get_one(Account, by), roles)
    for role in sorted(set(roles) - set(account.roles)):
        await grants.grant(unit, account.id, role, by=by)
    for role in sorted(set(account.roles) - set(roles)):
        await grants.revoke(unit, account.id, role, by=by)
    await unit.session.refresh(account, ["granted"])
    return account


async def end_sessions(unit: Unit, by: UUID, account_id: UUID) -> int:
    """End every session of an account; links and codes that are under way are worth nothing.

    Raises:
        What `powers.over` raises.
    """
    account = await powers.over(unit, by, account_id, oneself=True)
    await ending.void_open(unit, account.id)
    return await store.end_all(unit, account.id, reason="ended_by_admin", by=by)


async def erase(unit: Unit, by: UUID, account_id: UUID) -> None:
    """Erase an account at once, without the time in which its owner could keep it.

    Raises:
        What `powers.over` raises.
    """
    account = await powers.over(unit, by, account_id)
    await closing.erase_now(unit, [account], by=by)


async def retry_letter(unit: Unit, by: UUID, letter_id: UUID) -> None:
    """Send a letter again that was given up; that is for `admin` alone.

    Raises:
        LetterUnknown: none was, or it is out of date.
        NotSignedIn, RoleRequired: they were shut, or demoted, meanwhile.
    """
    await powers.administrator(unit, by, all_of_it=True)
    if not await outbox.retry(unit, letter_id):
        raise LetterUnknown
    await log.record(unit, Event.LETTER_RETRIED, actor_id=by, about=str(letter_id))


async def _check_roles(unit: Unit, holder: Account, roles: Collection[str]) -> None:
    known = await grants.names(unit)
    if not set(known).issuperset(roles):
        raise RoleUnknown(known)
    if not powers.cover(holder, roles):
        raise BeyondPowers


async def _write(unit: Unit, account: Account, changes: Changes) -> None:
    values: dict[str, object] = {**changes, "updated_at": unit.now}
    if "profile" in changes:
        values["profile"] = changes["profile"] or {}
    if "username" in changes:
        username = changes["username"]
        if username is None and account.email_key is None:
            raise InvalidFields([profile.LAST_NAME])
        values["username_key"] = None if username is None else names.username(username)
    try:
        await unit.session.execute(
            update(Account)
            .where(Account.id == account.id)
            .values(values)
            .execution_options(synchronize_session=False)
        )
    except IntegrityError:  # of what may be changed, the username alone is unique
        raise UsernameTaken from None
    unit.forget(Fact.ACCOUNT, account.id)


async def _turn(unit: Unit, account: Account, wanted: str, *, by: UUID) -> None:
    turn = state.disable if wanted == "disabled" else state.enable
    await turn(unit, account.id, by=by)
