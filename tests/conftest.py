"""A Vestibule of its own for every test, on each database, reached as a stranger would reach it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.postgres import Server, server
from tests.redis_server import Redis
from tests.reused import PRISTINE, Reused
from tests.warm import stay_warm
from tests.world import World
from vestibule.kernel import migrations
from vestibule.kernel.database import Database
from vestibule.throttle import in_redis


@pytest.fixture(autouse=True, scope="session")
def _warm() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        stay_warm(patch)
        yield


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("VESTIBULE_") or name in ("HOST", "PORT", "WEB_CONCURRENCY"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)  # no .env of the person who runs the tests


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server() as running:
        yield running


@pytest.fixture(scope="session")
async def postgres_template(postgres: Server) -> str:
    postgres.create("template")
    database = Database(postgres.url("template"))
    await migrations.upgrade(database)
    await database.close()
    return "template"


@pytest.fixture(scope="session")
async def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    database = Database(f"sqlite:///{path}")
    await migrations.upgrade(database)
    await database.close()
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres: Server, postgres_template: str) -> Iterator[Reused]:
    postgres.create("reused", template=postgres_template)
    postgres.execute(PRISTINE, database="reused")
    made = Reused(postgres, "reused")
    assert made.restore(), "every test would pay for a database of its own"
    yield made
    made.close()


@pytest.fixture
def postgres_url(postgres_database: Reused) -> Iterator[str]:
    yield postgres_database.url
    postgres_database.restore()


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture(scope="session")
def redis_running() -> Iterator[Redis]:
    with TemporaryDirectory(prefix="vestibule-") as folder:  # a socket's path must be short
        running = Redis(Path(folder))
        running.start()
        yield running
        running.kill()


@pytest.fixture
def redis(redis_running: Redis) -> Redis:
    """An empty Redis."""
    redis_running.say("FLUSHALL")
    return redis_running


@pytest.fixture
def patient_redis(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Redis:
    """Redis that is waited for: what a slow one means is not the point, and the machine is busy."""
    for name in ("_CONNECTING", "_ANSWERING", "_PATIENCE"):
        monkeypatch.setattr(in_redis, name, 20.0)
    return redis


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database with our schema: each test runs on both."""
    url: str = request.getfixturevalue(
        "sqlite_url" if request.param == "sqlite" else "postgres_url"
    )
    return url


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def counted_in(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings for each place where limits may be counted."""
    if request.param == "redis":
        redis = request.getfixturevalue("patient_redis")
        return {"database_url": request.getfixturevalue("sqlite_url"), "redis_url": redis.url}
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return {"database_url": request.getfixturevalue(name)}


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """The service in development mode; letters are sent when the test looks for them."""
    async with World.running(database_url, tmp_path) as made:
        yield made


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name what is long or has no name of its own by its column: names stay short, and the same."""
    if isinstance(val, (str, bytes)) and len(val) > 60:
        return argname
    return None
