"""`vestibule`: the command line. Every error is a line, and an exit code other than 0."""

import click

from vestibule.cli.accounts import accounts
from vestibule.cli.courier import courier
from vestibule.cli.doctor import doctor
from vestibule.cli.grants import grant, revoke
from vestibule.cli.keys import keys
from vestibule.cli.moving import export, formats, import_accounts
from vestibule.cli.pruning import prune
from vestibule.cli.running import Commands
from vestibule.cli.schema import db
from vestibule.cli.serving import serve
from vestibule.cli.sessions import sessions
from vestibule.cli.shell import shell
from vestibule.cli.words import speak

__all__ = ("main",)


@click.group(cls=Commands)
@click.version_option(package_name="vestibule")
def main() -> None:
    """Accounts, verified addresses and sessions for web products.

    Settings come from VESTIBULE_* variables; docs/settings.md lists them.

    Example: vestibule serve
    """
    speak()


for _command in (grant, revoke, import_accounts, export, formats):
    accounts.add_command(_command)
for _command in (serve, db, accounts, sessions, keys, courier, prune, doctor, shell):
    main.add_command(_command)
