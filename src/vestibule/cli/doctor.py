"""`vestibule doctor`: looks at everything that a start needs, and goes on after what is wrong."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import click
from sqlalchemy import make_url

from vestibule.cli.examination import examine
from vestibule.cli.findings import Finding, Verdict
from vestibule.courier.transports import TransportError
from vestibule.courier.transports.choose import choose
from vestibule.kernel import migrations
from vestibule.kernel.clock import SystemClock
from vestibule.kernel.counting import Count
from vestibule.kernel.database import Database
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.limits import Limit
from vestibule.kernel.settings import Settings, iso, unknown_variables, variable
from vestibule.throttle.choose import in_redis
from vestibule.throttle.fallback import Unavailable

_ONE_CLIENT = "none; behind a proxy everybody is one client, and shares one client's limits"

_OWN = Limit("doctor", most=1_000_000, within=timedelta(minutes=1))


@click.command()
@click.option(
    "--deep",
    is_flag=True,
    help="Use it as well: change a row and take it back, open what is sealed, hash, ask the URL.",
)
def doctor(*, deep: bool) -> None:
    """Check the settings, the database, its schema and the mail server; nothing is sent.

    Every finding is a line. The exit code is 1 if one is wrong.

    Example: vestibule doctor --deep
    """
    settings, problems = Settings.read()
    for name, value in _shown(settings):
        click.echo(f"{name} = {value}")
    findings = [
        *_about_settings(settings, problems),
        *asyncio.run(_ask_others(settings, broken={name for name, _ in problems}, deep=deep)),
    ]
    click.echo()
    for finding in findings:
        click.echo(f"{finding.verdict:<5}  {finding.about}: {finding.words}")
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise click.exceptions.Exit(1)


def _shown(settings: Settings) -> Iterator[tuple[str, str]]:
    for name, value in settings:
        if name == "database_url" and settings.database_url is not None:
            yield variable(name), _without_secrets(settings.database)
        else:
            yield variable(name), _text(value)


def _text(value: object) -> str:
    """Return a value as the settings take it."""
    match value:
        case None | "" | ():
            return "(not set)"
        case tuple():
            return ",".join(map(str, value))
        case bool():
            return str(value).lower()
        case timedelta():
            return iso(value)
    return str(value)


def _without_secrets(database_url: str) -> str:
    try:
        shown = make_url(database_url)
    except Exception:  # noqa: BLE001 - whatever it is, it is no URL, and that is told elsewhere
        return "**********"
    if "password" in shown.query:
        shown = shown.update_query_dict({"password": "***"})
    return shown.render_as_string(hide_password=True)


def _about_settings(settings: Settings, problems: list[tuple[str, str]]) -> Iterator[Finding]:
    for name, words in problems:
        yield Finding(Verdict.WRONG, variable(name), words)
    for words in unknown_variables(os.environ):
        yield Finding(Verdict.NOTE, "environment", words)
    if not settings.in_development and not settings.trusted_proxies:
        yield Finding(Verdict.NOTE, variable("trusted_proxies"), _ONE_CLIENT)
    if not problems:
        yield Finding(Verdict.GOOD, "settings", "complete")


async def _ask_others(settings: Settings, *, broken: set[str], deep: bool) -> list[Finding]:
    findings = [finding async for finding in _about_database(settings, broken)]
    ready = not broken and findings[-1].about == "schema" and _is_good(findings[-1])
    findings += [finding async for finding in _about_redis(settings, broken)]
    findings.append(await _about_mail(settings, broken))
    if deep and ready:
        findings += [finding async for finding in examine(settings)]
    elif deep:
        findings.append(
            Finding(Verdict.NOTE, "the rest", "not looked at; settings and schema first")
        )
    return findings


def _is_good(finding: Finding) -> bool:
    return finding.verdict is Verdict.GOOD


async def _about_database(settings: Settings, broken: set[str]) -> AsyncIterator[Finding]:
    if "database_url" in broken:
        yield Finding(Verdict.NOTE, "database", f"not asked; see {variable('database_url')}")
        return
    if settings.database_url is None and not settings.data_dir.exists():
        yield Finding(Verdict.NOTE, "database", "not there yet; the first start makes it")
        return
    try:
        database = Database(settings.database, pgbouncer=settings.pgbouncer)
    except OSError as error:
        yield Finding(Verdict.WRONG, "database", f"cannot be opened ({error.strerror})")
        return
    about = "database"
    try:
        found = await migrations.reached(database)
        yield Finding(Verdict.GOOD, "database", "answers")
        if settings.in_development and found is None:
            yield Finding(
                Verdict.NOTE, "schema", "the database has no schema yet; the next start makes it"
            )
            return
        about = "schema"
        await migrations.ready(database, upgrade=False)
        yield Finding(Verdict.GOOD, "schema", f"{found}, as this version needs it")
    except CannotStart as error:
        for words in error.problems:
            yield Finding(Verdict.WRONG, about, words)
    finally:
        await database.close()


async def _about_redis(settings: Settings, broken: set[str]) -> AsyncIterator[Finding]:
    if settings.redis_url is None or "redis_url" in broken:
        return
    try:
        redis = in_redis(settings)
    except CannotStart as error:
        yield Finding(Verdict.WRONG, "redis", error.problems[0])
        return
    assert redis is not None
    try:
        # A full one still reads: only a count shows that it counts.
        await redis.count([Count(_OWN, "")], now=SystemClock().now())
        yield Finding(Verdict.GOOD, "redis", "answers")
    except Unavailable as error:
        words = f"does not answer ({error}); the database counts meanwhile"
        yield Finding(Verdict.WRONG, "redis", words)
    finally:
        await redis.close()


async def _about_mail(settings: Settings, broken: set[str]) -> Finding:
    concerned = sorted(name for name in broken if name.startswith(("mail", "smtp")))
    if concerned:
        return Finding(Verdict.NOTE, "mail", f"not asked; see {variable(concerned[0])}")
    transport = choose(settings)
    try:
        return Finding(Verdict.GOOD, "mail", await transport.check())
    except TransportError as error:
        return Finding(Verdict.WRONG, "mail", str(error))
    finally:
        await transport.close()
