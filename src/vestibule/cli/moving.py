"""`vestibule accounts import`, `export` and `formats`."""

import io
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import click

from vestibule.accounts import disguise
from vestibule.cli.running import Refused, with_vestibule
from vestibule.extension import Vestibule
from vestibule.moving import arrival, departure, people
from vestibule.moving.people import Newcomer, Reading
from vestibule.moving.report import Report
from vestibule.moving.sources import NotUsable, OfDatabase, OfFile, Source

_FILES = (".csv", ".jsonl", ".ndjson")


@click.command("import")
@click.argument("source", envvar="SOURCE")
@click.option("--table", default="users", show_default=True, help="The table that people stand in.")
@click.option(
    "--column", "columns", multiple=True, metavar="OURS=THEIRS", help="Which column holds a field."
)
@click.option("--roles-from", help="A join table: 'roles_users(user_id,role_id),roles(id,name)'.")
@click.option(
    "--role", "renamed", multiple=True, metavar="THEIRS=OURS", help="What a role is called here."
)
@click.option(
    "--verified",
    type=click.Choice(["column", "all", "none"]),
    default="column",
    show_default=True,
    help="Whose address counts as proved: whose column says so, everybody's, nobody's.",
)
@click.option("--double-hash", is_flag=True, help="The hashes are Flask-Security's, with its salt.")
@click.option("--dry-run", is_flag=True, help="Write nothing; tell what would be written.")
@click.option("--problems", type=click.Path(path_type=Path), help="Write every problem to a file.")
def import_accounts(  # noqa: PLR0917 - click passes them by name
    source: str,
    table: str,
    columns: Sequence[str],
    roles_from: str | None,
    renamed: Sequence[str],
    verified: str,
    problems: Path | None,
    *,
    double_hash: bool,
    dry_run: bool,
) -> None:
    """Move people in from another system, with the passwords that they have.

    SOURCE is the URL of its database, or a file that ends in .csv, .jsonl or .ndjson. A URL with a
    password is better told by the environment: SOURCE=postgresql://… vestibule accounts import

    Fields: id, email, username, password, given_name, family_name, picture, verified, active,
    created_at, last_login_at, roles. Columns with usual names are found. The id becomes the
    external_id; who is here by it already is left as they are, so an import may be stopped and
    started again.

    Example: vestibule accounts import users.csv --dry-run
    """
    named = _pairs("--column", columns)
    if unknown := set(named) - set(people.USUAL):
        raise click.UsageError(f"--column names no field of ours: {', '.join(sorted(unknown))}")
    proved = {"column": None, "all": True, "none": False}[verified]

    async def flow(vestibule: Vestibule) -> None:
        if double_hash and vestibule.settings.double_hash_salt is None:
            raise Refused("VESTIBULE_DOUBLE_HASH_SALT: say what SECURITY_PASSWORD_SALT was")
        async with _source(source, table, roles_from) as found:
            there = await found.columns()
            usual = people.usual_columns(there) | named
            if missing := sorted(set(usual.values()) - set(there)):
                raise NotUsable(f"there is no column {', '.join(missing)}")
            if "id" not in usual or not {"email", "username"} & set(usual):
                raise NotUsable("say which column is the --column id=…, and the email or username")
            reading = Reading(
                columns=usual,
                all_proved=proved,
                double_hash=double_hash,
                renamed=_pairs("--role", renamed),
            )
            click.echo("columns: " + ", ".join(f"{of}={name}" for of, name in usual.items()))
            with _listing(problems) as file:
                report = await _move(vestibule, found, reading, dry_run=dry_run)
                file.writelines(json.dumps(asdict(each)) + "\n" for each in report.problems)
        unknown = await vestibule.run(
            lambda unit: arrival.unknown_roles(unit, report.roles), reading=True
        )
        for line in report.lines(dry=dry_run, unknown_roles=unknown):
            click.echo(line)

    try:
        with_vestibule(flow)
    except NotUsable as error:
        raise Refused(str(error)) from None


async def _move(vestibule: Vestibule, source: Source, reading: Reading, *, dry_run: bool) -> Report:
    report = Report()
    total = await source.total()
    with click.progressbar(
        length=total, label="people", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        async for page in source.pages(reading.columns):
            read = [people.read(row, reading) for row in page]
            batch = [one for one, wrong in read if report.takes(one, wrong) and one is not None]
            await _batch(vestibule, batch, report, dry_run=dry_run)
            bar.update(len(page))
    return report


async def _batch(
    vestibule: Vestibule, batch: Sequence[Newcomer], report: Report, *, dry_run: bool
) -> None:
    if dry_run:
        were_here, problems = await vestibule.run(
            lambda unit: arrival.look(unit, batch), reading=True
        )
        came = len(batch) - were_here - len(problems)
    else:
        arrived = await vestibule.run(lambda unit: arrival.move_in(unit, batch))
        came, were_here, problems = arrived.came, arrived.were_here, list(arrived.problems)
    report.came += came
    report.were_here += were_here
    report.problems += problems


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--without-passwords", is_flag=True, help="Leave the password hashes out.")
def export(file: Path, *, without_passwords: bool) -> None:
    """Write every account to a new FILE, .csv or .jsonl, that only you can read; - for the screen.

    `vestibule accounts import` reads it. Hashes of other software, whose owners have not logged in
    since they moved in, are written in our own form.

    Example: vestibule accounts export accounts.jsonl
    """
    to_screen = str(file) == "-"
    if not to_screen and file.suffix.lower() not in _FILES:
        raise click.UsageError(f"the file ends in one of {', '.join(_FILES)}")

    async def flow(vestibule: Vestibule) -> int:
        count = 0
        with nullcontext(sys.stdout) if to_screen else _new(file) as opened:
            as_csv = file.suffix.lower() == ".csv"
            writer = departure.Writer(opened, as_csv=as_csv, passwords=not without_passwords)
            async for account in departure.everybody(vestibule.means):
                writer.write(account)
                count += 1
        return count

    click.echo(f"{with_vestibule(flow)} accounts written", err=True)


@click.command()
def formats() -> None:
    """Count password hashes by the software that made them and what they cost.

    Example: vestibule accounts formats
    """
    counted = with_vestibule(lambda vestibule: vestibule.run(disguise.count, reading=True))
    for label, count in sorted(counted.items()):
        click.echo(f"{label or 'ours':<28} {count}")
    if not counted:
        click.echo("every password is hashed as we do it")


@contextmanager
def _listing(file: Path | None) -> Iterator[TextIO]:
    """Open a file before what it is to list begins; it is gone again if that fails."""
    with io.StringIO() if file is None else _new(file) as opened:
        try:
            yield opened
        except BaseException:
            if file is not None:
                file.unlink(missing_ok=True)
            raise


def _new(file: Path) -> TextIO:
    try:
        return departure.private_file(file)
    except FileExistsError:
        raise Refused(f"{file} is there already") from None
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}") from None


def _source(source: str, table: str, roles_from: str | None) -> AbstractAsyncContextManager[Source]:
    if "://" not in source:
        if Path(source).suffix.lower() not in _FILES:
            raise NotUsable("the source is a database's URL, or a file of .csv, .jsonl or .ndjson")
        return nullcontext(OfFile(Path(source)))
    return OfDatabase.at(source, table, roles_from)


def _pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    split = [each.partition("=") for each in given]
    if any(not (left and equals and right) for left, equals, right in split):
        raise click.UsageError(f"{option} wants two names, as in one=other")
    return {left: right for left, _, right in split}
