"""Sealing anew, under the first secret, what older ones sealed: a few rows at a time.

Servers may run meanwhile: a row that changed since it was read is left as it has become.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import LargeBinary, func, select, update
from sqlalchemy.orm import InstrumentedAttribute

from vestibule.kernel.database import Base
from vestibule.kernel.seal import Unsealable
from vestibule.kernel.unit import Unit

Key = UUID | str  # of a row


@dataclass(frozen=True)
class Sealed:
    """A column whose content is sealed for a purpose, each row under its own key."""

    table: type[Base]
    column: InstrumentedAttribute[bytes | None]
    purpose: str


@dataclass(frozen=True)
class Batch:
    """What became of some rows; `last` is where the next ones begin, None at the end."""

    resealed: int
    lost: int
    last: Key | None


async def reseal(unit: Unit, sealed: Sealed, *, after: Key | None, most: int) -> Batch:
    """Seal at most `most` rows anew that come after the key `after`, in the order of keys.

    Rows that no secret of ours opens are counted as lost and left as they are.
    """
    (key,) = sealed.table.__table__.primary_key
    newest = unit.seals.newest
    older = func.substr(sealed.column, 1, len(newest), type_=LargeBinary) != newest
    rows = (
        await unit.session.execute(
            select(key, sealed.column)
            .where(older, *(() if after is None else (key > after,)))
            .order_by(key)
            .limit(most)
        )
    ).all()
    resealed = lost = 0
    for row_key, held in rows:
        try:
            content = unit.seals.open(sealed.purpose, held, row=_row(row_key))
        except Unsealable:
            lost += 1
            continue
        anew = unit.seals.seal(sealed.purpose, content, row=_row(row_key))
        changed = await unit.session.execute(
            update(sealed.table)
            .where(key == row_key, sealed.column == held)
            .values({sealed.column: anew})
            .returning(key)
            .execution_options(synchronize_session=False)
        )
        resealed += len(changed.all())
    return Batch(resealed, lost, rows[-1][0] if len(rows) == most else None)


def _row(key: Key) -> bytes:
    return key.bytes if isinstance(key, UUID) else key.encode()
