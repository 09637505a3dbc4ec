"""What administrators may: on whom they may act, and which roles they may give.

One's own roles bound it: `admin` has every power, a role of `VESTIBULE_SUPPORT_ROLES` has its own.
Nobody reaches an account with a role beyond one's powers, and nobody changes what they themselves
may. So whoever has done something as an administrator is one afterwards, and the last one does not
close their account: there is always one left.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from vestibule.accounts.models import Account
from vestibule.kernel.errors import (
    AccountUnknown,
    BeyondPowers,
    NotOneself,
    NotSignedIn,
    RoleRequired,
)
from vestibule.kernel.settings import Settings
from vestibule.kernel.unit import Unit
from vestibule.roles.models import USER, Grant, Role

ADMIN = "admin"


def check(settings: Settings, roles: Collection[str], *, all_of_it: bool = False) -> None:
    """Refuse who is no administrator.

    Args:
        all_of_it: support is not enough.

    Raises:
        RoleRequired
    """
    if ADMIN not in roles and (all_of_it or set(settings.support_roles).isdisjoint(roles)):
        raise RoleRequired


def cover(holder: Account, roles: Collection[str]) -> bool:
    """Tell whether `roles` are within the powers of an administrator."""
    return ADMIN in holder.roles or {*holder.roles, USER}.issuperset(roles)


async def administrator(unit: Unit, by: UUID, *, all_of_it: bool = False) -> Account:
    """Hold an administrator until the unit ends, as they are now.

    Args:
        all_of_it: as for `check`.

    Raises:
        NotSignedIn, RoleRequired: they were shut, or demoted, meanwhile.
    """
    holder = _still(unit, next(iter(await _held(unit, {by})), None))
    check(unit.settings, holder.roles, all_of_it=all_of_it)
    return holder


async def over(unit: Unit, by: UUID, account_id: UUID, *, oneself: bool = False) -> Account:
    """Hold an administrator and the account that they act on, and return that, as both are now.

    Whoever shuts either of them, or changes their roles, comes before this or after it.

    Args:
        oneself: an administrator may do this to their own account.

    Raises:
        NotSignedIn, RoleRequired: they were shut, or demoted, meanwhile.
        AccountUnknown: there is no such account.
        NotOneself: it is their own.
        BeyondPowers: it has roles that are not within their powers.
    """
    held = {account.id: account for account in await _held(unit, {by, account_id})}
    holder = _still(unit, held.get(by))
    account = held.get(account_id)
    if account is None:
        raise AccountUnknown
    if account is holder and not oneself:
        raise NotOneself
    if not cover(holder, account.roles):
        raise BeyondPowers
    return account


async def may_leave(unit: Unit, account: Account) -> None:
    """Refuse to let the last active administrator go, whose account the caller's unit holds.

    Of several who go at once, the next looks when the first is done.

    Raises:
        NotOneself
    """
    await unit.session.refresh(account, ["granted"])
    if ADMIN not in account.roles:
        return
    administrators = select(Role.name).where(Role.name == ADMIN)
    await unit.session.execute(administrators.with_for_update(key_share=True))
    others = (
        select(Grant.account_id)
        .join(Account, Account.id == Grant.account_id)
        .where(Grant.role == ADMIN, Account.state == "active", Account.id != account.id)
    )
    if await unit.session.scalar(others.limit(1)) is None:
        raise NotOneself


def _still(unit: Unit, holder: Account | None) -> Account:
    if holder is None or holder.state != "active":
        raise NotSignedIn
    check(unit.settings, holder.roles)
    return holder


async def _held(unit: Unit, ids: Collection[UUID]) -> list[Account]:
    rows = await unit.session.scalars(
        select(Account)
        .where(Account.id.in_(ids))
        .order_by(Account.id)  # as whoever holds the same two
        .with_for_update(key_share=True, of=Account)
        .execution_options(populate_existing=True)
    )
    held = list(rows.all())
    for account in held:  # roles are other rows: read again, now that nobody changes them
        await unit.session.refresh(account, ["granted"])
    return held
