"""What tests do to the service and what they can see of it: requests, letters, the clock."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast  # Any: answers are JSON

import httpx
from argon2 import PasswordHasher
from quart import Quart
from sqlalchemy import Executable

from vestibule import Settings, Vestibule, create_app
from vestibule.accounts import queries
from vestibule.courier.transports import Transport
from vestibule.kernel.clock import Clock, MovableClock
from vestibule.roles import grants

# Where limits are not the point, nobody meets one. Codes keep theirs: their tests are everywhere.
GENEROUS = ", ".join(
    f"{name}=1000000/1h"
    for name in (
        "sign_up_client",
        "log_in_client",
        "log_in_identifier",
        "log_in_account",
        "log_in_device",
        "letters",
        "forgot_client",
        "provider_client",
        "provider_refusals",
        "address_changes",
        "api_keys",
        "classic_log_in",
        "classic_hour",
        "classic_day",
        "requests",
    )
)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "a staple of wrong horses"


class Held(PasswordHasher):
    """Verifies nothing before it may."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.may_go = threading.Event()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - theirs
        assert self.may_go.wait(60)
        return super().verify(hash, password)


@dataclass(frozen=True)
class Mail:
    """A letter as it arrived."""

    to: str
    subject: str
    text: str
    code: str | None
    link: str | None

    @property
    def token(self) -> str:
        assert self.link is not None
        return self.link.replace("token=", "/").rpartition("/")[2]


class Client(httpx.AsyncClient):
    """Somebody with a cookie jar. By default a program; `browser` sends what browsers send."""

    async def sign_up(self, email: str | None = "ada@example.org", **fields: Any) -> httpx.Response:
        body = {"password": PASSWORD} | ({} if email is None else {"email": email}) | fields
        return await self.post("/v1/accounts", json=body)

    async def prove(self, **fields: Any) -> httpx.Response:
        return await self.post("/v1/accounts/verification", json=fields)

    async def log_in(
        self, identifier: str = "ada@example.org", password: str = PASSWORD, **fields: Any
    ) -> httpx.Response:
        body = {"identifier": identifier, "password": password} | fields
        return await self.post("/v1/login", json=body)

    async def forget(self, email: str = "ada@example.org") -> httpx.Response:
        return await self.post("/v1/password/forgot", json={"email": email})

    async def reset(self, password: str = NEW_PASSWORD, **fields: Any) -> httpx.Response:
        return await self.post("/v1/password/reset", json={"password": password} | fields)

    async def change_password(
        self, new: str = NEW_PASSWORD, current: str = PASSWORD, **more: Any
    ) -> httpx.Response:
        body = {"current_password": current, "new_password": new}
        return await self.post("/v1/me/password", json=body, **more)


class World:
    """One running service."""

    def __init__(self, vestibule: Vestibule, app: Quart, clock: MovableClock) -> None:
        self.vestibule = vestibule
        self.app = app
        self.clock = clock
        self._clients: list[Client] = []

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        database_url: str,
        folder: Path,
        *,
        hasher: PasswordHasher = CHEAP,
        transport: Transport | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> AsyncIterator["World"]:
        given = {
            "database_url": database_url,
            "data_dir": folder / "data",
            "courier": False,
            "limits": GENEROUS,
        } | settings
        movable = MovableClock()
        vestibule = Vestibule(
            Settings.load(**given), hasher=hasher, clock=clock or movable, transport=transport
        )
        world = cls(vestibule, create_app(vestibule), movable)
        try:
            await world.app.startup()
            yield world
        finally:
            for client in world._clients:
                await client.aclose()
            await world.app.shutdown()

    def client(self, *, address: str = "127.0.0.1", **headers: str) -> Client:
        """A program with a cookie jar of its own, whose connections come from `address`."""
        made = Client(
            transport=httpx.ASGITransport(
                cast(Any, self.app), raise_app_exceptions=False, client=(address, 50_000)
            ),
            base_url=self.vestibule.settings.base_url,
            headers=headers,
        )
        self._clients.append(made)
        return made

    def browser(self, *, address: str = "127.0.0.1", **headers: str) -> Client:
        """A page of our own origin."""
        own = {"Origin": self.vestibule.settings.base_url}
        return self.client(address=address, **own | headers)

    async def mails(self, to: str | None = None) -> list[Mail]:
        """Let the courier work, and return what arrived, oldest first."""
        while await self.vestibule.courier.send_due():
            pass
        answer = await self.client().get("/dev/mailbox", headers={"Accept": "application/json"})
        found = [
            Mail(
                to=letter["to"],
                subject=letter["subject"],
                text=letter["text"],
                code=letter.get("code"),
                link=(letter["links"] or [None])[0],
            )
            for letter in reversed(answer.json())
        ]
        return [mail for mail in found if to in (None, mail.to)]

    async def rows(self, statement: Executable) -> list[Any]:
        """Look into the database, where that is the point."""
        async with self.vestibule.unit() as unit:
            return list((await unit.session.execute(statement)).all())

    async def give(self, email: str, *roles: str) -> None:
        """Make somebody who has an account more than a user."""
        async with self.vestibule.unit() as unit:
            account = await queries.by_identifier(unit, email)
            assert account is not None
            for role in roles:
                await grants.grant(unit, account.id, role)

    async def member(self, email: str = "ada@example.org", **fields: Any) -> Client:
        """Somebody who signed up, proved the address and logged in, in a browser."""
        browser = self.browser()
        asked = await browser.sign_up(email, **fields)
        assert asked.status_code == 202, asked.text
        mail = (await self.mails(email))[-1]
        proved = await browser.prove(sign_up=asked.json()["sign_up"], code=mail.code)
        assert proved.status_code == 200, proved.text
        entered = await browser.log_in(email, fields.get("password", PASSWORD))
        assert entered.status_code == 200, entered.text
        return browser
