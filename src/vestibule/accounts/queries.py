"""Finding accounts. What is read here before a pause is a guess afterwards."""

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import Integer, Table, bindparam, func, select, update

from vestibule.accounts import names
from vestibule.accounts.models import Account
from vestibule.kernel.database import UtcDateTime
from vestibule.kernel.errors import NotSignedIn, Why
from vestibule.kernel.unit import Unit
from vestibule.sessions import room, store
from vestibule.sessions.models import NATIVE, Kind, Session
from vestibule.tokens import access, checks, keyring
from vestibule.tokens.access import Claims


@dataclass(frozen=True)
class SignedIn:
    """Who sends a request, and by which session."""

    account: Account
    session: Session


async def by_id(unit: Unit, account_id: UUID) -> Account | None:
    return await unit.session.get(Account, account_id)


async def by_external_id(unit: Unit, external_id: str) -> Account | None:
    """Find an account by what it was called in an older system."""
    return await unit.session.scalar(select(Account).where(Account.external_id == external_id))


async def by_email_key(unit: Unit, key: str) -> Account | None:
    return await unit.session.scalar(_BY_EMAIL_KEY, {"key": key})


async def by_username_key(unit: Unit, key: str) -> Account | None:
    return await unit.session.scalar(_BY_USERNAME_KEY, {"key": key})


async def by_identifier(unit: Unit, identifier: str) -> Account | None:
    """Find an account by what its owner types to log in: address or username, in any spelling."""
    match names.key_of(identifier):
        case ("email", key):
            return await by_email_key(unit, key)
        case ("username", key):
            return await by_username_key(unit, key)
    return None


async def by_session(unit: Unit, digest: bytes, *, audience: str = NATIVE) -> SignedIn | None:
    """Find whose session a secret of that digest opens, if it is live and its account active."""
    named = {"digest": digest, "audience": audience}
    found = (await unit.session.execute(_BY_SESSION, named)).one_or_none()
    if found is None or not store.is_live(unit.means, found[0], now=unit.now):
        return None
    store.touch(unit.means, found[0], now=unit.now)
    return SignedIn(account=found[1], session=found[0])


async def by_access_token(unit: Unit, token: str) -> SignedIn:
    """Find whom an access token speaks of, if its session is live and its account active.

    Raises:
        NotSignedIn: not ours, out of date, or of a session that has ended.
    """
    return await by_claims(unit, await claims_of(unit, token))


async def claims_of(
    unit: Unit, token: str, *, surface: str | None = None, however_old: bool = False
) -> Claims:
    """Verify an access token.

    Args:
        surface: whose token it must be; None: the API's own.
        however_old: take one that is out of date.

    Raises:
        NotSignedIn: not ours, or out of date.
    """
    verifier = await keyring.verifier(unit, checks.kid_of(token))
    if verifier is None:
        raise NotSignedIn
    return access.verify(
        token, verifier, unit.settings, now=unit.now, surface=surface, however_old=however_old
    )


async def by_claims(unit: Unit, claims: Claims) -> SignedIn:
    """Find whom a verified token speaks of; its key may have been retired since.

    Raises:
        NotSignedIn: its session or its key is over.
    """
    named = {
        "session": claims.session_id,
        "account": claims.account_id,
        "audience": claims.surface or NATIVE,
        "kid": claims.kid,
        "now": unit.now,
    }
    found = (await unit.session.execute(_BY_CLAIMS, named)).one_or_none()
    if found is None or not store.is_live(unit.means, found[0], now=unit.now):
        raise NotSignedIn(Why.ENDED)
    store.touch(unit.means, found[0], now=unit.now)
    return SignedIn(account=found[1], session=found[0])


async def enter(unit: Unit, account_id: UUID, *, seen: str, fresh: str | None) -> int | None:
    """Note a log-in, unless the account is no longer active or has another password than `seen`.

    What was checked was read before a pause: this checks it again, and holds the account until the
    unit ends, so whoever disables it or changes its password comes before or after, never between.

    Args:
        fresh: the same password hashed anew, to be kept from now on.

    Returns:
        How many sessions it has that nobody ended, without those that are being opened now, up to
        what is `room.plenty`; None: it is not as it was seen.
    """
    was = {"account": account_id, "seen": seen, "now": unit.now, "kept": fresh or seen}
    was["plenty"] = room.plenty(unit.settings)
    held: int | None = await unit.session.scalar(_ENTERING, was)
    return held


# Made once: making a statement costs more than the database takes to run it.
_BY_EMAIL_KEY = select(Account).where(Account.email_key == bindparam("key"))
_BY_USERNAME_KEY = select(Account).where(Account.username_key == bindparam("key"))
_BY_CLAIMS = (
    select(Session, Account)
    .join(Account, Account.id == Session.account_id)
    .where(
        Session.id == bindparam("session"),
        Session.kind == Kind.TOKENS,
        Session.audience == bindparam("audience"),
        Session.ended_at.is_(None),
        Account.id == bindparam("account"),
        Account.state == "active",
        keyring.is_honoured(bindparam("kid"), now=bindparam("now", type_=UtcDateTime)),
    )
)
_BY_SESSION = (
    store.LIVE_ROW.join(Account, Account.id == Session.account_id)
    .where(Account.state == "active")
    .add_columns(Account)
)
# By tables: the ORM makes the statement anew each time.
_accounts, _sessions = cast(Table, Account.__table__).c, cast(Table, Session.__table__).c
_HELD = select(func.count()).select_from(
    select(_sessions.id)
    .where(_sessions.account_id == bindparam("account"), _sessions.ended_at.is_(None))
    .limit(bindparam("plenty", type_=Integer))
    .subquery()
)
_ENTERING = (
    update(cast(Table, Account.__table__))
    .where(
        _accounts.id == bindparam("account"),
        _accounts.state == "active",
        _accounts.password_hash == bindparam("seen"),
    )
    .values(last_login_at=bindparam("now"), password_hash=bindparam("kept"))
    .returning(_HELD.scalar_subquery())
)
