"""Signing up: asking for an account, which opens once its address is proved."""

from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm.attributes import set_committed_value

from vestibule.accounts import breaches, challenges, names, policy, queries, sign_up_letter
from vestibule.accounts.challenges import Click, Wanted
from vestibule.accounts.models import Account
from vestibule.accounts.names import Address
from vestibule.accounts.policy import Rule
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import outbox
from vestibule.kernel.errors import AddressTaken, Busy, IdentifierMissing, UsernameTaken
from vestibule.kernel.ids import uuid7
from vestibule.kernel.limits import LETTERS, SIGN_UP_CLIENT
from vestibule.kernel.unit import Unit
from vestibule.roles import grants
from vestibule.throttle import counters
from vestibule.throttle.counters import Whose


@dataclass(frozen=True)
class SignedUp:
    """What became of a sign-up: an account at once, a handle to prove the address with, or both.

    Asked to open now and no account: the address is taken. Who may learn that, the surface decides.
    """

    account: Account | None
    sign_up: str | None


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who signs up, as they typed it."""

    password: str
    email: str | None = None
    username: str | None = None
    given_name: str | None = None
    family_name: str | None = None


async def sign_up(
    unit: Unit,
    person: Person,
    *,
    open_now: bool = False,
    click: Click | None = None,
    rule: Rule = policy.OURS,
) -> SignedUp:
    """Ask for an account.

    With an address it stays a challenge until the address is proved by letter, and a taken address
    is answered by the same work: its owner gets a letter, the caller a handle that proves nothing.
    Without an address the account opens at once.

    Args:
        open_now: open the account before its address is proved.
        click: where the letter's link alone proves the address.
        rule: what the surface asks of passwords.

    Raises:
        IdentifierMissing, InvalidAddress, InvalidUsername, WeakPassword: what was typed.
        UsernameTaken: usernames are public, so this is told.
        TooManyAttempts: too many sign-ups from this client address.
        Busy: too many passwords wait to be hashed.
    """
    address, wanted = await _prepare(unit, person, rule)
    if address is None:
        return SignedUp(await open_account(unit, wanted), None)
    whose = Whose(identifier=address.typed)
    may_write = await counters.admits(unit, LETTERS, address.key, whose=whose)
    account = await _open(unit, wanted, address=address) if open_now else None
    if open_now and account is None and await _username_taken(unit, wanted):
        raise UsernameTaken
    owner = None if account else await queries.by_email_key(unit, address.key)
    account_id = account.id if account else None
    handle, keys = await challenges.ask(
        unit,
        address,
        wanted,
        account_id=account_id,
        click_at=click.surface if click else None,
    )
    asked = partial(log.record, unit, account_id=account_id, identifier=address.typed)
    await asked(Event.SIGN_UP_ASKED)
    if may_write:
        page = click.page if click else None
        draft = sign_up_letter.draft(
            unit, address.typed, keys, owner=owner, opened=account_id, page=page
        )
        await outbox.post(unit, draft)
    else:
        await asked(Event.LETTER_WITHHELD)
    return SignedUp(account, handle)


async def open_account(
    unit: Unit,
    wanted: Wanted,
    *,
    address: Address | None = None,
    proved: bool = False,
    by: UUID | None = None,
) -> Account:
    """Open an account; the database decides whether its names are free.

    Args:
        by: the administrator who opens it.

    Raises:
        UsernameTaken: somebody was first.
        AddressTaken: somebody was first.
    """
    account = await _open(unit, wanted, address=address, proved=proved, by=by)
    if account is None:
        raise UsernameTaken if await _username_taken(unit, wanted) else AddressTaken
    return account


async def send_again(unit: Unit, handle: str) -> None:
    """Post the letter of a sign-up once more, with a new link and code.

    For an address that has an account by now, its owner's letter; for a handle that nobody has,
    nothing; for an address that got too many, nothing, and its last letter goes on working. The
    caller learns nothing either way.
    """
    challenge = await challenges.by_handle(unit, handle)
    if challenge is None:
        return
    whose = Whose(identifier=challenge.address)
    opened, address = challenge.account_id, challenge.address
    asked = partial(log.record, unit, account_id=opened, identifier=address)
    if not await counters.admits(unit, LETTERS, challenge.email_key, whose=whose):
        await asked(Event.SIGN_UP_LETTER_ASKED)
        await asked(Event.LETTER_WITHHELD)
        return
    keys = await challenges.ask_again(unit, challenge)
    owner = await queries.by_email_key(unit, challenge.email_key)
    if owner is not None and owner.id == challenge.account_id and keys is not None:
        owner = None  # theirs is the account that this sign-up opened and still has to prove
    await asked(Event.SIGN_UP_LETTER_ASKED)
    if owner is not None or keys is not None:
        draft = sign_up_letter.draft(unit, address, keys, owner=owner, opened=opened)
        await outbox.post(unit, draft)


async def _prepare(unit: Unit, person: Person, rule: Rule) -> tuple[Address | None, Wanted]:
    """Check what was typed and hash the password, holding no connection."""
    if person.email is None and person.username is None:
        raise IdentifierMissing
    address = None if person.email is None else names.address(person.email)
    key = None if person.username is None else names.username(person.username)
    policy.check(
        person.password,
        personal=(
            address.typed if address else None,
            person.username,
            person.given_name,
            person.family_name,
            unit.settings.service_name,
        ),
        rule=rule,
    )
    if key is not None and await queries.by_username_key(unit, key) is not None:
        raise UsernameTaken
    network = unit.caller.network
    counted = [] if network is None else [(SIGN_UP_CLIENT, network)]
    await counters.take(unit, *counted)
    await breaches.check(unit, person.password)
    await unit.pause()
    try:
        password_hash = await unit.passwords.hash(person.password)
    except Busy:
        await counters.give_back(unit, *counted)  # it was no attempt
        raise
    return address, Wanted(
        password_hash=password_hash,
        username=person.username,
        given_name=person.given_name,
        family_name=person.family_name,
    )


async def _open(
    unit: Unit,
    wanted: Wanted,
    *,
    address: Address | None = None,
    proved: bool = False,
    by: UUID | None = None,
) -> Account | None:
    insert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    account = await unit.session.scalar(
        insert(Account)
        .values(
            id=uuid7(),
            email=address and address.typed,
            email_key=address and address.key,
            email_verified_at=unit.now if proved else None,
            username=wanted.username,
            username_key=wanted.username and names.username(wanted.username),
            password_hash=wanted.password_hash,
            password_changed_at=unit.now,
            given_name=wanted.given_name,
            family_name=wanted.family_name,
            profile={},
            state="active",
            created_at=unit.now,
            updated_at=unit.now,
        )
        .on_conflict_do_nothing()
        .returning(Account)
    )
    if account is not None:
        set_committed_value(account, "granted", grants.grant_first(unit, account.id))
        await log.record(unit, Event.ACCOUNT_OPENED, account_id=account.id, actor_id=by)
    return account


async def _username_taken(unit: Unit, wanted: Wanted) -> bool:
    if wanted.username is None:
        return False
    key = names.username(wanted.username)
    return await queries.by_username_key(unit, key) is not None
