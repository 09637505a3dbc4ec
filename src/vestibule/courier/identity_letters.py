"""Letters about signing in with accounts elsewhere. As `letters`."""

from datetime import datetime
from uuid import UUID

from vestibule.courier.letters import NEWS, Draft, minute, origin
from vestibule.kernel.means import Caller


def identity_linked(
    *, to: str, account_id: UUID, provider: str, now: datetime, caller: Caller
) -> Draft:
    """Tells an owner that an account elsewhere opens theirs from now on."""
    return Draft(
        kind="identity_linked",
        recipient=to,
        account_id=account_id,
        expires_at=now + NEWS,
        words=origin(now, caller) | {"provider": provider, "linked_at": minute(now)},
    )
