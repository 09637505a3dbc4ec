"""What pytest gives the tests of an app with Vestibule in it; docs/testing.md shows how.

pytest loads this wherever Vestibule is installed, so it stands beside the package and imports it
when a fixture is asked for: tests that have nothing to do with it are not made slower, and whoever
measures coverage of what they import sees all of it.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol  # Any: whatever the settings take

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # then nobody here has async tests, and nobody asks for what needs them
    from pytest import fixture as async_fixture  # type: ignore[no-redef]

if TYPE_CHECKING:
    import httpx
    from quart import Quart

    from vestibule import Vestibule
    from vestibule.kernel.clock import MovableClock


@dataclass(frozen=True)
class Letter:
    """A letter as it arrived; `code` and `links` are those in its text."""

    to: str
    subject: str
    text: str
    html: str | None
    links: tuple[str, ...]
    code: str | None

    @property
    def link(self) -> str:
        """The first link."""
        return self.links[0]


class Mailbox:
    """Where the letters of the app arrive, whoever they are for."""

    def __init__(self, vestibule: "Vestibule") -> None:
        self._vestibule = vestibule

    async def letters(self, to: str | None = None) -> list[Letter]:
        """Send what waits, and return all that arrived, or all for `to`, oldest first."""
        from vestibule.courier.transports import console

        while await self._vestibule.courier.send_due():
            pass
        found = await console.read(self._vestibule.settings.data_dir / "mail")
        return [
            Letter(
                to=each["to"],
                subject=each["subject"],
                text=each["text"],
                html=each["html"],
                links=tuple(each["links"]),
                code=each["code"],
            )
            for each in reversed(found)
            if to in (None, each["to"])
        ]


class SignedInClient(Protocol):
    """Returns a browser in which the account of `email` is signed in; opens it if there is none."""

    async def __call__(
        self,
        email: str = "ada@example.org",
        *,
        roles: Iterable[str] = (),
        verified: bool = True,
    ) -> "httpx.AsyncClient": ...


@pytest.fixture
def vestibule_settings() -> dict[str, Any]:
    """Settings of the app under test beside ours: override it with your own."""
    return {}


@pytest.fixture
def vestibule_factory() -> "Callable[[Vestibule], Quart]":
    """What makes the app out of a Vestibule: override it with yours; else it is the service."""
    from vestibule import create_app

    return create_app


@pytest.fixture
def moving_clock() -> "MovableClock":
    """The app's clock: `moving_clock.move(timedelta(days=1))`. Nobody waits in a test."""
    from vestibule.kernel.clock import MovableClock

    return MovableClock()


@pytest.fixture(scope="session")
def vestibule_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with the schema, to be copied: migrations take a while."""
    from vestibule.kernel import migrations
    from vestibule.kernel.database import Database

    path = tmp_path_factory.mktemp("vestibule") / "empty.db"

    async def make() -> None:
        database = Database(f"sqlite:///{path}")
        await migrations.upgrade(database)
        await database.close()

    with ThreadPoolExecutor(1) as threads:  # the loop of this one is the tests'
        threads.submit(asyncio.run, make()).result()
    return path


@async_fixture
async def vestibule_app(
    vestibule_factory: "Callable[[Vestibule], Quart]",
    vestibule_settings: dict[str, Any],
    vestibule_database: Path,
    moving_clock: "MovableClock",
    tmp_path: Path,
) -> "AsyncIterator[Quart]":
    """The app, running: on a database of its own, with cheap hashing and without limits."""
    from argon2 import PasswordHasher

    from vestibule import Settings, Vestibule
    from vestibule.kernel.limits import TABLE

    folder = tmp_path / "vestibule"
    folder.mkdir(mode=0o700)
    shutil.copy(vestibule_database, folder / "vestibule.db")
    given = {
        "mode": "development",
        "data_dir": folder,
        "database_url": f"sqlite:///{folder}/vestibule.db",
        "courier": False,  # the mailbox sends what waits when a test looks
        "limits": ", ".join(f"{name}=off" for name in TABLE),
    }
    app = vestibule_factory(
        Vestibule(
            Settings.load(**given | vestibule_settings),
            hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1),
            clock=moving_clock,
        )
    )
    await app.startup()
    yield app
    await app.shutdown()


@pytest.fixture
def mailbox(vestibule_app: "Quart") -> Mailbox:
    """The letters of the app: `[letter] = await mailbox.letters("ada@example.org")`."""
    return Mailbox(vestibule_app.extensions["vestibule"])


@async_fixture
async def _visitor(
    vestibule_app: "Quart",
) -> "AsyncIterator[Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]]":
    import httpx

    base_url = vestibule_app.extensions["vestibule"].settings.base_url
    async with AsyncExitStack() as open_ones:

        async def visit(headers: dict[str, str]) -> httpx.AsyncClient:
            transport: Any = httpx.ASGITransport(vestibule_app)  # type: ignore[arg-type]
            client = httpx.AsyncClient(transport=transport, base_url=base_url, headers=headers)
            return await open_ones.enter_async_context(client)

        yield visit


@async_fixture
async def signed_out_client(
    vestibule_app: "Quart", _visitor: "Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]"
) -> "httpx.AsyncClient":
    """A browser of a stranger, with a jar for cookies, on a page of the app's own origin."""
    from vestibule.kernel.settings import origin_of

    settings = vestibule_app.extensions["vestibule"].settings
    return await _visitor({"Origin": origin_of(settings.base_url)})


@pytest.fixture
def signed_in_client(
    vestibule_app: "Quart", _visitor: "Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]"
) -> SignedInClient:
    """Sign somebody in: `ada = await signed_in_client("ada@example.org", roles=["editor"])`."""
    from vestibule.testing import sign_in

    async def sign_somebody_in(
        email: str = "ada@example.org",
        *,
        roles: Iterable[str] = (),
        verified: bool = True,
    ) -> "httpx.AsyncClient":
        vestibule = vestibule_app.extensions["vestibule"]
        return await _visitor(await sign_in(vestibule, email, verified=verified, roles=roles))

    return sign_somebody_in
