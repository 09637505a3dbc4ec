"""The fixtures that the wheel brings along, used as its page and its example say."""

import asyncio
import re
import shutil
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.processes import outside

TOP = Path(__file__).parents[2]
EXAMPLE = TOP / "examples/tested"
PAGE = (TOP / "docs/testing.md").read_text("utf-8")


async def python(folder: Path, *words: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=folder,
        env=outside(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_the_example_and_the_page_pass_their_tests(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    conftest, tests = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (folder / "conftest.py").write_text(conftest)
    (folder / "test_page.py").write_text(tests)
    code, said = await python(folder, "-m", "pytest", "-q", "-W", "error")
    assert code == 0, said
    assert "9 passed" in said


async def test_without_a_word_of_ours_it_is_the_service_with_what_the_settings_say(
    tmp_path: Path,
) -> None:
    (tmp_path / "pytest.ini").write_text((EXAMPLE / "pytest.ini").read_text())
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.fixture\n"
        "def vestibule_settings():\n"
        "    return {'scopes': 'notes:read=user', 'limits': 'log_in_client=1/1h'}\n"
        "async def test_it(signed_in_client, signed_out_client):\n"
        "    ada = await signed_in_client()\n"
        "    assert (await ada.get('/v1/me')).json()['roles'] == ['user']\n"
        "    wrong = {'identifier': 'ada@example.org', 'password': 'not this one'}\n"
        "    codes = [(await signed_out_client.post('/v1/login', json=wrong)).status_code\n"
        "             for _ in range(2)]\n"
        "    assert codes == [401, 429]\n"
    )
    code, said = await python(tmp_path, "-m", "pytest", "-q", "-W", "error")
    assert code == 0, said


async def test_whoever_asks_for_nothing_imports_nothing_of_ours(tmp_path: Path) -> None:
    [found] = entry_points(group="pytest11", name="vestibule")
    assert found.value == "pytest_vestibule"
    asks = "import sys, pytest_vestibule; sys.exit('vestibule' in sys.modules)"
    assert (await python(tmp_path, "-c", asks)) == (0, "")


@pytest.mark.parametrize(
    "name",
    ["vestibule_app", "signed_in_client", "signed_out_client", "mailbox", "moving_clock"],
)
def test_each_fixture_is_on_the_page(name: str) -> None:
    assert f"| `{name}` |" in PAGE
    assert f"def {name}(" in (TOP / "src/pytest_vestibule.py").read_text("utf-8")
