"""A new secret in place of the old one, while the service runs: nothing that waits is lost."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from secrets import token_hex

import pytest
from click.testing import CliRunner
from sqlalchemy import select, update

from tests.attacks.looking import every_value
from tests.world import PASSWORD, World
from vestibule import resealing
from vestibule.cli import main
from vestibule.courier.models import Letter
from vestibule.kernel.database import Base
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.seal import Seals
from vestibule.kernel.sealed import reseal

Starting = Callable[..., AbstractAsyncContextManager[World]]
OLD, NEW = token_hex(32), token_hex(32)
REPORT = (
    r"challenges   \d+ sealed anew\nletters      \d+ sealed anew\n"
    r"signing_keys 2 sealed anew\nKeep "
)


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Starting:
    """Start a server that has these secrets."""

    @asynccontextmanager
    async def started(*secrets: str) -> AsyncIterator[World]:
        async with World.running(database_url, tmp_path, secrets=",".join(secrets)) as world:
            yield world

    return started


def typed(database_url: str, *words: str, secrets: str = f"{NEW},{OLD}") -> str:
    env = {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_SECRETS": secrets}
    result = CliRunner(env=env).invoke(main, words)
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_nothing_that_waits_is_lost_with_the_old_secret(
    server: Starting, database_url: str
) -> None:
    async with server(OLD) as before:
        asked = [
            (await before.browser().sign_up(f"{n}@x.test")).json()["sign_up"] for n in range(30)
        ]
        sent = {mail.to: mail for mail in await before.mails()}
        waiting = [(await before.browser().sign_up(f"w{n}@x.test")).json() for n in range(5)]
        device = (await before.member("ada@example.org")).cookies["vestibule_device"]
        assert len(waiting) == 5

    async with server(NEW, OLD) as during:

        async def people() -> None:
            for number in range(10):
                await during.browser().sign_up(f"d{number}@x.test")
                mail = sent[f"{number}@x.test"]
                proof = {"sign_up": asked[number], "code": mail.code}
                assert (await during.browser().prove(**proof)).status_code == 200
                await asyncio.sleep(0)

        going_on = asyncio.create_task(people())
        said = await asyncio.to_thread(typed, database_url, "keys", "reseal")
        await going_on
        again = await asyncio.to_thread(typed, database_url, "keys", "reseal")
        assert re.match(REPORT, said)
        assert re.findall(r"(\d+) sealed anew", again) == ["0", "0", "0"]
        assert "no secret opens" not in said
        old = Seals([OLD]).newest
        kept = {column for column, value in await every_value(during) if value.startswith(old)}
        assert kept == {"challenges.code_mac"}

    async with server(NEW) as after:
        mails = {mail.to: mail for mail in await after.mails()}
        assert {f"w{n}@x.test" for n in range(5)} <= set(mails), "what waited goes out"
        browser = after.browser()
        late = sent["20@x.test"]
        refused = await browser.prove(sign_up=asked[20], code=late.code)
        assert refused.status_code == 400, "a typed code dies with its secret, as it was said"
        for mail in (late, mails["w1@x.test"], mails["d1@x.test"]):
            proved = await browser.prove(token=mail.token, password=PASSWORD)
            assert proved.status_code == 200, mail.to
        new = await browser.sign_up("n@x.test")
        [mail] = await after.mails("n@x.test")
        assert (
            await browser.prove(sign_up=new.json()["sign_up"], code=mail.code)
        ).status_code == 200
        known = after.browser(Cookie=f"vestibule_device={device}")
        assert (await known.log_in("ada@example.org")).status_code == 200


async def test_the_time_to_keep_the_old_secret_is_told_and_passes(server: Starting) -> None:
    async with server(OLD) as before:
        await before.browser().sign_up()
    async with server(NEW, OLD) as during:
        means = during.vestibule.means
        until = await resealing.codes_needed_until(means)
        assert until is not None
        assert until <= means.clock.now() + means.settings.code_lifetime
        await during.browser().sign_up("b@example.org")
        assert await resealing.codes_needed_until(means) == until, (
            "the new one's codes do not count"
        )
        during.clock.move(means.settings.code_lifetime)
        assert await resealing.codes_needed_until(means) is None


async def test_it_goes_in_small_steps_and_may_be_stopped_and_run_again(
    server: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 4)
    async with server(OLD) as before:
        for number in range(11):
            await before.browser().sign_up(f"{number}@x.test")
    async with server(NEW, OLD) as during:
        means = during.vestibule.means
        table = resealing.SEALED["challenges"]
        first = await during.vestibule.run(lambda unit: reseal(unit, table, after=None, most=4))
        assert (first.resealed, first.lost) == (4, 0)
        assert first.last is not None
        done = await asyncio.gather(resealing.reseal_all(means), resealing.reseal_all(means))
        assert sum(each["challenges"].resealed for each in done) == 7
        assert sum(each["letters"].resealed for each in done) == 11


async def test_what_no_secret_opens_is_told_and_left(server: Starting, database_url: str) -> None:
    async with server(token_hex(32)) as lost:
        await lost.browser().sign_up()
    with pytest.raises(CannotStart, match=r"signing key was sealed .* vestibule keys rotate"):
        async with server(OLD):
            pass
    await asyncio.to_thread(typed, database_url, "keys", "rotate", secrets=OLD)
    async with server(OLD) as before:
        await before.browser().sign_up("b@example.org")
    said = await asyncio.to_thread(typed, database_url, "keys", "reseal")
    assert said.startswith(
        "challenges   1 sealed anew, 1 that no secret opens\n"
        "letters      1 sealed anew, 1 that no secret opens\n"
        "signing_keys 2 sealed anew\n"
    )


async def test_what_changes_meanwhile_stays_as_it_became(postgres_url: str, tmp_path: Path) -> None:
    """A letter is sent, and its words are erased, between the look and the sealing."""
    async with World.running(postgres_url, tmp_path, secrets=OLD) as before:
        await before.browser().sign_up()
    async with World.running(postgres_url, tmp_path, secrets=f"{NEW},{OLD}") as during:
        async with during.vestibule.unit() as sending:
            await sending.session.execute(update(Letter).values(payload=None))
            resealing_ = asyncio.create_task(
                during.vestibule.run(
                    lambda unit: reseal(unit, resealing.SEALED["letters"], after=None, most=10)
                )
            )
            await asyncio.sleep(0.3)
            assert not resealing_.done(), "it waits for the row"
        assert (await resealing_).resealed == 0
        assert await during.rows(select(Letter.payload)) == [(None,)]


def test_every_column_that_is_sealed_is_sealed_anew() -> None:
    payloads = {
        f"{table.name}.{name}"
        for table in Base.metadata.sorted_tables
        for name in ("payload", "private")
        if name in table.c
    }
    assert payloads == {str(each.column.expression) for each in resealing.SEALED.values()}
