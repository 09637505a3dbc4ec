"""Keeping, listing, touching and removing API keys."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from sqlalchemy import delete, func, insert, literal, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from vestibule.api_keys import secret
from vestibule.api_keys.models import ApiKey
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.database import UtcDateTime
from vestibule.kernel.errors import ApiKeyUnknown, TooManyApiKeys
from vestibule.kernel.ids import uuid7
from vestibule.kernel.means import Means
from vestibule.kernel.memory import Fact
from vestibule.kernel.removal import remove as remove_old
from vestibule.kernel.unit import Unit

MOST_TOUCHED = 1000  # rows in one statement: a driver takes so many values and no more
_MOST = 50  # of one account, that are not expired
_COARSE = timedelta(seconds=50)  # less than there is between two writings


@dataclass(frozen=True)
class Uses:
    """Which keys were used in this process since that was last written down."""

    keys: set[UUID] = field(default_factory=set)


@dataclass(frozen=True)
class Made:
    """A key and, this once, its secret."""

    key: ApiKey
    secret: str


async def add(
    unit: Unit,
    account_id: UUID,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> Made:
    """Make a key for an account that the caller's unit holds.

    Raises:
        TooManyApiKeys: it has as many as it may.
    """
    written, digest = secret.issue()
    theirs = select(func.count()).where(ApiKey.account_id == account_id, _is_live(unit))
    values = {
        "id": uuid7(),
        "account_id": account_id,
        "name": name,
        "digest": digest,
        "scopes": sorted(set(scopes)),
        "created_at": unit.now,
        "expires_at": expires_at,
    }
    columns = [ApiKey.__table__.c[each] for each in values]
    row = select(
        *(literal(value, c.type) for c, value in zip(columns, values.values(), strict=True))
    )
    added = await unit.session.scalar(
        insert(ApiKey)
        .from_select(columns, row.where(theirs.scalar_subquery() < _MOST), include_defaults=False)
        .returning(ApiKey.id)
    )
    if added is None:
        raise TooManyApiKeys
    key = ApiKey(**values, last_used_at=None)
    await log.record(unit, Event.API_KEY_CREATED, account_id=account_id, about=str(key.id))
    return Made(key, written)


async def remove(unit: Unit, account_id: UUID, key_id: UUID) -> None:
    """Remove one key of an account; it opens nothing from the next request on.

    Raises:
        ApiKeyUnknown: it is not theirs, or is gone already.
    """
    theirs = ApiKey.account_id == account_id
    if not await _remove_and_tell(unit, theirs, ApiKey.id == key_id):
        raise ApiKeyUnknown


async def remove_all(unit: Unit, account_id: UUID) -> int:
    """Remove every key of an account; return how many those were."""
    return await _remove_and_tell(unit, ApiKey.account_id == account_id)


async def remove_some(unit: Unit, *, begun: datetime, most: int) -> int:
    """Remove at most `most` of everybody's keys that were made by `begun`, whosever they are."""
    some = select(ApiKey.id).where(ApiKey.created_at <= begun).order_by(ApiKey.id).limit(most)
    return await _remove_and_tell(unit, ApiKey.id.in_(some))


async def page(unit: Unit, account_id: UUID, *, before: UUID | None, most: int) -> Sequence[ApiKey]:
    """List keys of an account, expired ones too, newest first, those made before `before`."""
    statement = select(ApiKey).where(ApiKey.account_id == account_id)
    if before is not None:
        statement = statement.where(ApiKey.id < before)
    return (await unit.session.scalars(statement.order_by(ApiKey.id.desc()).limit(most))).all()


def touch(means: Means, key: ApiKey) -> None:
    """Remember that a key was used; written in batches by `write_touches`."""
    means.part(Uses).keys.add(key.id)


async def write_touches(unit: Unit) -> bool:
    """Write down, in one statement, which keys were used since the last time.

    Coarsely, however many processes do so, and never backwards.

    Returns:
        True if there are more of them than one statement takes.
    """
    used = unit.means.part(Uses).keys
    touched = tuple(islice(used, MOST_TOUCHED))
    if not touched:
        return False
    ours = (
        select(ApiKey.id)
        .where(
            ApiKey.id.in_(touched),
            or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < unit.now - _COARSE),
        )
        .order_by(ApiKey.id)
        .with_for_update(skip_locked=True)  # somebody else writes it, or removes it
    )
    await unit.session.execute(
        update(ApiKey)
        .where(ApiKey.id.in_(ours))
        .values(last_used_at=literal(unit.now, UtcDateTime))
        .execution_options(synchronize_session=False)
    )
    unit.after_commit(lambda: used.difference_update(touched))
    return len(touched) == MOST_TOUCHED


async def prune(unit: Unit, *, most: int) -> int:
    """Remove keys that are expired for longer than one keeps what is over."""
    until = unit.now - unit.settings.keep_finished
    return await remove_old(unit, ApiKey, ApiKey.expires_at, until=until, most=most)


def is_live(key: ApiKey, *, now: datetime) -> bool:
    return key.expires_at is None or key.expires_at > now


def _is_live(unit: Unit) -> ColumnElement[bool]:
    return or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > unit.now)


async def _remove_and_tell(unit: Unit, *which: ColumnElement[bool]) -> int:
    removed = await unit.session.execute(
        delete(ApiKey)
        .where(*which)
        .returning(ApiKey.id, ApiKey.account_id)
        .execution_options(synchronize_session=False)
    )
    found = removed.all()
    for key_id, account_id in found:
        unit.forget(Fact.API_KEY, key_id)
        await log.record(unit, Event.API_KEY_REMOVED, account_id=account_id, about=str(key_id))
    return len(found)
