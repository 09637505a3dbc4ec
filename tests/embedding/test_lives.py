"""How a Vestibule starts and stops with the apps that it is in, and where they may put it."""

import asyncio
import threading
from pathlib import Path
from typing import Any  # Any: what a receiver is told

import pytest
from quart import Blueprint, Quart
from quart.typing import ResponseReturnValue
from quart_schema import QuartSchema

from tests.embedding.host import Host, made, mount
from tests.world import PASSWORD
from vestibule import Vestibule, current_account
from vestibule.testing import sign_in
from vestibule.web.api import surface as api
from vestibule.web.pages import landing


async def arrived(vestibule: Vestibule, to: str) -> None:
    folder = vestibule.settings.data_dir / "mail"
    async with asyncio.timeout(10):
        while not any(to in each.read_text() for each in folder.glob("*.json")):
            await asyncio.sleep(0.02)


async def test_one_vestibule_works_until_the_last_of_its_apps_stops(
    database_url: str, tmp_path: Path
) -> None:
    vestibule = made(database_url, tmp_path, courier=True)
    shop, office = mount(Quart("shop"), vestibule), mount(Quart("office"), vestibule)
    await shop.startup()
    async with Host.serving(office, vestibule) as host:
        await host.browser().sign_up("ada@example.org")
        await arrived(vestibule, "ada@example.org")
        await shop.shutdown()
        await host.browser().sign_up("grace@example.org")
        await arrived(vestibule, "grace@example.org")
        await shop.startup()
    visitor = Host(vestibule, shop, host.clock).browser()
    await visitor.sign_up("joan@example.org")
    await arrived(vestibule, "joan@example.org")
    await visitor.aclose()
    await shop.shutdown()


def workers() -> int:
    """How many of the loop's tasks are a Vestibule's own: others come and go with each session."""
    lasting = {"Worker.run", "keep_pruning", "Vestibule._write_touches"}
    coroutines = (task.get_coro() for task in asyncio.all_tasks())
    return sum(getattr(each, "__qualname__", "") in lasting for each in coroutines)


async def test_a_second_app_does_not_start_the_courier_twice(
    database_url: str, tmp_path: Path
) -> None:
    vestibule = made(database_url, tmp_path, courier=True)
    async with Host.serving(mount(Quart("shop"), vestibule), vestibule):
        assert workers() == 3
        async with Host.serving(mount(Quart("office"), vestibule), vestibule):
            assert workers() == 3
        assert workers() == 3
    assert workers() == 0


def test_after_a_start_that_broke_off_the_next_one_is_whole(
    sqlite_url: str, tmp_path: Path
) -> None:
    vestibule = made(sqlite_url, tmp_path, courier=True)
    app = mount(Quart("host"), vestibule)
    broken = [True]

    @app.before_serving
    async def stumble() -> None:
        if broken:
            raise ZeroDivisionError

    async def live() -> None:
        async with Host.serving(app, vestibule) as host:
            await host.browser().sign_up("ada@example.org")
            await arrived(vestibule, "ada@example.org")

    with pytest.raises(ZeroDivisionError):
        asyncio.run(live())
    broken.clear()
    asyncio.run(live())


async def test_what_an_app_does_at_its_end_finds_us_still_there(
    sqlite_url: str, tmp_path: Path
) -> None:
    vestibule = made(sqlite_url, tmp_path)
    app = mount(Quart("host"), vestibule)
    done: list[str] = []

    @app.after_serving
    async def say_goodbye() -> None:
        async with vestibule.unit() as unit:
            done.append(await unit.passwords.hash(PASSWORD))

    async with Host.serving(app, vestibule):
        pass
    assert len(done) == 1
    await asyncio.to_thread(_hashing_ends)


def _hashing_ends() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("vestibule-hash"):
            thread.join(5)
            assert not thread.is_alive(), "the stop came first, and nobody stops this one"


async def test_an_app_that_nobody_started_says_so(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vestibule = made(sqlite_url, tmp_path)
    app = mount(Quart("host"), vestibule)
    told: list[str] = []

    @app.get("/mine")
    async def mine() -> ResponseReturnValue:
        try:
            await current_account()
        except RuntimeError as error:
            told.append(str(error))
        return {}

    client = app.test_client()
    for path in ("/v1/login", "/verify-email"):
        caplog.clear()
        assert (await client.post(path, json={})).status_code == 500
        assert "async with app.test_app()" in caplog.text
    await client.get("/mine")
    assert len(told) == 1
    assert "async with app.test_app()" in told[0]
    async with app.test_app() as running:
        assert (await running.test_client().post("/v1/login", json={})).status_code == 422
    await vestibule.stop()


async def test_a_surface_stands_inside_of_another_blueprint_and_twice(
    database_url: str, tmp_path: Path
) -> None:
    vestibule = made(database_url, tmp_path)
    app = Quart("host")
    QuartSchema(app)
    vestibule.init_app(app)
    inner, passed = Blueprint("inner", __name__, url_prefix="/shop"), []

    @inner.before_request
    async def count() -> None:
        passed.append(1)

    inner.register_blueprint(api.blueprint(), url_prefix="/auth")
    inner.register_blueprint(landing.blueprint())
    app.register_blueprint(inner)
    with pytest.raises(ValueError, match="name="):
        app.register_blueprint(inner)
    app.register_blueprint(api.blueprint(), url_prefix="/old", name="old")
    async with Host.serving(app, vestibule) as host:
        browser = host.browser()
        ada = await sign_in(vestibule)
        for prefix in ("/shop/auth", "/old"):
            me = await browser.get(f"{prefix}/me", headers=ada)
            assert me.json()["email"] == "ada@example.org"
            for answer, code in (
                (await browser.get(f"{prefix}/me"), "not_signed_in"),
                (await browser.post(f"{prefix}/login", json={}), "invalid_fields"),
                (await browser.post(f"{prefix}/login", content=b"x"), "wrong_media_type"),
                (await browser.post(f"{prefix}/login", content=b" " * 70_000), "body_too_large"),
            ):
                assert answer.json()["code"] == code
        assert len(passed) == 5
        assert (await browser.get("/shop/verify-email?token=x")).status_code == 200
        paths = (await browser.get("/openapi.json")).json()["paths"]
        assert {"/shop/auth/me", "/shop/auth/login", "/old/me", "/old/login"} <= set(paths)


async def test_an_async_receiver_is_awaited_whatever_it_is_wrapped_in(
    sqlite_url: str, tmp_path: Path
) -> None:
    vestibule = made(sqlite_url, tmp_path)
    heard: list[str] = []

    class Listener:
        async def __call__(self, _sender: object, **_: Any) -> None:
            heard.append("object")

    async def listen(_sender: object, **_: Any) -> None:
        heard.append("wrapped")

    def wrapper(sender: object, **told: Any) -> Any:
        return listen(sender, **told)

    vestibule.signals.account_opened.connect(Listener())
    vestibule.signals.account_opened.connect(wrapper)
    app = mount(Quart("host"), vestibule)
    async with Host.serving(app, vestibule):
        await sign_in(vestibule)
        await vestibule.signals.drain()
    assert sorted(heard) == ["object", "wrapped"]


@pytest.mark.parametrize("raised", [SystemExit, StopIteration, asyncio.CancelledError])
async def test_what_a_receiver_raises_ends_the_receiver_only(
    raised: type[BaseException], sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    vestibule = made(sqlite_url, tmp_path)

    @vestibule.signals.account_opened.connect
    def in_a_thread(_sender: object, **_: Any) -> None:
        raise raised

    @vestibule.signals.account_opened.connect
    async def on_the_loop(_sender: object, **_: Any) -> None:
        raise raised

    async with Host.serving(mount(Quart("host"), vestibule), vestibule) as host:
        await host.named()
        await vestibule.signals.drain()
        assert "cut off" not in caplog.text, "it is over at once"
        if raised is not asyncio.CancelledError:
            assert caplog.text.count("account_opened failed") == 2
        assert (await host.browser().log_in("ada", PASSWORD)).status_code == 200
