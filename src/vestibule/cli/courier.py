"""`vestibule courier`."""

import asyncio
import sys
from collections.abc import Sequence
from uuid import UUID

import click

from vestibule.cli.running import Refused, with_vestibule
from vestibule.courier import outbox
from vestibule.courier.models import Letter
from vestibule.extension import Vestibule
from vestibule.stopping import STOPS, on_stop

_WITHIN = 9.0  # seconds for letters under way, once a stop is asked for


@click.group()
def courier() -> None:
    """Send letters, and see which could not be sent.

    Example: vestibule courier status
    """


@courier.command()
def run() -> None:
    """Send letters until told to stop; beside servers with VESTIBULE_COURIER=false.

    Example: vestibule courier run
    """

    async def flow(vestibule: Vestibule) -> None:
        stop = asyncio.Event()
        on_stop(lambda _: stop.set(), within=dict.fromkeys(STOPS, _WITHIN))
        working = asyncio.create_task(vestibule.courier.run())
        click.echo("Sending letters.   (Ctrl-C stops it)")
        sys.stdout.flush()
        await stop.wait()
        await vestibule.courier.stop()
        await working

    with_vestibule(flow, stays=True)


@courier.command()
def status() -> None:
    """Count the letters by state; list those that wait after a failed try, and the latest given up.

    Example: vestibule courier status
    """

    async def flow(
        vestibule: Vestibule,
    ) -> tuple[list[tuple[str, int]], Sequence[Letter], Sequence[Letter]]:
        async with vestibule.unit(reading=True) as unit:
            waiting, failed = await outbox.held_up(unit), await outbox.latest_failed(unit)
            return await outbox.count(unit), waiting, failed

    counts, waiting, failed = with_vestibule(flow)
    for state, count in counts:
        click.echo(f"{state:<8} {count}")
    for letter in waiting:
        click.echo(
            f"{letter.id}  {letter.kind}  tried {letter.attempts} times, "
            f"next at {letter.next_try_at:%Y-%m-%d %H:%M:%S} UTC: "
            f"{letter.last_error or 'under way, or its courier was killed'}"
        )
    for letter in failed:
        click.echo(
            f"{letter.id}  {letter.kind}  tried {letter.attempts} times: "
            f"{letter.last_error or 'out of date before it could be sent'}"
        )
    if not counts:
        click.echo("no letters")


@courier.command()
@click.argument("letter_id", type=click.UUID, required=False)
def retry(letter_id: UUID | None) -> None:
    """Queue failed letters again: all, or the one with the given id.

    Example: vestibule courier retry
    """

    async def flow(vestibule: Vestibule) -> int:
        return await vestibule.run(lambda unit: outbox.retry(unit, letter_id))

    queued = with_vestibule(flow)
    if letter_id is not None and not queued:
        raise Refused("no letter of this id has failed and is still worth sending")
    click.echo(f"{queued} queued again")
