"""`vestibule`: the command line. Every error is one line and an exit code other than 0."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

import click

from vestibule import server
from vestibule.accounts import names, policy, queries
from vestibule.accounts.challenges import Wanted
from vestibule.accounts.models import Account
from vestibule.accounts.signup import open_account
from vestibule.app import create_app
from vestibule.courier import outbox
from vestibule.courier.models import Letter
from vestibule.extension import Vestibule
from vestibule.kernel import migrations
from vestibule.kernel.errors import CannotStart, VestibuleError
from vestibule.kernel.settings import Settings, unknown_variables, variable

T = TypeVar("T")


class _Commands(click.Group):
    """Turns what we refuse into one line, for every command."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except CannotStart as error:
            raise click.ClickException("\n".join(error.problems)) from None
        except VestibuleError as error:
            words = " ".join((type(error).__doc__ or "").split("\n")[0].split())
            raise click.ClickException(f"{error.code}: {words}") from None


@click.group(cls=_Commands)
@click.version_option(package_name="vestibule")
def main() -> None:
    """Accounts, verified addresses and sessions for web products.

    Settings come from VESTIBULE_* variables; see docs/settings.md.
    """
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


@main.command()
@click.option("--host", help="Listen here instead of on HOST.")
@click.option("--port", type=int, help="Listen here instead of on PORT; 0 takes any free one.")
def serve(host: str | None, port: int | None) -> None:
    """Serve until told to stop.

    Example: PORT=8080 vestibule serve
    """
    given = {"host": host, "port": port}
    settings = Settings.load(**{name: value for name, value in given.items() if value is not None})
    for warning in unknown_variables(os.environ):
        click.echo(f"Warning: {warning}", err=True)
    listener = server.listen(settings.host, settings.port)
    if settings.port == 0:
        settings = Settings.load(
            **given | {"port": listener.getsockname()[1], "host": settings.host}
        )
    app = create_app(settings)
    asyncio.run(server.run(app, listener, ready=lambda: _say_where(settings)))


def _say_where(settings: Settings) -> None:
    click.echo(f"Vestibule ({settings.mode}) is at {settings.base_url}")
    if settings.shows_docs:
        click.echo(f"  the API        {settings.base_url}/docs")
    if settings.in_development:
        click.echo(f"  its letters    {settings.base_url}/dev/mailbox")
        click.echo(f"  its database   {settings.data_dir}/   (Ctrl-C stops)")
    sys.stdout.flush()


@main.group()
def db() -> None:
    """Look at the database's schema and change it."""


@db.command()
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Bring the schema to what this version needs; safe to run twice, and at once.

    Example: vestibule db upgrade
    """
    _with_vestibule(lambda v: migrations.upgrade(v.means.database, revision))
    click.echo("The schema is up to date.")


@db.command()
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Go back to an older schema; `base` empties the database.

    Example: vestibule db downgrade -1
    """
    _with_vestibule(lambda v: migrations.downgrade(v.means.database, revision))
    click.echo("Done.")


@db.command()
def current() -> None:
    """Say which schema the database has.

    Example: vestibule db current
    """
    click.echo(_with_vestibule(lambda v: migrations.current(v.means.database)) or "none")


@db.command()
def check() -> None:
    """Fail unless the database has the schema that this version needs.

    Example: vestibule db check
    """
    _with_vestibule(lambda v: migrations.ready(v.means.database, upgrade=False))
    click.echo("The schema is up to date.")


@main.group()
def accounts() -> None:
    """Open accounts and look at them."""


@accounts.command()
@click.option("--email", help="The address; it counts as proved, because you vouch for it.")
@click.option("--username", help="The username.")
@click.option("--given-name", help="The given name.")
@click.option("--family-name", help="The family name.")
@click.option("--any-password", is_flag=True, help="Take a password that the policy refuses.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, not by asking."
)
def create(
    email: str | None,
    username: str | None,
    given_name: str | None,
    family_name: str | None,
    *,
    any_password: bool,
    password_stdin: bool,
) -> None:
    """Open an account.

    Example: vestibule accounts create --email ada@example.org
    """
    if email is None and username is None:
        raise click.UsageError("name an --email, a --username, or both")
    if password_stdin:
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)

    async def flow(vestibule: Vestibule) -> Account:
        address = None if email is None else names.address(email)
        if not any_password:
            personal = (email, username, given_name, family_name, vestibule.settings.service_name)
            policy.check(password, personal=personal)
        wanted = Wanted(
            password_hash=await vestibule.means.passwords.hash(password),
            username=username,
            given_name=given_name,
            family_name=family_name,
        )
        async with vestibule.unit() as unit:
            return await open_account(unit, wanted, address=address, proved=True)

    _show(_with_vestibule(flow))


@accounts.command()
@click.argument("identifier")
def show(identifier: str) -> None:
    """Show an account by its address, username or id.

    Example: vestibule accounts show ada@example.org
    """

    async def flow(vestibule: Vestibule) -> Account | None:
        async with vestibule.unit(reading=True) as unit:
            found = await queries.by_identifier(unit, identifier)
            if found is None:
                try:
                    found = await queries.by_id(unit, UUID(identifier))
                except ValueError:
                    return None
            return found

    account = _with_vestibule(flow)
    if account is None:
        raise click.ClickException(f"no account is called {identifier}")
    _show(account)


def _show(account: Account) -> None:
    proved = "" if account.email_verified_at else " (not proved)"
    for label, value in (
        ("id", account.id),
        ("email", account.email and account.email + proved),
        ("username", account.username),
        ("name", " ".join(filter(None, (account.given_name, account.family_name)))),
        ("state", account.state),
        ("roles", ", ".join(account.roles)),
        ("opened", f"{account.created_at:%Y-%m-%d %H:%M} UTC"),
        ("last log-in", account.last_login_at and f"{account.last_login_at:%Y-%m-%d %H:%M} UTC"),
    ):
        click.echo(f"{label:<12} {value or '-'}")


@main.group()
def courier() -> None:
    """Send letters, and see which could not be sent."""


@courier.command("run")
def courier_run() -> None:
    """Send letters until told to stop; beside servers with VESTIBULE_COURIER=false.

    Example: vestibule courier run
    """

    async def flow(vestibule: Vestibule) -> None:
        await migrations.ready(vestibule.means.database, upgrade=False)
        stop = asyncio.Event()
        server.on_signal(stop.set)
        work = asyncio.create_task(vestibule.courier.run())
        click.echo("Sending letters.")
        sys.stdout.flush()
        await stop.wait()
        await vestibule.courier.stop()
        await work

    _with_vestibule(flow)


@courier.command("status")
def courier_status() -> None:
    """Count the letters by state, and list the latest that failed.

    Example: vestibule courier status
    """

    async def flow(vestibule: Vestibule) -> tuple[list[tuple[str, int]], Sequence[Letter]]:
        async with vestibule.unit(reading=True) as unit:
            return await outbox.count(unit), await outbox.latest_failed(unit)

    counts, failed = _with_vestibule(flow)
    for state, count in counts:
        click.echo(f"{state:<8} {count}")
    for letter in failed:
        click.echo(f"{letter.id}  {letter.kind}  after {letter.attempts}: {letter.last_error}")


@courier.command("retry")
@click.argument("letter_id", type=click.UUID, required=False)
def courier_retry(letter_id: UUID | None) -> None:
    """Queue failed letters again: all, or the one with the given id.

    Example: vestibule courier retry
    """

    async def flow(vestibule: Vestibule) -> int:
        async with vestibule.unit() as unit:
            return await outbox.retry(unit, letter_id)

    click.echo(f"{_with_vestibule(flow)} queued again.")


@main.command()
def doctor() -> None:
    """Check the settings, the database, its schema and the mail transport.

    Example: vestibule doctor
    """
    settings = Settings.load()
    for name, value in settings:
        click.echo(f"{variable(name)} = {value}")
    for warning in unknown_variables(os.environ):
        click.echo(f"warning: {warning}")

    async def flow(vestibule: Vestibule) -> None:
        await migrations.ready(vestibule.means.database, upgrade=False)

    _with_vestibule(flow, settings)
    click.echo("settings, database, schema: good")


def _with_vestibule(
    flow: Callable[[Vestibule], Awaitable[T]], settings: Settings | None = None
) -> T:
    async def run() -> T:
        vestibule = Vestibule(settings or Settings.load())
        try:
            return await flow(vestibule)
        finally:
            await vestibule.stop()

    return asyncio.run(run())
