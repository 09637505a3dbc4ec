"""Looking through accounts, page by page."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from vestibule.accounts.models import Account
from vestibule.kernel.unit import Unit


async def page(
    unit: Unit, *, state: str | None = None, before: UUID | None = None, most: int
) -> Sequence[Account]:
    """List accounts, newest first, those opened before the account `before`."""
    statement = select(Account).order_by(Account.id.desc()).limit(most)
    if state is not None:
        statement = statement.where(Account.state == state)
    if before is not None:
        statement = statement.where(Account.id < before)
    return (await unit.session.scalars(statement)).all()
