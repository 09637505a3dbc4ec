"""`vestibule keys`."""

import click

from vestibule import resealing
from vestibule.cli.running import with_vestibule
from vestibule.extension import Vestibule


@click.group()
def keys() -> None:
    """Look after VESTIBULE_SECRETS.

    Example: vestibule keys reseal
    """


@keys.command()
def reseal() -> None:
    """Seal everything in the database under the first of VESTIBULE_SECRETS.

    Run it once every server has that secret in the first place; then the others may go. It goes in
    small steps beside servers that run, and may be stopped and run again. What only an older secret
    can judge, and what no secret opens any more, is told. docs/operating.md tells a rotation whole.

    Example: vestibule keys reseal
    """

    async def flow(vestibule: Vestibule) -> None:
        for table, done in (await resealing.reseal_all(vestibule.means)).items():
            lost = f", {done.lost} that no secret opens" if done.lost else ""
            click.echo(f"{table:<10} {done.resealed} sealed anew{lost}")
        until = await resealing.codes_needed_until(vestibule.means)
        if until is not None:
            click.echo(
                f"Keep the older secrets until {until:%Y-%m-%d %H:%M} UTC: codes that people may "
                "still type need them. Links do not."
            )

    with_vestibule(flow)
