"""A host with an Alembic of its own on our database: each sees and changes its own tables."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from tests.kernel.test_migrations import empty_postgres_url, empty_url  # noqa: F401 - fixtures
from vestibule.kernel import migrations
from vestibule.kernel.database import Base, Database
from vestibule.kernel.database_url import dialect_url

# As `alembic init -t async` writes it, and two lines of ours.
ENV = """
import asyncio

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

from vestibule import Account, include_name
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

metadata = MetaData()
Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner_id", ForeignKey(Account.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("text", String(200), nullable=False),
)


def migrate(connection):
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=include_name,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def online():
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url"))
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
        await connection.commit()
    await engine.dispose()


asyncio.run(online())
"""
SCRIPT = '''
"""${message}"""
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


@pytest.fixture
async def database(empty_url: str) -> AsyncIterator[Database]:  # noqa: F811 - the fixture
    made = Database(empty_url)
    yield made
    await made.close()


def alembic_of_a_host(folder: Path, database: Database, *, ours_left_out: bool = True) -> Config:
    folder.mkdir()
    (folder / "versions").mkdir()
    env = ENV if ours_left_out else ENV.replace("include_name=include_name,", "")
    (folder / "env.py").write_text(env)
    (folder / "script.py.mako").write_text(SCRIPT)
    config = Config()
    config.set_main_option("script_location", str(folder))
    url = dialect_url(database.engine.url.render_as_string(hide_password=False))
    config.set_main_option("sqlalchemy.url", str(url).replace("%", "%%"))
    return config


async def tables(database: Database) -> set[str]:
    async with database.engine.connect() as connection:
        return set(await connection.run_sync(lambda each: inspect(each).get_table_names()))


OURS = {*Base.metadata.tables, migrations.VERSION_TABLE}


async def test_both_upgrade_and_downgrade_beside_each_other(
    database: Database, tmp_path: Path
) -> None:
    await migrations.upgrade(database)
    host = alembic_of_a_host(tmp_path / "alembic", database)
    await asyncio.to_thread(command.revision, host, "notes", autogenerate=True)
    [written] = [each.read_text() for each in (tmp_path / "alembic/versions").glob("*.py")]
    assert "create_table('notes'" in written
    assert "accounts.id" in written
    for table in OURS:
        assert f"drop_table('{table}')" not in written

    await asyncio.to_thread(command.upgrade, host, "head")
    assert await tables(database) == OURS | {"notes", "alembic_version"}
    await asyncio.to_thread(command.check, host)  # nothing is left to write

    await migrations.upgrade(database)  # ours is not moved by theirs
    assert await migrations.current(database) == migrations.head()
    await asyncio.to_thread(command.downgrade, host, "base")
    assert await tables(database) == OURS | {"alembic_version"}
    assert await migrations.current(database) == migrations.head()

    await migrations.downgrade(database, "base")
    assert await tables(database) == {migrations.VERSION_TABLE, "alembic_version"}


async def test_without_the_line_a_hosts_alembic_would_drop_our_tables(
    database: Database, tmp_path: Path
) -> None:
    """What the line is for."""
    await migrations.upgrade(database)
    host = alembic_of_a_host(tmp_path / "alembic", database, ours_left_out=False)
    await asyncio.to_thread(command.revision, host, "notes", autogenerate=True)
    [written] = [each.read_text() for each in (tmp_path / "alembic/versions").glob("*.py")]
    assert "drop_table('sessions')" in written
