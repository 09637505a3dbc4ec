"""What works once, decided by the database: states of sign-ins, ID tokens."""

from datetime import datetime
from hashlib import sha256

from sqlalchemy.dialects import postgresql, sqlite

from vestibule.federation.models import Spent
from vestibule.kernel.removal import remove
from vestibule.kernel.unit import Unit


async def spend(unit: Unit, kind: str, what: str, *, until: datetime) -> bool:
    """Spend `what` once and for all; False if somebody was faster.

    It stays spent whatever becomes of the unit, which pauses before.

    Args:
        until: when `what` is worth nothing in any case, so that this may be forgotten.
    """
    insert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    digest = sha256(f"{kind}\n{what}".encode()).digest()
    async with unit.aside() as connection:
        written = await connection.execute(
            insert(Spent)
            .values(digest=digest, expires_at=until)
            .on_conflict_do_nothing()
            .returning(Spent.digest)
        )
        return written.first() is not None


async def prune(unit: Unit, *, most: int) -> int:
    """Remove what is worth nothing any more, spent or not."""
    return await remove(unit, Spent, Spent.expires_at, until=unit.now, most=most)
