"""What administrators set for the site around us: one small document, of which we know nothing."""

from typing import Any  # Any: a site's own fields
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from vestibule.accounts import powers, profile
from vestibule.accounts.models import SiteSettings
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.errors import FieldError, InvalidFields
from vestibule.kernel.unit import Unit


async def replace(unit: Unit, by: UUID, document: dict[str, Any]) -> None:
    """Put `document` in the place of what was set before.

    Raises:
        InvalidFields: it takes more than 8 KiB, or holds a number that JSON has no way to write.
        NotSignedIn, RoleRequired: who sets it was shut, or is no `admin`, meanwhile.
    """
    if not profile.fits(document):
        raise InvalidFields([FieldError("", "too_large", "Send at most 8 KiB of JSON.")])
    await powers.administrator(unit, by, all_of_it=True)
    upsert = sqlite.insert if unit.means.database.is_sqlite else postgresql.insert
    values = {"document": document, "updated_at": unit.now, "updated_by": by}
    await unit.session.execute(
        upsert(SiteSettings)
        .values(id=1, **values)
        .on_conflict_do_update(index_elements=[SiteSettings.id], set_=values)
    )
    await log.record(unit, Event.SITE_SETTINGS_CHANGED, actor_id=by)


async def read(unit: Unit) -> dict[str, Any] | None:
    """Return what is set; None: nobody has set anything."""
    return await unit.session.scalar(select(SiteSettings.document))
