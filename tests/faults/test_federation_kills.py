"""Servers killed while a browser comes back from a provider: it happened whole, or not at all."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from tests.faults.fleet import Fleet
from tests.faults.invariants import Rows
from tests.faults.test_life_kills import AT_SIZE, SAME_SITE, killed, off
from tests.federation.provider import CLIENT, SECRET, Provider, providing
from vestibule.accounts.models import Identity
from vestibule.audit.events import Event
from vestibule.kernel.database import Database

OWN, ANOTHER = "op1", "op2"


@dataclass
class House:
    fleet: Fleet
    database: Database
    providers: dict[str, Provider]

    def browser(self, cookies: dict[str, str] | None = None) -> httpx.AsyncClient:
        """Of whichever server runs."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.fleet.ports[0]}",
            timeout=20,
            headers=SAME_SITE,
            cookies=cookies,
        )

    async def begin(self, browser: httpx.AsyncClient, subject: str) -> httpx.URL:
        """Go as far as the way back from the provider."""
        left = await browser.get(f"/v1/oauth/{OWN}/start")
        return self.agree(OWN, left.headers["Location"], subject)

    async def begin_to_link(self, browser: httpx.AsyncClient, subject: str) -> httpx.URL:
        asked = await browser.post(f"/v1/me/identities/{ANOTHER}/link", json={})
        return self.agree(ANOTHER, asked.json()["url"], subject)

    def agree(self, name: str, url: str, subject: str) -> httpx.URL:
        said = {"email": f"{subject}@example.org", "email_verified": True}
        assert urlsplit(url).netloc == urlsplit(self.providers[name].issuer).netloc
        brought = self.providers[name].agree(url, subject, **said)
        return httpx.URL(f"/v1/oauth/{name}/callback", params=brought)

    async def count(self) -> Counter[str]:
        """Count what there is, once nothing of it is half."""
        rows = await Rows.read(self.database)
        async with self.database.engine.begin() as connection:
            identities = (await connection.execute(select(Identity.account_id))).scalars().all()
        accounts = Counter(row.id for row in rows.accounts)
        assert {row.email_verified_at is not None for row in rows.accounts} <= {True}
        assert set(identities) == set(accounts)
        assert self._told(rows, Event.ACCOUNT_OPENED) == accounts
        assert self._told(rows, Event.IDENTITY_LINKED) == Counter(identities)
        entered = Counter(entry.session_id for entry in rows.told(Event.LOGIN_SUCCEEDED))
        assert entered == Counter(row.id for row in rows.sessions)
        assert len(rows.letters) == len(identities) - len(accounts), "of each that was linked, one"
        return Counter(accounts=len(accounts), identities=len(identities))

    def _told(self, rows: Rows, event: Event) -> Counter[object]:
        return Counter(entry.account_id for entry in rows.told(event))


@asynccontextmanager
async def opened(database_url: str, folder: Path) -> AsyncIterator[House]:
    async with providing() as own, providing() as another:
        providers = {OWN: own, ANOTHER: another}
        settings = off(database_url) | {"VESTIBULE_OIDC_OP1_TRUST_EMAIL": "true"}
        for name, provider in providers.items():
            settings |= {
                f"VESTIBULE_OIDC_{name.upper()}_ISSUER": provider.issuer,
                f"VESTIBULE_OIDC_{name.upper()}_CLIENT_ID": CLIENT,
                f"VESTIBULE_OIDC_{name.upper()}_CLIENT_SECRET": SECRET,
            }
        database = Database(database_url)
        async with Fleet(folder, 1, **settings) as fleet:
            yield House(fleet, database, providers)
        await database.close()


async def killed_on_the_way_back(house: House, browser: httpx.AsyncClient, way: httpx.URL) -> bool:
    """Return whether the browser was answered, and so told that it worked."""
    status = await killed(house.fleet, asyncio.create_task(browser.get(way)))
    assert status in (0, 303)
    return status == 303


@pytest.mark.fault("F-03")
@pytest.mark.parametrize("kills", [1, pytest.param(100, marks=AT_SIZE)])
async def test_a_sign_in_under_which_the_server_died_happened_whole_or_not_at_all(
    database_url: str, tmp_path: Path, kills: int
) -> None:
    async with opened(database_url, tmp_path) as house:
        for number in range(kills):
            subject = f"ada{number}"
            async with house.browser() as ada:
                way = await house.begin(ada, subject)
                told = await killed_on_the_way_back(house, ada, way)
            there = (await house.count())["accounts"] - number
            assert there in ((1,) if told else (0, 1))
            async with house.browser() as again:
                assert (await again.get(await house.begin(again, subject))).status_code == 303
                me = (await again.get("/v1/me")).json()
                assert me["email"] == f"{subject}@example.org"
            assert (await house.count())["accounts"] == number + 1


@pytest.mark.fault("F-03")
@pytest.mark.parametrize("kills", [1, pytest.param(100, marks=AT_SIZE)])
async def test_a_link_under_which_the_server_died_happened_whole_or_not_at_all(
    database_url: str, tmp_path: Path, kills: int
) -> None:
    async with opened(database_url, tmp_path) as house:
        for number in range(kills):
            subject = f"ada{number}"
            async with house.browser() as ada:
                assert (await ada.get(await house.begin(ada, subject))).status_code == 303
                kept = {"vestibule": ada.cookies["vestibule"]}
                way = await house.begin_to_link(ada, subject)
                told = await killed_on_the_way_back(house, ada, way)
            there = (await house.count())["identities"] - 2 * number
            assert there in ((2,) if told else (1, 2))
            async with house.browser(kept) as again:
                way = await house.begin_to_link(again, subject)
                assert (await again.get(way)).status_code == 303
            assert (await house.count())["identities"] == 2 * number + 2
