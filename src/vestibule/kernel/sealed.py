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


@dataclass(frozen=True)
class Sealed:
    """A column whose content is sealed for a purpose, each row under its own id."""

    table: type[Base]
    column: InstrumentedAttribute[bytes | None]
    purpose: str


@dataclass(frozen=True)
class Batch:
    """What became of some rows; `last` is where the next ones begin, None at the end."""

    resealed: int
    lost: int
    last: UUID | None


async def reseal(unit: Unit, sealed: Sealed, *, after: UUID | None, most: int) -> Batch:
    """Seal at most `most` rows anew that come after the id `after`, in the order of ids.

    Rows that no secret of ours opens are counted as lost and left as they are.
    """
    table_id = sealed.table.__table__.c.id
    newest = unit.seals.newest
    older = func.substr(sealed.column, 1, len(newest), type_=LargeBinary) != newest
    rows = (
        await unit.session.execute(
            select(table_id, sealed.column)
            .where(older, *(() if after is None else (table_id > after,)))
            .order_by(table_id)
            .limit(most)
        )
    ).all()
    resealed = lost = 0
    for row_id, held in rows:
        try:
            content = unit.seals.open(sealed.purpose, held, row=row_id.bytes)
        except Unsealable:
            lost += 1
            continue
        anew = unit.seals.seal(sealed.purpose, content, row=row_id.bytes)
        changed = await unit.session.execute(
            update(sealed.table)
            .where(table_id == row_id, sealed.column == held)
            .values({sealed.column: anew})
            .returning(table_id)
            .execution_options(synchronize_session=False)
        )
        resealed += len(changed.all())
    return Batch(resealed, lost, rows[-1][0] if len(rows) == most else None)
