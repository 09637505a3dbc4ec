"""What ends when somebody's password or address changes hands: sessions, keys, open proofs."""

from uuid import UUID

from sqlalchemy import delete

from vestibule.accounts import holding, proofs
from vestibule.accounts.models import Identity
from vestibule.accounts.proofs import Proof
from vestibule.api_keys import keys
from vestibule.kernel.unit import Unit
from vestibule.sessions import store

_OPEN = (Proof.RESET, Proof.CHANGE)


async def end_everything(
    unit: Unit, account_id: UUID, *, reason: str, but: UUID | None = None, api_keys: bool = True
) -> None:
    """End what an account that the caller's unit holds had handed out until now.

    Args:
        but: a session that goes on.
        api_keys: remove them, too.
    """
    await void_open(unit, account_id)
    await store.end_all(unit, account_id, reason=reason, but=but)
    if api_keys:
        await keys.remove_all(unit, account_id)


async def remove_identities(unit: Unit, account_id: UUID) -> None:
    """Have nobody elsewhere open an account any more that the caller's unit holds."""
    await unit.session.execute(
        delete(Identity)
        .where(Identity.account_id == account_id)
        .execution_options(synchronize_session=False)
    )


async def log_out_everywhere(unit: Unit, account_id: UUID) -> None:
    """End every session of an account, and void what somebody began in one of them."""
    await holding.hold(unit, account_id)
    await void_open(unit, account_id)
    await store.end_all(unit, account_id, reason="logout_all")


async def void_open(unit: Unit, account_id: UUID) -> None:
    """Make every link and code worth nothing by which the account would change hands."""
    await proofs.void(unit, account_id, *_OPEN)
