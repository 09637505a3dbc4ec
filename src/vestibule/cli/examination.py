"""What `vestibule doctor --deep` looks at: it uses what a server would use, and leaves no trace."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import httpx
from sqlalchemy.exc import SQLAlchemyError

from vestibule.accounts import challenges
from vestibule.cli.findings import Finding, Verdict
from vestibule.courier import outbox
from vestibule.courier.models import State
from vestibule.extension import Vestibule
from vestibule.kernel import examination
from vestibule.kernel.errors import VestibuleError
from vestibule.kernel.settings import Settings, variable
from vestibule.tokens import keyring

_SLOW_CHANGE = 0.25  # seconds
_APART, _FAR_APART = timedelta(seconds=1), timedelta(seconds=30)
_LATE, _VERY_LATE = timedelta(minutes=5), timedelta(hours=1)
_SLOW_HASH = 0.25  # seconds
_LOOKED_AT = 200  # sealed rows of a kind
_ANSWERING = 5.0  # seconds that the service has to answer at its URL

Check = Callable[[Vestibule], Awaitable[tuple[Verdict, str]]]


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Yield a finding for each check, whatever became of the one before."""
    vestibule = Vestibule(settings)
    try:
        for about, check in CHECKS.items():
            try:
                verdict, words = await check(vestibule)
            except (VestibuleError, SQLAlchemyError, TimeoutError, OSError) as error:
                # Never its message: values may stand in it.
                origin = getattr(error, "orig", None) or error.__cause__ or error
                verdict, words = Verdict.WRONG, f"fails ({type(origin).__name__})"
            yield Finding(verdict, about, words)
    finally:
        await vestibule.stop()


async def _changes(vestibule: Vestibule) -> tuple[Verdict, str]:
    took = await examination.change(vestibule.means.database)
    verdict = Verdict.NOTE if took > _SLOW_CHANGE else Verdict.GOOD
    return verdict, f"a row was changed and changed back in {took * 1000:.0f} ms"


async def _clock(vestibule: Vestibule) -> tuple[Verdict, str]:
    ahead = await examination.clock_ahead(vestibule.means.database, vestibule.means.clock)
    if ahead is None:
        return Verdict.GOOD, "the database has ours"
    seconds = ahead.total_seconds()
    words = f"the database is {abs(seconds):.2f} s {'ahead of' if seconds > 0 else 'behind'} us"
    if abs(ahead) > _FAR_APART:
        return Verdict.WRONG, f"{words}; set both by NTP"
    return (Verdict.NOTE if abs(ahead) > _APART else Verdict.GOOD), words


async def _connections(vestibule: Vestibule) -> tuple[Verdict, str]:
    most = await examination.connections(vestibule.means.database)
    size = vestibule.settings.database_pool_size
    if most is None:
        return Verdict.GOOD, "SQLite has no limit on them"
    if size > most:
        name = variable("database_pool_size")
        return Verdict.WRONG, f"{name} is {size}, and the database allows {most} in all"
    return Verdict.GOOD, f"the database allows {most} in all, {size} for each process of ours"


async def _feed(vestibule: Vestibule) -> tuple[Verdict, str]:
    if vestibule.means.database.is_sqlite:
        return Verdict.GOOD, "SQLite needs none"
    if vestibule.feed is None:
        name = variable("feed_url")
        return Verdict.NOTE, f"each request asks the database; {name} would spare it that"
    if not await vestibule.feed.try_out():
        return Verdict.WRONG, (
            "no change arrives, so each request asks the database; "
            f"{variable('feed_url')} must lead past PgBouncer, to the server that takes writes"
        )
    return Verdict.GOOD, "changes arrive"


async def _sealed(vestibule: Vestibule) -> tuple[Verdict, str]:
    looked = closed = 0
    async with vestibule.unit(reading=True) as unit:
        for rows in (outbox.sealed, challenges.sealed, keyring.sealed):
            some, wrong = await rows(unit, most=_LOOKED_AT)
            looked, closed = looked + some, closed + wrong
    if closed:
        return Verdict.WRONG, (
            f"{closed} of {looked} letters, sign-ups and signing keys were sealed under a secret "
            f"that is not among {variable('secrets')}"
        )
    return Verdict.GOOD, f"open every letter, sign-up and signing key ({looked} looked at)"


async def _letters(vestibule: Vestibule) -> tuple[Verdict, str]:
    async with vestibule.unit(reading=True) as unit:
        counts = dict(await outbox.count(unit))
        since = await outbox.oldest_queued(unit)
        age = unit.now - since if since else timedelta()
    given_up = counts.get(State.FAILED, 0)
    words = f"the oldest has waited {age.total_seconds():.0f} s" if since else "none waits"
    if given_up:
        words += f", {given_up} given up; see: vestibule courier status"
    if age > _VERY_LATE:
        return Verdict.WRONG, f"{words}; does a courier run?"
    return (Verdict.NOTE if age > _LATE or given_up else Verdict.GOOD), words


async def _hashing(vestibule: Vestibule) -> tuple[Verdict, str]:
    times = []
    for _ in range(3):
        began = time.perf_counter()
        await vestibule.means.passwords.hash("how long does this take?")
        times.append(time.perf_counter() - began)
    took = sorted(times)[1]
    verdict = Verdict.NOTE if took > _SLOW_HASH else Verdict.GOOD
    return verdict, f"a password takes {took * 1000:.0f} ms: {1 / took:.0f} log-ins a second a core"


async def _url(vestibule: Vestibule) -> tuple[Verdict, str]:
    url = f"{vestibule.settings.base_url}/healthz"
    try:
        async with httpx.AsyncClient(timeout=_ANSWERING) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        return Verdict.NOTE, f"{url} does not answer ({type(error).__name__}); does it run yet?"
    # What every answer of ours has, and a proxy's own page has not.
    if answer.status_code != httpx.codes.OK or "X-Request-Id" not in answer.headers:
        return Verdict.WRONG, f"{url} answers {answer.status_code}, and not as this service does"
    return Verdict.GOOD, f"{url} answers"


CHECKS: dict[str, Check] = {
    "changes": _changes,
    "clock": _clock,
    "connections": _connections,
    "feed": _feed,
    "secrets": _sealed,
    "letters": _letters,
    "hashing": _hashing,
    variable("base_url"): _url,
}
