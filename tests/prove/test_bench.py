"""`make bench` comes to its end and measures everybody; its figures are for a machine at rest."""

import asyncio
import sys

import pytest

from tests.architecture.source import TOP
from tests.processes import outside

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]


async def test_a_trial_of_the_table_has_every_row_and_everybody() -> None:
    trial = await asyncio.create_subprocess_exec(
        *(sys.executable, TOP / "bench/table.py", "--quick"),
        env=outside(),
        stdout=asyncio.subprocess.PIPE,
    )
    told = (await trial.communicate())[0].decode()
    print(f"\n{told}")  # noqa: T201
    assert trial.returncode == 0
    head, *rows = told.partition("\n\n")[0].splitlines()
    for name in ("Vestibule", "Vestibule, granian", "fastapi-users", "Flask-JWT-Extended"):
        assert name in head
    rates = [row for row in rows if "µs" in row]
    assert len(rates) == 7
    assert len(rows) == len(rates) + 8
    assert "Vestibule" not in told.partition("What failed")[2]
    for row in rows:
        cells = row[42:].replace("not there", "-").replace(" (", "(").split()
        assert len(cells) == 4, row
        assert all(each == "-" or float(each.partition("(")[0]) >= -20 for each in cells), row
