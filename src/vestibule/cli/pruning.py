"""`vestibule prune`."""

import click

from vestibule import pruning
from vestibule.cli.running import with_vestibule


@click.command()
def prune() -> None:
    """Remove what is out of date, in small steps; a server does so by itself, every ten minutes.

    Sessions that are over, letters that are out of date and API keys that are expired go after
    VESTIBULE_KEEP_FINISHED, entries of the audit log after VESTIBULE_AUDIT_RETENTION; proofs,
    counters and signing keys without a live token at once. It may be stopped and run again at any
    time.

    Example: vestibule prune
    """
    removed = with_vestibule(lambda vestibule: pruning.prune(vestibule.means))
    for table, count in removed.items():
        click.echo(f"{table:<13} {count} removed")
