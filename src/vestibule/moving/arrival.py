"""Opening the accounts of people who move in, some hundred at a time.

A batch is one transaction, and who is here already is known by the id that they had: so an import
may be killed at any point and started again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from vestibule.accounts.models import Account
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.ids import uuid7
from vestibule.kernel.unit import Unit
from vestibule.moving.people import Newcomer, Problem
from vestibule.roles import grants
from vestibule.roles.models import USER, Grant


@dataclass(frozen=True)
class Arrived:
    """What became of a batch: how many came, how many were here, and who could not come."""

    came: int
    were_here: int
    problems: Sequence[Problem]


async def move_in(unit: Unit, newcomers: Sequence[Newcomer]) -> Arrived:
    """Open an account for each who has none yet; the database decides who that is."""
    known = frozenset(await grants.names(unit))
    wanted = {uuid7(): each for each in newcomers}
    upsert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    rows = [_row(unit, account_id, each) for account_id, each in wanted.items()]
    opening = upsert(_ACCOUNTS).on_conflict_do_nothing().returning(_ACCOUNTS.c.id)
    opened = set((await unit.session.scalars(opening, rows)).all()) if rows else set()
    granted = [
        {"account_id": account_id, "role": role, "granted_at": unit.now}
        for account_id in opened
        for role in _roles(wanted[account_id], known)
    ]
    if granted:
        await unit.session.execute(insert(_GRANTS), granted)
        await log.record_all(unit, Event.ACCOUNT_MOVED_IN, opened)
    others = [each for account_id, each in wanted.items() if account_id not in opened]
    were_here, problems = await look(unit, others)
    return Arrived(len(opened), were_here, problems)


async def look(unit: Unit, newcomers: Sequence[Newcomer]) -> tuple[int, list[Problem]]:
    """Tell how many of these are here already, and who finds a name or an id taken."""
    standing = await _standing(unit, newcomers)
    by_id = {each.external_id: each for each in standing if each.external_id is not None}
    by_key = {each.email_key: each for each in standing if each.email_key is not None}
    by_name = {each.username_key: each for each in standing if each.username_key is not None}
    were_here, problems = 0, []
    for each in newcomers:
        same = by_id.get(each.external_id)
        key = each.address.key if each.address else None
        if same is not None and _is_same(same, key, each.username_key):
            were_here += 1
        elif same is not None:
            problems.append(_taken(each, "id", "is another account's already"))
        elif key is not None and key in by_key:
            problems.append(_taken(each, "email", "is another account's, as we compare addresses"))
        elif each.username_key is not None and each.username_key in by_name:
            problems.append(_taken(each, "username", "is another account's, as we compare names"))
    return were_here, problems


async def unknown_roles(unit: Unit, roles: Collection[str]) -> list[str]:
    """Return those of these roles that there are not."""
    return sorted(set(roles) - set(await grants.names(unit)))


async def _standing(unit: Unit, newcomers: Sequence[Newcomer]) -> Sequence[Account]:
    found: dict[UUID, Account] = {}
    for column, wanted in (
        (Account.external_id, {each.external_id for each in newcomers}),
        (Account.email_key, {each.address.key for each in newcomers if each.address}),
        (Account.username_key, {each.username_key for each in newcomers if each.username_key}),
    ):
        if wanted:
            rows = await unit.session.scalars(select(Account).where(column.in_(wanted)))
            found |= {each.id: each for each in rows}
    return list(found.values())


def _is_same(account: Account, email_key: str | None, username_key: str | None) -> bool:
    by_email = email_key is not None and account.email_key == email_key
    return by_email or (username_key is not None and account.username_key == username_key)


def _row(unit: Unit, account_id: UUID, each: Newcomer) -> dict[str, object]:
    return {
        "id": account_id,
        "external_id": each.external_id,
        "email": each.address and each.address.typed,
        "email_key": each.address and each.address.key,
        "email_verified_at": unit.now if each.proved and each.address else None,
        "username": each.username,
        "username_key": each.username_key,
        "password_hash": each.password_hash,
        "password_changed_at": None,
        **each.names,
        "profile": {},
        "state": "active" if each.active else "disabled",
        "last_login_at": each.last_login_at,
        "created_at": each.created_at or unit.now,
        "updated_at": unit.now,
    }


def _roles(each: Newcomer, known: Collection[str]) -> set[str]:
    return {USER, *(role for role in each.roles if role in known)}


def _taken(each: Newcomer, of: str, reason: str) -> Problem:
    return Problem(each.place, each.external_id, of, reason)


_ACCOUNTS, _GRANTS = cast(Table, Account.__table__), cast(Table, Grant.__table__)
