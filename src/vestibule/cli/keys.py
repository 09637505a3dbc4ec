"""`vestibule keys`."""

from datetime import datetime

import click

from vestibule import resealing
from vestibule.cli.running import with_vestibule
from vestibule.extension import Vestibule
from vestibule.tokens import keys as signing
from vestibule.tokens.models import SigningKey


@click.group()
def keys() -> None:
    """Look after the keys that sign tokens, and after VESTIBULE_SECRETS.

    Example: vestibule keys list
    """


@keys.command("list")
def list_keys() -> None:
    """List the keys that sign access tokens, oldest first, and what each is there for.

    Of a key that signs no more it tells when its last token is dead.

    Example: vestibule keys list
    """
    found = with_vestibule(lambda vestibule: vestibule.run(signing.listing, reading=True))
    for key in found:
        click.echo(f"{key.kid}  {key.algorithm:<6}  {key.state:<9}  {_times(key)}")
    if not found:
        click.echo("no keys: the first server makes them", err=True)


@keys.command()
def rotate() -> None:
    """Sign with the next key from now on; tokens of the former are good to their end.

    Servers need no restart. Services that verify by themselves know the key already.

    Example: vestibule keys rotate
    """
    kid = with_vestibule(lambda vestibule: vestibule.run(signing.rotate))
    click.echo(f"{kid} signs from now on")


@keys.command(context_settings={"ignore_unknown_options": True})  # ids may begin with a dash
@click.argument("kid")
def retire(kid: str) -> None:
    """Refuse from now on whatever a key signed, because somebody else may have it.

    The key that signs is replaced by the next one first. Sessions live on: their clients refresh.
    Services that verify by themselves learn of it when they next fetch our keys.

    Example: vestibule keys retire 5dAHb4Zx…
    """
    with_vestibule(lambda vestibule: vestibule.run(lambda unit: signing.retire(unit, kid)))
    click.echo(f"{kid} is retired")


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
            click.echo(f"{table:<12} {done.resealed} sealed anew{lost}")
        until = await resealing.codes_needed_until(vestibule.means)
        if until is not None:
            click.echo(
                f"Keep the older secrets until {until:%Y-%m-%d %H:%M} UTC: codes that people may "
                "still type need them. Links do not."
            )

    with_vestibule(flow)


def _times(key: SigningKey) -> str:
    if key.verifies_until is not None:
        return f"until {_minute(key.verifies_until)}"
    return f"since {_minute(key.not_before or key.created_at)}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
