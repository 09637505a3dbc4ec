"""Finding accounts. What is read here before a pause is a guess afterwards."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Select, select

from vestibule.accounts import names
from vestibule.accounts.models import Account
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import Session


@dataclass(frozen=True)
class SignedIn:
    """Who sends a request, and by which session."""

    account: Account
    session: Session


async def by_id(unit: Unit, account_id: UUID) -> Account | None:
    return await unit.session.get(Account, account_id)


async def by_email_key(unit: Unit, key: str) -> Account | None:
    return await unit.session.scalar(select(Account).where(Account.email_key == key))


async def by_username_key(unit: Unit, key: str) -> Account | None:
    return await unit.session.scalar(select(Account).where(Account.username_key == key))


async def by_identifier(unit: Unit, identifier: str) -> Account | None:
    """Find an account by what its owner types to log in: address or username, in any spelling."""
    match names.key_of(identifier):
        case ("email", key):
            return await by_email_key(unit, key)
        case ("username", key):
            return await by_username_key(unit, key)
    return None


async def by_session(unit: Unit, secret: str) -> SignedIn | None:
    """Find whose session `secret` opens, if it is live and its account active."""
    found = (
        await unit.session.execute(
            store.live_row(secret)
            .join(Account, Account.id == Session.account_id)
            .where(Account.state == "active")
            .add_columns(Account)
        )
    ).one_or_none()
    if found is None or not store.is_live(unit, found[0]):
        return None
    store.touch(unit, found[0])
    return SignedIn(account=found[1], session=found[0])


def unchanged(account_id: UUID, *, seen: str | None) -> Select[UUID]:
    """Select and lock an active account whose password is still the one that was checked.

    FOR NO KEY UPDATE: FOR SHARE would let two log-ins deadlock when both then write the account.
    """
    return (
        select(Account.id)
        .where(
            Account.id == account_id,
            Account.state == "active",
            Account.password_hash.is_not_distinct_from(seen),
        )
        .with_for_update(key_share=True)
    )
