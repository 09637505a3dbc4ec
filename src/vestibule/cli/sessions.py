"""`vestibule sessions`."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

import click

from vestibule.api_keys import keys
from vestibule.cli.accounts import named
from vestibule.cli.running import with_vestibule
from vestibule.extension import Vestibule
from vestibule.kernel.unit import Unit
from vestibule.sessions import ending, store

_BATCH = 100  # accounts
_REST = 0.02  # seconds after a batch, so that others get their turn: SQLite has one writer


@click.group()
def sessions() -> None:
    """End sessions, for the day after a leak or a restored backup.

    Example: vestibule sessions end --all
    """


@sessions.command()
@click.option("--all", "everybody", is_flag=True, help="Sign everybody out.")
@click.option("--account", "identifier", help="Sign out one account: its address, username or id.")
@click.option("--api-keys", is_flag=True, help="Remove API keys, too.")
@click.option("--yes", is_flag=True, help="Do not ask whether that is meant.")
def end(identifier: str | None, *, everybody: bool, api_keys: bool, yes: bool) -> None:
    """End every session, of cookies and of tokens alike, of one account or of everybody.

    API keys are no sessions and stay, unless --api-keys says that they leaked as well.

    It goes in small steps beside servers that run, and may be stopped and run again. Who logs in
    after it began stays, with --all. Services that verify access tokens by themselves honour them
    to their end: retire the key that signed them, if that is too late.

    Example: vestibule sessions end --account ada@example.org
    """
    if everybody == (identifier is not None):
        raise click.UsageError("say --all, or whose by --account")
    if not yes:
        whose = "everybody" if identifier is None else identifier
        keys_too = " and remove the API keys" if api_keys else ""
        click.confirm(f"Sign out {whose}, everywhere{keys_too}?", abort=True, err=True)
    ended = with_vestibule(_all if identifier is None else _of(identifier))
    click.echo(f"{ended} ended")
    if api_keys:
        removed = with_vestibule(_all_keys if identifier is None else _keys_of(identifier))
        click.echo(f"{removed} API keys removed")


async def _all(vestibule: Vestibule) -> int:
    ended = 0
    after: UUID | None = None
    begun = vestibule.means.clock.now()
    while True:
        step = await vestibule.run(partial(ending.end_some, begun=begun, after=after, most=_BATCH))
        ended, after = ended + step.ended, step.last
        if after is None:
            return ended
        await asyncio.sleep(_REST)


def _of(identifier: str) -> Callable[[Vestibule], Awaitable[int]]:
    async def flow(unit: Unit) -> int:
        account = await named(unit, identifier)
        return await store.end_all(unit, account.id, reason="operator")

    return lambda vestibule: vestibule.run(flow)


async def _all_keys(vestibule: Vestibule) -> int:
    removed, begun = 0, vestibule.means.clock.now()
    while some := await vestibule.run(partial(keys.remove_some, begun=begun, most=_BATCH)):
        removed += some
        await asyncio.sleep(_REST)
    return removed


def _keys_of(identifier: str) -> Callable[[Vestibule], Awaitable[int]]:
    async def flow(unit: Unit) -> int:
        return await keys.remove_all(unit, (await named(unit, identifier)).id)

    return lambda vestibule: vestibule.run(flow)
