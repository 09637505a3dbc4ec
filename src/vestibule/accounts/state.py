"""Shutting an account, and opening it again."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import update

from vestibule.accounts import ending, proofs
from vestibule.accounts.models import Account
from vestibule.accounts.proofs import Proof
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions import store


async def disable(unit: Unit, account_id: UUID, *, by: UUID | None = None) -> bool:
    """Shut an account: nobody logs in to it, and every session of it ends.

    One that is closing stays shut, too: it is not erased, and its owner keeps it no more.

    Returns:
        False if there was nothing to do.
    """
    # The account first: a log-in that holds it is waited for, and one that waits for it finds it
    # shut. Then the sessions, that of such a log-in among them.
    if not await _turn(unit, account_id, ("active", "closing"), "disabled"):
        return False
    await log.record(unit, Event.ACCOUNT_DISABLED, account_id=account_id, actor_id=by)
    await ending.void_open(unit, account_id)
    await proofs.void(unit, account_id, Proof.KEEP)
    await store.end_all(unit, account_id, reason="disabled", by=by)
    return True


async def enable(unit: Unit, account_id: UUID, *, by: UUID | None = None) -> bool:
    """Open an account again that was disabled or is closing; its sessions stay ended.

    Returns:
        False if there was nothing to do.
    """
    if not await _turn(unit, account_id, ("disabled", "closing"), "active"):
        return False
    await log.record(unit, Event.ACCOUNT_ENABLED, account_id=account_id, actor_id=by)
    return True


async def _turn(unit: Unit, account_id: UUID, before: Collection[str], after: str) -> bool:
    turned = await unit.session.scalar(
        update(Account)
        .where(Account.id == account_id, Account.state.in_(before))
        .values(state=after, closes_at=None, updated_at=unit.now)
        .returning(Account.id)
        .execution_options(synchronize_session=False)
    )
    unit.forget(Fact.ACCOUNT, account_id)
    return turned is not None
