"""Whose account an identity opens: found, linked, removed."""

from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from vestibule.accounts import holding
from vestibule.accounts.models import Account, Identity
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import identity_letters, outbox
from vestibule.federation.choose import Providers
from vestibule.federation.provider import Person, Provider
from vestibule.kernel.errors import (
    IdentityTaken,
    IdentityUnknown,
    LastWayIn,
    NotSignedIn,
    ProviderUnknown,
)
from vestibule.kernel.means import Means
from vestibule.kernel.unit import Unit

_LONGEST_ABOUT = 40  # characters in the audit log; a host may have more


async def of_account(unit: Unit, account_id: UUID) -> Sequence[Identity]:
    """List the identities of an account, in the order in which they were linked."""
    theirs = select(Identity).where(Identity.account_id == account_id)
    return (await unit.session.scalars(theirs.order_by(Identity.linked_at))).all()


async def owner_of(unit: Unit, person: Person) -> UUID | None:
    """Find whose account somebody opens."""
    return await unit.session.scalar(
        select(Identity.account_id).where(
            Identity.issuer == person.issuer, Identity.subject == person.subject
        )
    )


async def subject_of(unit: Unit, account_id: UUID, issuer: str) -> str | None:
    """Return as whom an issuer knows an account: the first that was linked."""
    theirs = select(Identity.subject).where(
        Identity.account_id == account_id, Identity.issuer == issuer
    )
    subject: str | None = await unit.session.scalar(theirs.order_by(Identity.linked_at).limit(1))
    return subject


async def has_one_of(unit: Unit, account_id: UUID, issuer: str) -> bool:
    """Tell whether somebody of an issuer opens an account."""
    return await subject_of(unit, account_id, issuer) is not None


async def attach(unit: Unit, account: Account, person: Person, *, provider: Provider) -> bool:
    """Let somebody open an account that the caller's unit holds; False: they open another one.

    The owner is told by letter, unless the account was opened by this very sign-in.
    """
    insert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    written = await unit.session.scalar(
        insert(Identity)
        .values(
            issuer=person.issuer,
            subject=person.subject,
            account_id=account.id,
            email=person.email,
            linked_at=unit.now,
        )
        .on_conflict_do_nothing()
        .returning(Identity.account_id)
    )
    if written is None:
        return False
    await log.record(unit, Event.IDENTITY_LINKED, account_id=account.id, about=provider.name)
    return True


async def link(unit: Unit, *, caller: SignedIn, person: Person, provider: Provider) -> None:
    """Let somebody open the caller's account from now on; its owner is told by letter.

    Raises:
        NotSignedIn: the account was shut, or the session ended, meanwhile.
        IdentityTaken: they open another account.
    """
    if not await holding.holds(unit, caller):
        raise NotSignedIn
    if await attach(unit, caller.account, person, provider=provider):
        await tell_owner(unit, caller.account, provider)
    elif await owner_of(unit, person) != caller.account.id:
        raise IdentityTaken


def name_of(means: Means, issuer: str) -> str:
    """Return the name of a provider; its host, where the settings name it no longer."""
    named = {each.issuer: each.name for each in means.part(Providers).values()}
    return named.get(issuer) or urlsplit(issuer).netloc


async def unlink(unit: Unit, *, caller: SignedIn, provider: str) -> None:
    """Let nobody of a provider open the caller's account any more.

    Args:
        provider: as `name_of`.

    Raises:
        NotSignedIn: as `link`.
        ProviderUnknown: the settings name none of that name, and nothing of theirs is of it.
        IdentityUnknown: none of theirs is of that provider.
        LastWayIn: there is no password, and no identity of another provider that is still asked.
    """
    if not await holding.holds(unit, caller):
        raise NotSignedIn
    theirs = Identity.account_id == caller.account.id
    known = unit.means.part(Providers)
    if provider in known:
        issuers = {known[provider].issuer}
    else:
        linked = await of_account(unit, caller.account.id)
        issuers = {each.issuer for each in linked if name_of(unit.means, each.issuer) == provider}
        if not issuers:
            raise ProviderUnknown
    usable = {each.issuer for each in known.values()} - issuers
    others = select(func.count()).where(theirs, Identity.issuer.in_(usable))
    password = select(Account.password_hash).where(Account.id == caller.account.id)
    # The account is held, so nobody takes the other way meanwhile.
    if await unit.session.scalar(password) is None and not await unit.session.scalar(others):
        raise LastWayIn
    removed = await unit.session.scalars(
        delete(Identity)
        .where(theirs, Identity.issuer.in_(issuers))
        .returning(Identity.subject)
        .execution_options(synchronize_session=False)
    )
    if not removed.all():
        raise IdentityUnknown
    about = provider[:_LONGEST_ABOUT]
    await log.record(unit, Event.IDENTITY_REMOVED, account_id=caller.account.id, about=about)


async def tell_owner(unit: Unit, account: Account, provider: Provider) -> None:
    """Tell the owner of an account that somebody of a provider opens it from now on."""
    if account.email is not None and account.email_verified_at is not None:
        draft = identity_letters.identity_linked(
            to=account.email,
            account_id=account.id,
            provider=provider.title,
            now=unit.now,
            caller=unit.caller,
        )
        await outbox.post(unit, draft)
