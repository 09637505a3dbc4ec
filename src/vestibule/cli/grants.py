"""`vestibule accounts grant` and `revoke`."""

from collections.abc import Awaitable
from typing import Protocol
from uuid import UUID

import click

from vestibule.cli.accounts import named
from vestibule.cli.running import Refused, with_vestibule
from vestibule.kernel.errors import RoleUnknown
from vestibule.kernel.unit import Unit
from vestibule.roles import grants


class Change(Protocol):
    def __call__(self, unit: Unit, account_id: UUID, role: str) -> Awaitable[bool]: ...


@click.command()
@click.argument("identifier")
@click.argument("role")
def grant(identifier: str, role: str) -> None:
    """Give a role to an account: user, editor, admin, or one of your own.

    It counts from the next request on; access tokens tell of it once they are renewed.

    Example: vestibule accounts grant ada@example.org admin
    """
    changed = _change(grants.grant, identifier, role)
    click.echo(f"{identifier} is {role}" + ("" if changed else " already"))


@click.command()
@click.argument("identifier")
@click.argument("role")
def revoke(identifier: str, role: str) -> None:
    """Take a role from an account; what it opened is shut from the next request on.

    Services that verify access tokens by themselves learn of it when a token is renewed.

    Example: vestibule accounts revoke ada@example.org admin
    """
    changed = _change(grants.revoke, identifier, role)
    click.echo(f"{identifier} is {role} no more" if changed else f"{identifier} was not {role}")


def _change(change: Change, identifier: str, role: str) -> bool:
    async def flow(unit: Unit) -> bool:
        account = await named(unit, identifier)
        try:
            return await change(unit, account.id, role)
        except RoleUnknown as error:
            raise Refused(f"there is no role {role}, but {', '.join(error.known)}") from None

    return with_vestibule(lambda vestibule: vestibule.run(flow))
