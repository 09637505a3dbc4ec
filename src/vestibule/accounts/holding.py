"""Holding an account while a unit changes what hangs on it.

Always in this order: the account, its challenges, its sessions. Whoever changes its password or
shuts it holds it too: such a change comes before another one or after it, never in between.
"""

from uuid import UUID

from sqlalchemy import select

from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.kernel.unit import Unit
from vestibule.sessions.models import Session


async def hold(unit: Unit, account_id: UUID | None) -> Account | None:
    """Hold an account, in whichever state it is: until the unit ends nobody else changes it."""
    return await unit.session.scalar(
        select(Account)
        .where(Account.id == account_id)
        .with_for_update(key_share=True, of=Account)
        .execution_options(populate_existing=True)
    )


async def holds(unit: Unit, caller: SignedIn) -> bool:
    """Hold account and session until the unit ends, if the account is active and the session live.

    What the caller wants to make then is made before its account is shut or its session ended, and
    whoever does that finds it, or it is not made at all.
    """
    active = select(Account.id).where(Account.id == caller.account.id, Account.state == "active")
    live = select(Session.id).where(
        Session.id == caller.session.id,
        Session.ended_at.is_(None),
        Session.expires_at > unit.now,
    )
    for held in (active, live):
        if await unit.session.scalar(held.with_for_update(key_share=True)) is None:
            return False
    return True
