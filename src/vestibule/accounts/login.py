"""Proving who you are with a password."""

from dataclasses import dataclass
from uuid import UUID

from vestibule.accounts import attempts, credentials, devices, disguise, names, queries
from vestibule.accounts.credentials import Tokens
from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.accounts.verification import prove_by_link
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.errors import (
    AddressNotProved,
    BadCredentials,
    Busy,
    DatabaseUnavailable,
    ProofRefused,
    SessionUnknown,
    TooManyAttempts,
)
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import Kind
from vestibule.sessions.terms import Terms


@dataclass(frozen=True)
class LoggedIn:
    """Whose session was opened, and what the device may keep to be known again."""

    account: Account
    opened: store.Opened
    device: str | None
    tokens: Tokens | None = None


async def log_in(
    unit: Unit,
    *,
    identifier: str,
    password: str,
    remember: bool = False,
    kind: Kind = Kind.COOKIE,
    device: str | None = None,
    instead_of: SignedIn | None = None,
    terms: Terms | None = None,
    unproved: bool = False,
    tell_unproved: bool = False,
) -> LoggedIn:
    """Open a session for whoever `identifier` and `password` belong to, always a new one.

    Args:
        identifier: address or username, in any spelling.
        kind: what the holder is handed.
        device: what an earlier log-in left on the device.
        instead_of: who the same browser was signed in as; that session ends.
        terms: of another surface, in place of `kind`; it hands out its credential itself.
        unproved: let in whose address is not proved.
        tell_unproved: tell those whose password is right that their address is not proved.

    Raises:
        BadCredentials: unknown, wrong, disabled, not proved, or over the account's cap: always at
            the same cost.
        AddressNotProved: only with `tell_unproved`.
        TooManyAttempts: too many wrong ones from this client address, or for this identifier.
        Busy: too many passwords wait to be hashed.
        DatabaseUnavailable: its hash was made anew meanwhile; `running` looks again.
    """
    async with unit.glance() as glance:
        account = await queries.by_identifier(glance, identifier)
    unproved = unproved or unit.settings.login_before_proof
    looks = account is not None and _may_enter(account, unproved=unproved or tell_unproved)
    seen = account.password_hash if account and looks else None
    like = disguise.for_identifier(unit, identifier, account)
    known = devices.recognise(unit, account, device)
    try:
        attempt = await attempts.begin(unit, identifier, account, known)
    except TooManyAttempts:
        unit.means.metrics.log_in_turned_away("limited")
        raise
    # Nobody waits for Argon2 with a connection in hand: this unit has none yet.
    try:
        right = await unit.passwords.matches(password, seen, like=like)
    except Busy:
        unit.means.metrics.log_in_turned_away("busy")
        await attempts.forget(unit, attempt)
        raise
    entered = None
    believed = await attempts.judge(unit, attempt, right=right) and account is not None
    may_enter = account is not None and _may_enter(account, unproved=unproved)
    if believed and may_enter and account is not None:
        fresh = await _fresh_hash(unit, password, seen)
        entered = await enter(
            unit,
            account,
            seen=seen,
            fresh=fresh,
            remember=remember,
            kind=kind,
            instead_of=instead_of,
            device=known,
            terms=terms,
        )
        if entered is None:  # somebody else hashed it anew, or set another, or shut the account
            raise DatabaseUnavailable(1, undone=True)
    if entered is None:  # wrong, gone, disabled or changed meanwhile: one answer
        await log.record(
            unit,
            Event.LOGIN_REFUSED,
            account_id=account.id if account else None,
            identifier=names.if_address(identifier),
        )
        if believed and not may_enter:
            raise AddressNotProved
        raise BadCredentials(unknown=account is None)
    return entered


async def log_in_by_link(
    unit: Unit,
    *,
    token: str,
    password: str,
    username: str | None = None,
    instead_of: SignedIn | None = None,
) -> LoggedIn:
    """Prove the address of a sign-up by its letter's link, and log in.

    Args:
        instead_of: who the same browser was signed in as; that session ends.

    Raises:
        As `prove_by_link`.
    """
    account = await prove_by_link(unit, token=token, password=password, username=username)
    entered = await enter(unit, account, seen=account.password_hash, instead_of=instead_of)
    if entered is None:
        raise ProofRefused
    return entered


async def enter(
    unit: Unit,
    account: Account,
    *,
    seen: str | None,
    fresh: str | None = None,
    remember: bool = False,
    kind: Kind = Kind.COOKIE,
    instead_of: SignedIn | None = None,
    device: UUID | None = None,
    terms: Terms | None = None,
) -> LoggedIn | None:
    """Open the session, unless the account is not as it was seen, and note the log-in."""
    if seen is None:  # an account without a password has another way in
        return None
    held = await queries.enter(unit, account.id, seen=seen, fresh=fresh)
    if held is None:
        return None
    if fresh is not None:
        unit.forget(Fact.ACCOUNT, account.id)  # whoever changes the password compares the hash
        await log.record(unit, Event.PASSWORD_REHASHED, account_id=account.id)
    if instead_of is not None:
        await replace(unit, instead_of)
    opened = await store.open_for(
        unit, account.id, remember=remember, kind=kind, terms=terms, held=held
    )
    await log.record(
        unit, Event.LOGIN_SUCCEEDED, account_id=account.id, session_id=opened.session.id
    )
    left = devices.leave(unit, account, device=device)
    if terms is not None or kind == Kind.COOKIE:
        return LoggedIn(account, opened, left)
    tokens = await credentials.hand_out(unit, account, opened.session)
    return LoggedIn(account, opened, left, tokens)


def _may_enter(account: Account, *, unproved: bool) -> bool:
    proved = account.email_verified_at is not None or account.email_key is None
    return account.state == "active" and (proved or unproved)


async def _fresh_hash(unit: Unit, password: str, seen: str | None) -> str | None:
    """Hash again what was hashed with other parameters than today's; there is no hurry."""
    if seen is None or not unit.passwords.outdated(seen):
        return None
    try:
        return await unit.passwords.hash(password)
    except Busy:
        return None


async def replace(unit: Unit, former: SignedIn) -> None:
    """End the session that a browser had before it entered anew."""
    try:
        await store.end(unit, former.account.id, former.session.id, reason="replaced")
    except SessionUnknown:
        return  # it ended by itself meanwhile
