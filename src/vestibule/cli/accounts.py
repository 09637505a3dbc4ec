"""`vestibule accounts`."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from getpass import GetPassWarning
from uuid import UUID
from warnings import catch_warnings

import click
from sqlalchemy.orm.attributes import set_committed_value

from vestibule.accounts import breaches, directory, names, policy, queries, state
from vestibule.accounts.challenges import Wanted
from vestibule.accounts.directory import Place
from vestibule.accounts.models import STATES, Account
from vestibule.accounts.signup import open_account
from vestibule.cli.running import Refused, in_words, with_vestibule
from vestibule.extension import Vestibule
from vestibule.kernel.errors import WeakPassword
from vestibule.kernel.unit import Unit
from vestibule.roles import grants


@click.group()
def accounts() -> None:
    """Open accounts, look at them, shut them.

    Example: vestibule accounts show ada@example.org
    """


@accounts.command()
@click.option("--email", help="The address; it counts as proved, because you vouch for it.")
@click.option("--username", help="The username.")
@click.option("--given-name", help="The given name.")
@click.option("--family-name", help="The family name.")
@click.option("--role", "roles", multiple=True, help="A role to give, such as admin.")
@click.option(
    "--any-password", is_flag=True, help="Take a password that the policy refuses, to move or demo."
)
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, not by asking."
)
def create(
    email: str | None,
    username: str | None,
    given_name: str | None,
    family_name: str | None,
    roles: Sequence[str],
    *,
    any_password: bool,
    password_stdin: bool,
) -> None:
    """Open an account. The password is asked for, or read from a line of standard input:

        printf '%s\\n' "$PASSWORD" | vestibule accounts create --username ada --password-stdin

    The first administrator is made so: --role admin

    Example: vestibule accounts create --email ada@example.org
    """
    if email is None and username is None:
        raise click.UsageError("name an --email, a --username, or both")
    address = None if email is None else names.address(email)
    if username is not None:
        names.username(username)
    with_vestibule(_nothing)  # what stands in the way is told before a password is asked for
    password = _password(from_stdin=password_stdin)

    async def flow(vestibule: Vestibule) -> Account:
        if not any_password:
            personal = (
                None if address is None else address.typed,
                username,
                given_name,
                family_name,
                vestibule.settings.service_name,
            )
            try:
                policy.check(password, personal=personal)
                await vestibule.run(lambda unit: breaches.check(unit, password), reading=True)
            except WeakPassword as error:
                raise Refused(f"{in_words(error)} (--any-password takes it anyway.)") from None
        wanted = Wanted(
            password_hash=await vestibule.means.passwords.hash(password),
            username=username,
            given_name=given_name,
            family_name=family_name,
        )

        async def opening(unit: Unit) -> Account:
            proved = address is not None
            account = await open_account(unit, wanted, address=address, proved=proved)
            for role in roles:
                await grants.grant(unit, account.id, role)
            set_committed_value(account, "granted", " ".join({*account.roles, *roles}))
            return account

        return await vestibule.run(opening)

    _show(with_vestibule(flow))


@accounts.command()
@click.argument("identifier")
def show(identifier: str) -> None:
    """Show an account by its address, username or id.

    Example: vestibule accounts show ada@example.org
    """

    async def flow(vestibule: Vestibule) -> Account:
        return await vestibule.run(lambda unit: named(unit, identifier), reading=True)

    _show(with_vestibule(flow))


@accounts.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only accounts in this state.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many."
)
@click.option("--before", type=click.UUID, help="Only those opened before the account of this id.")
def list_accounts(state: str | None, limit: int, before: UUID | None) -> None:
    """List accounts, newest first: id, state, day of opening, address, username.

    Example: vestibule accounts list --state disabled --limit 100
    """

    async def flow(vestibule: Vestibule) -> directory.Page:
        after = Place(before) if before is not None else None
        async with vestibule.unit(reading=True) as unit:
            return await directory.page(unit, state=state, after=after, limit=limit)

    found = with_vestibule(flow)
    for account in found.accounts:
        click.echo(
            f"{account.id}  {account.state:<8}  {account.created_at:%Y-%m-%d}  "
            f"{account.email or '-'}  {account.username or '-'}"
        )
    if not found.accounts:
        click.echo("no accounts", err=True)
    if found.next is not None:
        click.echo(f"There are more: --before {found.next.account_id}", err=True)


@accounts.command()
@click.argument("identifier")
def disable(identifier: str) -> None:
    """Shut an account by its address, username or id: no log-in, and its sessions end.

    One that its owner closed stays shut, and is not erased.

    Example: vestibule accounts disable ada@example.org
    """
    _turn(identifier, state.disable, "disabled")


@accounts.command()
@click.argument("identifier")
def enable(identifier: str) -> None:
    """Open an account again that is disabled or closing; whoever was signed in logs in anew.

    Example: vestibule accounts enable ada@example.org
    """
    _turn(identifier, state.enable, "active")


def _turn(identifier: str, turn: Callable[[Unit, UUID], Awaitable[bool]], wanted: str) -> None:
    async def flow(unit: Unit) -> bool:
        return await turn(unit, (await named(unit, identifier)).id)

    turned = with_vestibule(lambda vestibule: vestibule.run(flow))
    click.echo(f"{identifier} is {wanted}" + ("" if turned else " already"))


async def named(unit: Unit, identifier: str) -> Account:
    account = await queries.by_identifier(unit, identifier)
    if account is None:
        with suppress(ValueError):
            account = await queries.by_id(unit, UUID(identifier))
    if account is None:
        raise Refused(f"no account is called {identifier}")
    return account


async def _nothing(vestibule: Vestibule) -> None:
    pass


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    else:
        try:
            with catch_warnings(action="error", category=GetPassWarning):
                password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        except GetPassWarning:
            raise Refused("no terminal: use --password-stdin") from None
    if not password:
        raise Refused("the password is empty")
    return str(password)


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
