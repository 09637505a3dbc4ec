"""The page on embedding and the example, run as they stand there."""

import asyncio
import re
import socket
import sys
from pathlib import Path
from typing import Any, cast  # Any: the examples' own names

import httpx
import pytest
from quart import Quart
from sqlalchemy import select

from tests.embedding.host import Host
from tests.processes import outside
from tests.world import PASSWORD
from vestibule import Settings, Vestibule
from vestibule.kernel.signals import Signal

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/embedding.md").read_text("utf-8")
EXAMPLE = TOP / "examples/embedded"


async def test_the_blocks_of_the_page_make_an_app_that_works(tmp_path: Path) -> None:
    *blocks, tests = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {"__name__": "shop"}
    for block in blocks:
        exec(compile(block, "embedding.md", "exec"), names)
    app, vestibule = cast(Quart, names["app"]), cast(Vestibule, names["vestibule"])

    @app.before_serving
    async def create_tables() -> None:
        async with vestibule.unit() as unit:
            await (await unit.session.connection()).run_sync(names["Base"].metadata.create_all)

    async with Host.serving(app, vestibule) as host:
        ada, stranger = host.browser(), host.browser()
        assert (await stranger.get("/greeting")).json() == {"hello": "stranger"}
        assert (await stranger.post("/orders")).headers["Location"] == "/log-in"
        opened = await ada.sign_up(None, username="ada")
        assert opened.status_code == 201
        assert (await ada.log_in("ada", PASSWORD)).status_code == 200
        assert (await ada.get("/greeting")).json() == {"hello": "ada"}
        assert (await ada.post("/orders")).json() == {"ordered": True}
        assert (await ada.post("/reviews")).json()["code"] == "address_not_proved"
        assert (await ada.post("/notes", json={"text": "x"})).json() == {"text": "x"}
        assert (await ada.get("/verify-email?token=x")).status_code == 200
        await vestibule.signals.drain()
        await names["place_order"](opened_id := names["UUID"](opened.json()["id"]))
        async with vestibule.unit(reading=True) as unit:
            orders = (await unit.session.scalars(select(names["Order"]))).all()
        assert [each.owner_id for each in orders] == [opened_id] * 2

    def create_app(settings: Settings) -> Quart:
        made = Quart("shop")
        Vestibule(settings).init_app(made)
        made.add_url_rule("/orders", view_func=app.view_functions["order"], methods=["POST"])
        return made

    names["create_app"] = create_app
    exec(compile(tests, "embedding.md", "exec"), names)
    await names["test_an_order_is_placed"](tmp_path)


def test_the_page_tells_of_every_signal(tmp_path: Path) -> None:
    vestibule = Vestibule(Settings.load(data_dir=tmp_path / "data"))
    told = set(re.findall(r"`(\w+)`", PAGE.partition("| signal |")[2].partition("\n\n")[0]))
    named = {name for name, each in vars(vestibule.signals).items() if isinstance(each, Signal)}
    assert named <= told


@pytest.mark.parametrize(
    "server",
    [
        "hypercorn",
        pytest.param("granian", marks=pytest.mark.prove),
        pytest.param("quart", marks=pytest.mark.prove),
    ],
)
async def test_the_example_works_as_its_page_says(server: str, tmp_path: Path) -> None:
    page = (EXAMPLE / "README.md").read_text("utf-8")
    [(bound, app)] = re.findall(r"hypercorn --bind (localhost:8000) (\S+)", page)
    [typed] = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    here = f"localhost:{port}"
    name, _, _ = app.partition(":")
    command = {
        "hypercorn": ("--bind", here, app),
        "granian": ("--interface", "asgi", "--host", "127.0.0.1", "--port", port, app),
        "quart": ("--app", name, "run", "--host", "localhost", "--port", port),
    }
    said = (tmp_path / "said").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", server, *command[server]),
        cwd=tmp_path,
        env=outside(
            VESTIBULE_BASE_URL=f"http://{here}",
            PYTHONPATH=f"{EXAMPLE}:{':'.join(sys.path)}",
            PYTHONDONTWRITEBYTECODE="1",
        ),
        stdout=said,
        stderr=said,
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://{here}") as browser:
            await _reached(browser)
            script = typed.replace(f"http://{bound}", f"http://{here}")
            shell = await asyncio.create_subprocess_exec(
                *("bash", "-euo", "pipefail", "-c", script),
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            answered = (await asyncio.wait_for(shell.communicate(), 30))[0].decode()
            assert shell.returncode == 0, answered
            assert re.findall(r"^\d{3}$", answered, re.MULTILINE) == ["201", "200", "403"], answered
            assert "Welcome! This is your first note." in answered
            assert "Buy tea" in answered
            assert "address_not_proved" in answered
            page_for_strangers = await browser.get("/", follow_redirects=True)
            assert page_for_strangers.url.path == "/log-in"
            who = {"identifier": "ada", "password": "correct horse battery"}
            assert (await browser.post("/auth/login", json=who)).status_code == 200
            assert "<li>Buy tea</li>" in (await browser.get("/")).text
            odd = await browser.post("/notes", json=[], headers={"Origin": f"http://{here}"})
            assert odd.status_code == 422
    finally:
        process.terminate()
        status = await asyncio.wait_for(process.wait(), 20)
        said.close()
    assert status == 0, (tmp_path / "said").read_text()


async def _reached(browser: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                assert (await browser.get("/notes")).status_code == 401
            except httpx.ConnectError:
                await asyncio.sleep(0.05)
            else:
                return
