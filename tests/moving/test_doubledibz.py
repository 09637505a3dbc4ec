"""People of DoubleDibz' own table, with Werkzeug's hashes, in the dialect that stands in for it."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any  # Any: answers are JSON

import pytest

from tests.moving.hashes import made_from
from tests.test_cli import Shell
from tests.world import World

WORD = "123456"  # as the original's own sample has it: too common for a new one
IMPORT = (
    *("--table", "user", "--column", "username=user_name", "--column", "created_at=created_on"),
    *("--column", "roles=role_code", "--role", "0=admin", "--role", "2=user", "--verified", "none"),
)


def of_doubledibz(path: Path) -> str:
    hashed = made_from(WORD)
    kinds = sorted(each for each in hashed if "pbkdf2" in each or "scrypt" in each)
    people = [("spchuang", 0), ("kate", 1), ("Lou", 2), ("tess", 3)]
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE user (id INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT,"
            " user_name TEXT, email TEXT, created_on DATETIME, role_code SMALLINT, password TEXT)"
        )
        for number, (name, role) in enumerate(people, 1):
            row = (number, "Sam", "Chuang", name, f"{name}@example.org", "2015-08-01 10:00:00")
            kept = hashed[kinds[number % len(kinds)]]
            database.execute("INSERT INTO user VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, role, kept))
    return f"sqlite:///{path}"


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(VESTIBULE_DATABASE_URL=database_url, VESTIBULE_DATA_DIR=str(tmp_path / "data"))


def test_people_keep_their_number_their_role_and_their_password(
    shell: Shell, database_url: str, tmp_path: Path
) -> None:
    said = shell.works("accounts", "import", of_doubledibz(tmp_path / "dibz.db"), *IMPORT)
    assert "4 came" in said

    async def log_in() -> dict[str, Any]:
        told = {}
        async with World.running(database_url, tmp_path, dialects="doubledibz") as world:
            for name in ("spchuang", "kate", "lou", "tess"):
                client = world.browser()
                token = (await client.get("/api/helloworld/csrf")).text
                client.headers["X-CSRFToken"] = token
                for password in ("wrong", WORD):
                    fields = {"login": name, "password": password}
                    answer = await client.post("/api/auth/login", data=fields)
                    assert answer.is_success == (password == WORD), answer.text
                told[name] = answer.json()["data"]
        return told

    told = asyncio.run(log_in())
    assert [person["id"] for person in told.values()] == [1, 2, 3, 4]
    assert [person["role"] for person in told.values()] == ["admin", "user", "user", "user"]
    assert told["lou"]["user_name"] == "Lou"
    assert told["spchuang"]["email"] == "spchuang@example.org"
