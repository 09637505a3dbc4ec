"""Changing one's password, and what every new password has in common."""

from uuid import UUID

from sqlalchemy import ColumnElement, update

from vestibule.accounts import attempts, breaches, credentials, devices, ending, holding, policy
from vestibule.accounts.login import LoggedIn
from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import life_letters, outbox
from vestibule.kernel.errors import BadCredentials, Busy, NotSignedIn
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import Kind


async def change_password(unit: Unit, *, caller: SignedIn, current: str, new: str) -> LoggedIn:
    """Change the caller's password; every session ends, and they get a new one of its kind.

    Raises:
        WeakPassword: choose another.
        BadCredentials: `current` is not it, or the account has none: always at the same cost.
        TooManyAttempts: too many wrong ones, here and at log-ins together.
        Busy: too many passwords wait to be hashed.
        NotSignedIn: the session ended meanwhile.
    """
    account, session = caller.account, caller.session
    check(unit, new, *personal(account))
    # A live session is a device that its account is known on.
    identifier = account.email or account.username or str(account.id)
    attempt = await attempts.begin(unit, identifier, account, session.id)
    await unit.pause()
    try:
        right = await unit.passwords.matches(current, account.password_hash)
    except Busy:
        await attempts.forget(unit, attempt)
        raise
    if not await attempts.judge(unit, attempt, right=right):
        await log.record(
            unit, Event.PASSWORD_CHANGE_REFUSED, account_id=account.id, session_id=session.id
        )
        raise BadCredentials
    fresh = await hash_chosen(unit, new)
    if not await holding.holds(unit, caller):
        raise NotSignedIn
    unchanged = Account.password_hash.is_not_distinct_from(account.password_hash)
    changed = await replace(unit, account.id, unchanged, password_hash=fresh)
    if changed is None:  # somebody else changed it meanwhile
        raise BadCredentials
    await ending.end_everything(
        unit,
        account.id,
        reason="password_changed",
        api_keys=unit.settings.password_ends_api_keys,
    )
    kind = Kind(session.kind)
    opened = await store.open_for(unit, account.id, remember=session.remember, kind=kind)
    await log.record(
        unit, Event.PASSWORD_CHANGED, account_id=account.id, session_id=opened.session.id
    )
    await tell_owner(unit, changed)
    left = devices.leave(unit, changed)
    if kind == Kind.COOKIE:
        return LoggedIn(changed, opened, left)
    tokens = await credentials.hand_out(unit, changed, opened.session)
    return LoggedIn(changed, opened, left, tokens)


async def replace(
    unit: Unit, account_id: UUID, *unchanged: ColumnElement[bool], **values: object
) -> Account | None:
    """Write a new password, in one statement with what it is for; None if that is so no longer."""
    account: Account | None = await unit.session.scalar(
        update(Account)
        .where(Account.id == account_id, Account.state == "active", *unchanged)
        .values(password_changed_at=unit.now, updated_at=unit.now, **values)
        .returning(Account)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    if account is not None:
        await unit.session.refresh(account, ["granted"])
        unit.forget(Fact.ACCOUNT, account_id)
    return account


async def hash_chosen(unit: Unit, password: str) -> str:
    """Hash a password that somebody chose, holding no connection."""
    await breaches.check(unit, password)
    await unit.pause()
    return await unit.passwords.hash(password)


async def tell_owner(unit: Unit, account: Account) -> None:
    if account.email is not None and account.email_verified_at is not None:
        draft = life_letters.password_changed(
            to=account.email, account_id=account.id, now=unit.now, caller=unit.caller
        )
        await outbox.post(unit, draft)


def check(unit: Unit, password: str, *known: str | None) -> None:
    """Refuse a password that somebody else would guess, before anything is asked or hashed.

    Args:
        known: what is known of its owner.

    Raises:
        WeakPassword: with the reason.
    """
    policy.check(password, personal=(*known, unit.settings.service_name))


def personal(account: Account) -> tuple[str | None, ...]:
    return account.email, account.username, account.given_name, account.family_name
