"""Programs that act for an account: the keys that it makes for them, and who comes with one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, select

from vestibule.accounts import holding
from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.api_keys import keys
from vestibule.api_keys.keys import Made
from vestibule.api_keys.models import ApiKey
from vestibule.courier import letters, outbox
from vestibule.kernel import scopes
from vestibule.kernel.errors import FieldError, InvalidFields, NotSignedIn
from vestibule.kernel.limits import API_KEYS
from vestibule.kernel.means import Means
from vestibule.kernel.unit import Unit
from vestibule.throttle import counters
from vestibule.throttle.counters import Whose


@dataclass(frozen=True)
class Program:
    """Whose key came along, and what it may do now. A key has scopes and no roles."""

    account: Account
    key: ApiKey
    scopes: frozenset[str]


async def make_key(
    unit: Unit,
    *,
    caller: SignedIn,
    name: str,
    wanted: Collection[str],
    expires_in: timedelta | None = None,
) -> Made:
    """Make a key that may do at most what its owner may, and tell the owner by letter.

    Raises:
        InvalidFields: a scope that none of the owner's roles gives.
        TooManyApiKeys: the account has as many as it may.
        TooManyAttempts: it made too many within an hour.
        NotSignedIn: the account was shut, or the session ended, meanwhile.
    """
    account = caller.account
    may = scopes.given_by(account.roles, unit.settings.scopes)
    if not may.issuperset(wanted):
        raise InvalidFields([_not_yours(may)])
    counted = (API_KEYS, str(account.id))
    await counters.take(unit, counted, whose=Whose(account_id=account.id))
    if not await holding.holds(unit, caller):
        raise NotSignedIn
    made = await keys.add(
        unit,
        account.id,
        name=name,
        scopes=sorted(wanted),
        expires_at=None if expires_in is None else unit.now + expires_in,
    )
    if account.email is not None and account.email_verified_at is not None:
        draft = letters.api_key_made(
            to=account.email, account_id=account.id, now=unit.now, caller=unit.caller
        )
        await outbox.post(unit, draft)
    return made


async def by_digest(unit: Unit, digest: bytes) -> tuple[ApiKey, Account] | None:
    """Find the key of a secret of that digest and its owner, if the owner's account is active."""
    found = (await unit.session.execute(_BY_DIGEST, {"digest": digest})).one_or_none()
    return None if found is None else (found[0], found[1])


def at_work(means: Means, key: ApiKey, account: Account) -> Program | None:
    """Return who comes with a key, if it is not expired, and note that it was used.

    What it may do is what it was made for, as far as its owner's roles give that now.
    """
    if not keys.is_live(key, now=means.clock.now()):
        return None
    keys.touch(means, key)
    given = scopes.given_by(account.roles, means.settings.scopes)
    # Whoever looks at roles alone must not take a key for all that its owner is.
    return Program(account.copy(roles=False, own=False), key, given.intersection(key.scopes))


def _not_yours(may: Collection[str]) -> FieldError:
    words = f"You may give {', '.join(sorted(may))}." if may else "You may give none."
    return FieldError("scopes", "not_yours", words)


_BY_DIGEST = (
    select(ApiKey, Account)
    .join(Account, Account.id == ApiKey.account_id)
    .where(ApiKey.digest == bindparam("digest"), Account.state == "active")
)
