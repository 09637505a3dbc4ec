"""`vestibule db`."""

from collections.abc import Awaitable, Callable

import click

from vestibule.cli.running import with_vestibule
from vestibule.extension import Vestibule
from vestibule.kernel import migrations


@click.group()
def db() -> None:
    """Look at the database's schema and change it.

    Example: vestibule db upgrade
    """


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema to what this version needs; safe to run twice, and at once.

    Example: vestibule db upgrade
    """
    reached = _migrate(lambda v: migrations.upgrade(v.means.database, revision))
    click.echo(f"The database has schema {reached}.")


# "-1" is a revision here, not an option.
@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Go back to an older schema: a revision, -1 for the one before, `base` for none at all.

    What only the newer schema can hold is lost; `base` loses everything.

    Example: vestibule db downgrade -1
    """
    reached = _migrate(lambda v: migrations.downgrade(v.means.database, revision))
    click.echo(f"The database has schema {reached}.")


@db.command()
def current() -> None:
    """Say which schema the database has.

    Example: vestibule db current
    """
    click.echo(_migrate(None))


@db.command()
def check() -> None:
    """Fail unless the database has the schema that this version needs.

    Example: vestibule db check
    """
    with_vestibule(lambda v: migrations.ready(v.means.database, upgrade=False), any_schema=True)
    click.echo("The schema is up to date.")


def _migrate(run: Callable[[Vestibule], Awaitable[None]] | None) -> str:
    """Return the revision that the database has afterwards."""

    async def flow(vestibule: Vestibule) -> str | None:
        await migrations.reached(vestibule.means.database)
        if run is not None:
            await run(vestibule)
        return await migrations.current(vestibule.means.database)

    return with_vestibule(flow, any_schema=True) or "none"
