"""Giving roles to accounts, and taking them back."""

from collections.abc import Collection
from typing import cast
from uuid import UUID

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.errors import RoleUnknown
from vestibule.kernel.memory import Fact
from vestibule.kernel.scopes import is_role
from vestibule.kernel.unit import Unit
from vestibule.roles.models import USER, Grant, Role


async def grant(unit: Unit, account_id: UUID, role: str, *, by: UUID | None = None) -> bool:
    """Give a role to an account.

    Args:
        by: the account that gives it; None for an operator.

    Returns:
        False if there was nothing to do: the account has it.

    Raises:
        RoleUnknown: there is no such role.
    """
    await _check(unit, role)
    upsert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    granted = await unit.session.scalar(
        upsert(Grant)
        .values(account_id=account_id, role=role, granted_at=unit.now, granted_by=by)
        .on_conflict_do_nothing()
        .returning(Grant.role)
    )
    if granted is None:
        return False
    unit.forget(Fact.ACCOUNT, account_id)
    await log.record(unit, Event.ROLE_GRANTED, account_id=account_id, actor_id=by, about=role)
    return True


async def revoke(unit: Unit, account_id: UUID, role: str, *, by: UUID | None = None) -> bool:
    """Take a role from an account; what it opened is shut from the next request on.

    Returns:
        False if there was nothing to do: the account has it not.

    Raises:
        RoleUnknown: there is no such role.
    """
    await _check(unit, role)
    revoked = await unit.session.scalar(
        delete(Grant)
        .where(Grant.account_id == account_id, Grant.role == role)
        .returning(Grant.role)
        .execution_options(synchronize_session=False)
    )
    if revoked is None:
        return False
    unit.forget(Fact.ACCOUNT, account_id)
    await log.record(unit, Event.ROLE_REVOKED, account_id=account_id, actor_id=by, about=role)
    return True


def grant_first(unit: Unit, account_id: UUID) -> str:
    """Give an account that was just opened what everybody has; return the role."""
    values = {"account_id": account_id, "role": USER, "granted_at": unit.now}
    unit.insert(_GRANTS, values)
    return USER


async def names(unit: Unit) -> Collection[str]:
    """Return the name of every role; rows whose name is none are nobody's."""
    found = await unit.session.scalars(select(Role.name).order_by(Role.name))
    return [each for each in found.all() if is_role(each)]


async def _check(unit: Unit, role: str) -> None:
    known = await names(unit)
    if role not in known:
        raise RoleUnknown(known)


_GRANTS = cast(Table, Grant.__table__)
