"""Saying once more who one is, in a session that is open: before what changes how one logs in.

By the password; by a code that comes by letter where an account has none. What is proved counts for
the one session in which it is proved.
"""

from datetime import timedelta
from typing import NoReturn

from sqlalchemy import exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from vestibule.accounts import attempts
from vestibule.accounts.models import Account, Challenge
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import letters, outbox
from vestibule.kernel import opaque
from vestibule.kernel.errors import (
    BadCredentials,
    Busy,
    NoCodeByLetter,
    NotSignedIn,
    ProofRefused,
)
from vestibule.kernel.ids import uuid7
from vestibule.kernel.limits import CONFIRMATION_CODES, CONFIRMATION_LETTERS
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.unit import Unit
from vestibule.sessions import confirming
from vestibule.sessions.models import Session
from vestibule.sessions.store import Opened
from vestibule.throttle import counters
from vestibule.throttle.counters import Whose

CONFIRMATION = "confirmation"
_CODE = "confirmation code"
_LONGEST = timedelta(minutes=10)  # ASVS 6.5.5


async def confirm_by_password(unit: Unit, *, caller: SignedIn, password: str) -> Opened:
    """Count the caller's session as authenticated now, if `password` is its account's.

    Returns:
        The session; one of a cookie with another secret.

    Raises:
        BadCredentials: wrong, or the account has none: always at the same cost.
        TooManyAttempts: too many wrong ones, here and at log-ins together.
        Busy: too many passwords wait to be hashed.
        NotSignedIn: the session ended meanwhile.
    """
    account = caller.account
    # A live session is a device that its account is known on: strangers cannot use up its guesses.
    attempt = await attempts.begin(unit, _identifier(account), account, caller.session.id)
    await unit.pause()
    try:
        right = await unit.passwords.matches(password, account.password_hash)
    except Busy:
        await attempts.forget(unit, attempt)
        raise
    if not await attempts.judge(unit, attempt, right=right):
        await _record(unit, Event.CONFIRMATION_REFUSED, caller)
        raise BadCredentials
    return await _confirm(unit, caller)


async def ask_for_code(unit: Unit, *, caller: SignedIn) -> None:
    """Post a code to an account that has no password; that of an earlier letter is void.

    Raises:
        NoCodeByLetter: it has one, or no address that is proved.
        TooManyAttempts: too many such letters.
    """
    account = caller.account
    has_no_way = account.email is None or account.email_verified_at is None
    if account.password_hash is not None or has_no_way:
        raise NoCodeByLetter
    assert account.email is not None
    whose = Whose(account_id=account.id)
    await counters.take(unit, (CONFIRMATION_LETTERS, str(account.id)), whose=whose)
    code = opaque.code()
    lifetime = min(unit.settings.code_lifetime, _LONGEST)
    keys = {
        "address": account.email,
        "email_key": account.email_key,
        "code_mac": unit.seals.mac(_CODE, _message(caller.session, code)),
        "token_digest": opaque.issue(Purpose.LINK)[1],  # nobody is sent a link
        "code_expires_at": unit.now + lifetime,
        "expires_at": unit.now + lifetime,
        "created_at": unit.now,
        "used_at": None,
    }
    upsert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    await unit.session.execute(
        upsert(Challenge)
        .values(
            id=uuid7(),
            purpose=CONFIRMATION,
            account_id=account.id,
            handle_digest=_handle(caller.session),
            **keys,
        )
        .on_conflict_do_update(index_elements=[Challenge.handle_digest], set_=keys)
    )
    await _record(unit, Event.CONFIRMATION_LETTER_ASKED, caller)
    draft = letters.confirm_identity(
        to=account.email,
        account_id=account.id,
        code=code,
        lifetime=lifetime,
        asked_at=unit.now,
        caller=unit.caller,
    )
    await outbox.post(unit, draft)


async def confirm_by_code(unit: Unit, *, caller: SignedIn, code: str) -> Opened:
    """Count the caller's session as authenticated now, by the code of the letter it asked for.

    Returns:
        As `confirm_by_password`.

    Raises:
        ProofRefused: wrong, used, out of date, asked for by another session, or by nobody.
        TooManyAttempts: ten wrong codes within a day.
        NotSignedIn: the session ended meanwhile.
    """
    account = caller.account
    counted = (CONFIRMATION_CODES, account.email_key or str(account.id))
    await counters.take(unit, counted, whose=Whose(account_id=account.id))
    challenge = await unit.session.scalar(
        select(Challenge).where(
            Challenge.handle_digest == _handle(caller.session), Challenge.purpose == CONFIRMATION
        )
    )
    message = _message(caller.session, code)
    if challenge is None or not unit.seals.verify(_CODE, message, challenge.code_mac):
        await _refuse(unit, caller)
    await counters.give_back(unit, counted)
    spent = await unit.session.scalar(
        update(Challenge)
        .where(
            Challenge.id == challenge.id,
            Challenge.code_mac == challenge.code_mac,
            Challenge.used_at.is_(None),
            Challenge.code_expires_at > unit.now,
        )
        .values(used_at=unit.now)
        .returning(Challenge.id)
        .execution_options(synchronize_session=False)
    )
    if spent is None:
        await _refuse(unit, caller)
    return await _confirm(unit, caller)


async def _confirm(unit: Unit, caller: SignedIn) -> Opened:
    seen = caller.account.password_hash
    unchanged = exists().where(
        Account.id == Session.account_id,
        Account.state == "active",
        Account.password_hash.is_not_distinct_from(seen),
    )
    opened = await confirming.confirm(unit, caller.session, holder_is=unchanged.correlate(Session))
    if opened is None:
        raise NotSignedIn
    await _record(unit, Event.CONFIRMATION_SUCCEEDED, caller)
    return opened


async def _refuse(unit: Unit, caller: SignedIn) -> NoReturn:
    await _record(unit, Event.CONFIRMATION_REFUSED, caller)
    raise ProofRefused


async def _record(unit: Unit, event: Event, caller: SignedIn) -> None:
    await log.record(unit, event, account_id=caller.account.id, session_id=caller.session.id)


def _identifier(account: Account) -> str:
    return account.email or account.username or str(account.id)


def _handle(session: Session) -> bytes:
    """Of the one code that a session may have: a newer letter takes the older one's place."""
    return opaque.digest(Purpose.CONFIRMATION, _whose(session).hex())


def _message(session: Session, code: str) -> bytes:
    return _whose(session) + opaque.typed(code).encode()


def _whose(session: Session) -> bytes:
    return session.id.bytes
