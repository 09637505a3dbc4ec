"""Is the process alive, and could it do its work? Without detail: anybody may ask."""

from quart import Blueprint
from quart.typing import ResponseReturnValue
from quart_schema import hide
from sqlalchemy import literal, select

from vestibule.extension import current_vestibule
from vestibule.kernel.errors import DatabaseUnavailable
from vestibule.kernel.unit import Unit
from vestibule.web.answers import problem


def blueprint() -> Blueprint:
    health = Blueprint("vestibule_health", __name__)

    @health.get("/healthz")
    @hide
    async def healthz() -> ResponseReturnValue:
        """Answer 200 while the process answers anything; restart it when this stays away."""
        return {"status": "ok"}

    @health.get("/readyz")
    @hide
    async def readyz() -> ResponseReturnValue:
        """Answer 200 while requests can be served, else 503: send them elsewhere."""
        try:
            await current_vestibule().run(_ask, reading=True)
        except DatabaseUnavailable as error:
            return problem(503, error.code, "The database does not answer.", error)
        return {"status": "ok"}

    return health


async def _ask(unit: Unit) -> None:
    await unit.session.execute(select(literal(1)))
