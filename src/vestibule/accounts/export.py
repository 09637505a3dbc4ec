"""Everything that is stored about a person, for them to take along; no secret, no hash."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any  # Any: JSON
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from vestibule.accounts.models import Account, Challenge, Identity
from vestibule.accounts.queries import SignedIn
from vestibule.api_keys.models import ApiKey
from vestibule.audit.log import Detail, Entry
from vestibule.courier.models import Letter
from vestibule.kernel.unit import Unit
from vestibule.roles.models import Grant
from vestibule.sessions.models import Session

Column = InstrumentedAttribute[Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Section:
    """What of a table is told, of the rows that are the account's. Named one by one: a column that
    is new stays out until somebody has thought about it.
    """

    owner: Column
    columns: Sequence[Column]


SECTIONS = {
    "roles": Section(Grant.account_id, (Grant.role, Grant.granted_at)),
    "sessions": Section(
        Session.account_id,
        (
            Session.id,
            Session.kind,
            Session.amr,
            Session.auth_time,
            Session.remember,
            Session.ip,
            Session.user_agent,
            Session.created_at,
            Session.seen_at,
            Session.expires_at,
            Session.ended_at,
            Session.end_reason,
        ),
    ),
    "api_keys": Section(
        ApiKey.account_id,
        (
            ApiKey.id,
            ApiKey.name,
            ApiKey.scopes,
            ApiKey.created_at,
            ApiKey.expires_at,
            ApiKey.last_used_at,
        ),
    ),
    "identities": Section(
        Identity.account_id,
        (Identity.issuer, Identity.subject, Identity.email, Identity.linked_at),
    ),
    "proofs": Section(
        Challenge.account_id,
        (
            Challenge.id,
            Challenge.purpose,
            Challenge.address,
            Challenge.created_at,
            Challenge.expires_at,
            Challenge.used_at,
        ),
    ),
}
_ACCOUNT = (
    Account.id,
    Account.external_id,
    Account.email,
    Account.email_verified_at,
    Account.username,
    Account.given_name,
    Account.family_name,
    Account.picture,
    Account.profile,
    Account.state,
    Account.closes_at,
    Account.password_changed_at,
    Account.last_login_at,
    Account.created_at,
    Account.updated_at,
)
_LETTERS = (
    Letter.id,
    Letter.kind,
    Letter.recipient,
    Letter.state,
    Letter.created_at,
    Letter.sent_at,
    Letter.expires_at,
)
_AUDIT = (
    Entry.id,
    Entry.at,
    Entry.event,
    Entry.session_id,
    Entry.about,
    Detail.address,
    Detail.user_agent,
    Detail.identifier,
)


async def everything_about(unit: Unit, *, caller: SignedIn) -> dict[str, Any]:
    """Return what is stored about the caller, as JSON: an object, and a list for each table."""
    account_id = caller.account.id
    [account] = await _rows(unit, _ACCOUNT, Account.id == account_id)
    told: dict[str, Any] = {"exported_at": _json(unit.now), "account": account}
    for name, section in SECTIONS.items():
        told[name] = await _rows(unit, section.columns, section.owner == account_id)
    told["letters"] = await _letters(unit, caller.account)
    told["audit"] = await _audit(unit, caller.account)
    return told


async def _rows(unit: Unit, columns: Sequence[Column], owned: ColumnElement[bool]) -> Rows:
    found = await unit.session.execute(select(*columns).where(owned).order_by(columns[0]))
    return [_told(columns, row) for row in found]


async def _letters(unit: Unit, account: Account) -> Rows:
    """Letters to the proved address. One to an address that is only wished for is posted where
    nobody has it: whoever saw theirs would learn whether somebody has.
    """
    since = _since(unit, account)
    if since is None:
        return []
    nobodys = and_(Letter.account_id.is_(None), Letter.created_at >= since)
    theirs = or_(Letter.account_id == account.id, nobodys)
    return await _rows(unit, _LETTERS, and_(Letter.recipient_key == account.email_key, theirs))


async def _audit(unit: Unit, account: Account) -> Rows:
    """What happened to the account, and to its proved address while it was nobody's; from where,
    only if nobody else did it.
    """
    at_work = or_(Entry.actor_id.is_(None), Entry.actor_id == account.id)
    entries = (
        select(*_AUDIT)
        .join(Detail, and_(Detail.entry_id == Entry.id, at_work), isouter=True)
        .where(Entry.account_id == account.id)
    )
    found = list(await unit.session.execute(entries))
    since = _since(unit, account)
    if since is not None:
        nobodys = (
            select(*_AUDIT)
            .join(Detail, Detail.entry_id == Entry.id)
            .where(
                Detail.identifier == account.email_key,
                Entry.account_id.is_(None),
                Entry.at >= since,
            )
        )
        found += await unit.session.execute(nobodys)
    return [_told(_AUDIT, row) for row in sorted(found, key=lambda row: row[0])]


def _since(unit: Unit, account: Account) -> datetime | None:
    """Since when what names the address and no account is about this person, if it is at all: from
    the sign-up that proved it. What is older may be of somebody who had the address before.
    """
    proved = account.email_verified_at
    return None if proved is None else proved - unit.settings.sign_up_lifetime


def _told(columns: Sequence[Column], row: Sequence[Any]) -> dict[str, Any]:
    return {each.key: _json(value) for each, value in zip(columns, row, strict=True)}


def _json(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value) if isinstance(value, UUID) else value
