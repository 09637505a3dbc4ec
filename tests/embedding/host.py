"""Somebody else's app, with a Vestibule in it, as its visitors reach it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any  # Any: whatever the settings take

from quart import Quart

from tests.world import CHEAP, GENEROUS, PASSWORD, Client, Mail, World
from vestibule import Settings, Vestibule
from vestibule.courier.transports import console
from vestibule.kernel.clock import MovableClock
from vestibule.web.api import surface as api
from vestibule.web.api import wellknown
from vestibule.web.pages import landing


def made(database_url: str, folder: Path, **settings: Any) -> Vestibule:
    given = {
        "database_url": database_url,
        "data_dir": folder / "data",
        "courier": False,
        "limits": GENEROUS,
    } | settings
    return Vestibule(Settings.load(**given), hasher=CHEAP, clock=MovableClock())


def mount(app: Quart, vestibule: Vestibule) -> Quart:
    """Do what the page on embedding says."""
    vestibule.init_app(app)
    app.register_blueprint(api.blueprint())
    app.register_blueprint(landing.blueprint())
    app.register_blueprint(wellknown.blueprint())
    return app


class Host(World):
    """A host's app that is running."""

    @classmethod
    @asynccontextmanager
    async def serving(cls, app: Quart, vestibule: Vestibule) -> AsyncIterator["Host"]:
        clock = vestibule.means.clock
        host = cls(vestibule, app, clock if isinstance(clock, MovableClock) else MovableClock())
        await app.startup()
        try:
            yield host
        finally:
            for client in host._clients:
                await client.aclose()
            await app.shutdown()

    async def mails(self, to: str | None = None) -> list[Mail]:
        while await self.vestibule.courier.send_due():
            pass
        found = []
        for letter in reversed(await console.read(self.vestibule.settings.data_dir / "mail")):
            to_whom, subject, text = letter["to"], letter["subject"], letter["text"]
            link = next(iter(letter["links"]), None)
            found.append(Mail(to_whom, subject, text, code=letter["code"], link=link))
        return [mail for mail in found if to in (None, mail.to)]

    async def named(self, username: str = "ada") -> Client:
        """Somebody with a name and no address, logged in, in a browser."""
        browser = self.browser()
        opened = await browser.sign_up(None, username=username)
        assert opened.status_code == 201, opened.text
        entered = await browser.log_in(username, PASSWORD)
        assert entered.status_code == 200, entered.text
        return browser
