"""The first screen of README.md, typed as it stands; only the port is another one."""

import asyncio
import re
from pathlib import Path

from tests.processes import serving

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


async def test_the_first_screen_works_as_it_stands(tmp_path: Path) -> None:
    block = re.search(r"```bash\n(.*?)```", README, re.DOTALL)
    assert block
    assert set(re.findall(r"(?:^|\| |\$\()(\w+) ", block[1], re.MULTILINE)) <= {
        *("curl", "sed", "echo", "sleep"),
    }
    async with serving(tmp_path) as served:
        typed = block[1].replace("http://localhost:8000", served.base_url)
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", typed),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await asyncio.wait_for(shell.communicate(), 30))[0].decode()
    assert shell.returncode == 0, said
    assert re.findall(r"^\d{3}$", said, re.MULTILINE) == ["202", "200", "200", "200", "204", "401"]
    assert re.search(
        rf"^[A-Z0-9]{{4}}-[A-Z0-9]{{4}} or {served.base_url}/verify-email\?token=\S+$",
        said,
        re.MULTILINE,
    ), said
    assert said.count('"email":"ada@example.org"') == 3


def test_its_links_lead_somewhere() -> None:
    folder = Path(__file__).parents[2]
    for link in re.findall(r"\]\(([^)#:]+)", README):
        assert (folder / link).exists(), link
