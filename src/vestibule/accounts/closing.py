"""Closing an account: for a while it can be kept, then it is erased."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, union, update

from vestibule.accounts import challenges, ending, holding, powers, proofs
from vestibule.accounts.models import Account, Challenge
from vestibule.accounts.names import Address
from vestibule.accounts.proofs import Proof
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.audit.log import Detail, Entry
from vestibule.courier import life_letters, outbox
from vestibule.courier.models import Letter
from vestibule.kernel.errors import NotSignedIn, ProofRefused
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit


async def close(unit: Unit, *, caller: SignedIn) -> datetime:
    """Close the caller's account: nobody logs in to it, and everything that it handed out ends.

    A proved address gets a letter with the way back, which works until the account is erased.

    Returns:
        When that will be.

    Raises:
        NotSignedIn: the account was shut, or the session ended, meanwhile.
        NotOneself: nobody else is an administrator.
    """
    if not await holding.holds(unit, caller):
        raise NotSignedIn
    account = await holding.hold(unit, caller.account.id)
    assert account is not None, "it is held"
    await powers.may_leave(unit, account)
    closes_at = unit.now + unit.settings.closing_grace
    await _turn(unit, account, state="closing", closes_at=closes_at)
    await log.record(
        unit, Event.ACCOUNT_CLOSING, account_id=account.id, session_id=caller.session.id
    )
    await ending.end_everything(unit, account.id, reason="closing")
    if account.email and account.email_key and account.email_verified_at:
        keys = await proofs.ask(
            unit,
            Proof.KEEP,
            Address(account.email, account.email_key),
            account_id=account.id,
            lifetime=unit.settings.closing_grace,
            bound={},
        )
        draft = life_letters.account_closing(
            unit.settings,
            to=account.email,
            account_id=account.id,
            token=keys.token,
            closes_at=closes_at,
            now=unit.now,
            caller=unit.caller,
        )
        await outbox.post(unit, draft)
    return closes_at


async def keep(unit: Unit, *, token: str) -> Account:
    """Keep an account that is closing, by the link of its letter. It logs nobody in.

    Raises:
        ProofRefused: unknown, used or out of date, or nothing is closing.
    """
    challenge = await proofs.by_token(unit, Proof.KEEP, token)
    is_open = challenge is not None and challenges.is_open(unit, challenge)
    account = await holding.hold(unit, challenge.account_id) if challenge and is_open else None
    if (
        challenge is None
        or account is None
        or account.state != "closing"
        or not await proofs.spend(unit, challenge)
    ):
        await log.record(unit, Event.PROOF_REFUSED)
        raise ProofRefused
    await _turn(unit, account, state="active", closes_at=None)
    await log.record(unit, Event.ACCOUNT_KEPT, account_id=account.id)
    return account


async def erase(unit: Unit, *, most: int) -> int:
    """Erase accounts whose time is over, and what tells of a person; the audit log keeps ids."""
    due = (
        select(Account)
        .where(Account.state == "closing", Account.closes_at <= unit.now)
        .order_by(Account.closes_at)
        .limit(most)
        .with_for_update(of=Account, skip_locked=True)
    )
    found = (await unit.session.scalars(due)).all()
    if found:
        await erase_now(unit, found)
    return len(found)


async def erase_now(unit: Unit, found: Sequence[Account], *, by: UUID | None = None) -> None:
    """Erase accounts that the caller's unit holds, with all that `erase` does.

    Args:
        by: the administrator who does it.
    """
    ids = [account.id for account in found]
    theirs = await _addresses(unit, ids)
    about = select(Entry.id).where(or_(Entry.account_id.in_(ids), Entry.actor_id.in_(ids)))
    for erasing in (
        delete(Detail).where(Detail.entry_id.in_(about)),
        delete(Detail).where(Detail.identifier.in_(theirs)),
        # Those that were written while nobody knew whose the address is.
        delete(Letter).where(Letter.recipient_key.in_(theirs)),
        # Sign-ups; what else is open is of an account, and goes with it.
        delete(Challenge).where(Challenge.email_key.in_(theirs), Challenge.account_id.is_(None)),
        delete(Account).where(Account.id.in_(ids)),  # and with it what refers to it
    ):
        await unit.session.execute(erasing.execution_options(synchronize_session=False))
    for account_id in ids:
        unit.forget(Fact.ACCOUNT, account_id)
        await log.record(unit, Event.ACCOUNT_ERASED, account_id=account_id, actor_id=by)


async def _addresses(unit: Unit, ids: Sequence[UUID]) -> set[str]:
    """The keys of all addresses that these accounts have proved, but one that is another's by now.

    One that was never proved may be a stranger's: what names it and no account is not theirs.
    """
    proved = Account.email_verified_at.is_not(None)
    present = select(Account.email_key).where(Account.id.in_(ids), proved)
    former = (
        select(Detail.identifier)
        .join(Entry, Entry.id == Detail.entry_id)
        .where(
            Entry.account_id.in_(ids),
            Entry.event.in_((Event.ADDRESS_CHANGED, Event.ADDRESS_UNDONE)),
            Detail.identifier.is_not(None),
        )
    )
    known = {key for key in await unit.session.scalars(union(present, former)) if key}
    others = select(Account.email_key).where(
        Account.email_key.in_(known), Account.id.not_in(ids), proved
    )
    return known.difference((await unit.session.scalars(others)).all())


async def _turn(unit: Unit, account: Account, **values: object) -> None:
    await unit.session.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(updated_at=unit.now, **values)
        .execution_options(synchronize_session=False)
    )
    unit.forget(Fact.ACCOUNT, account.id)
