"""`vestibule accounts`."""

import sys
from getpass import GetPassWarning
from uuid import UUID
from warnings import catch_warnings

import click

from vestibule.accounts import names, policy, queries
from vestibule.accounts.challenges import Wanted
from vestibule.accounts.models import Account
from vestibule.accounts.signup import open_account
from vestibule.cli.running import Refused, in_words, with_vestibule
from vestibule.extension import Vestibule
from vestibule.kernel.errors import WeakPassword


@click.group()
def accounts() -> None:
    """Open accounts and look at them.

    Example: vestibule accounts show ada@example.org
    """


@accounts.command()
@click.option("--email", help="The address; it counts as proved, because you vouch for it.")
@click.option("--username", help="The username.")
@click.option("--given-name", help="The given name.")
@click.option("--family-name", help="The family name.")
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
    *,
    any_password: bool,
    password_stdin: bool,
) -> None:
    """Open an account. The password is asked for, or read from a line of standard input:

        printf '%s\\n' "$PASSWORD" | vestibule accounts create --username ada --password-stdin

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
            except WeakPassword as error:
                raise Refused(f"{in_words(error)} (--any-password takes it anyway.)") from None
        wanted = Wanted(
            password_hash=await vestibule.means.passwords.hash(password),
            username=username,
            given_name=given_name,
            family_name=family_name,
        )
        async with vestibule.unit() as unit:
            return await open_account(unit, wanted, address=address, proved=address is not None)

    _show(with_vestibule(flow))


@accounts.command()
@click.argument("identifier")
def show(identifier: str) -> None:
    """Show an account by its address, username or id.

    Example: vestibule accounts show ada@example.org
    """

    async def flow(vestibule: Vestibule) -> Account | None:
        async with vestibule.unit(reading=True) as unit:
            named = await queries.by_identifier(unit, identifier)
            return named or await _by_id(vestibule, identifier)

    account = with_vestibule(flow)
    if account is None:
        raise Refused(f"no account is called {identifier}")
    _show(account)


async def _by_id(vestibule: Vestibule, text: str) -> Account | None:
    try:
        account_id = UUID(text)
    except ValueError:
        return None
    async with vestibule.unit(reading=True) as unit:
        return await queries.by_id(unit, account_id)


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
