"""Servers killed while a password is reset or an address changes: it happened, or it did not."""

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any  # Any: letters and bodies are JSON

import httpx
import pytest

from tests.faults.fleet import SECRET, Fleet
from tests.processes import outside
from tests.world import NEW_PASSWORD, PASSWORD
from vestibule.kernel.limits import TABLE

AT_SIZE = [pytest.mark.prove, pytest.mark.timeout(3000)]
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


class Person:
    """Somebody with an account, at whichever server runs."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet, self.email = fleet, f"{name}@example.org"
        self.cookies: dict[str, str] = {}

    async def ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        base_url = f"http://127.0.0.1:{self.fleet.ports[0]}"
        async with httpx.AsyncClient(base_url=base_url, timeout=20, cookies=self.cookies) as client:
            return await client.request(method, path, json=body or None, headers=SAME_SITE)

    async def letter(self, to: str, subject: str) -> dict[str, Any]:
        """Wait for the newest letter."""
        async with asyncio.timeout(20):
            while True:
                shown = await self.mailbox()
                for each in shown.json():
                    if each["to"] == to and subject in each["subject"]:
                        return dict(each)
                await asyncio.sleep(0.05)

    async def mailbox(self) -> httpx.Response:
        base_url = f"http://127.0.0.1:{self.fleet.ports[0]}"
        async with httpx.AsyncClient(base_url=base_url, timeout=20) as client:
            return await client.get("/dev/mailbox", headers={"Accept": "application/json"})

    async def join(self) -> None:
        asked = await self.ask("POST", "/v1/accounts", email=self.email, password=PASSWORD)
        code = (await self.letter(self.email, ""))["code"]
        handle = asked.json()["sign_up"]
        proved = await self.ask("POST", "/v1/accounts/verification", sign_up=handle, code=code)
        assert proved.status_code == 200, proved.text
        entered = await self.log_in(PASSWORD)
        assert entered.status_code == 200, entered.text
        self.cookies = {"vestibule": entered.cookies["vestibule"]}

    async def log_in(self, password: str) -> httpx.Response:
        """In another browser: in this one it would end the session that there is."""
        other = Person(self.fleet, self.email.partition("@")[0])
        return await other.ask("POST", "/v1/login", identifier=self.email, password=password)


async def killed(fleet: Fleet, act: asyncio.Task[httpx.Response]) -> int:
    """Kill the server while it works; return what was answered, 0 for nothing."""
    await asyncio.sleep(random.uniform(0.005, 0.2))
    await fleet.kill_one()
    try:
        return (await act).status_code
    except httpx.TransportError:
        return 0


def off(database_url: str) -> dict[str, str]:
    limits = ", ".join(f"{name}=off" for name in TABLE)
    return {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_LIMITS": limits}


@pytest.mark.fault("F-03")
@pytest.mark.parametrize("kills", [1, pytest.param(250, marks=AT_SIZE)])
async def test_a_reset_under_which_the_server_died_happened_whole_or_not_at_all(
    database_url: str, tmp_path: Path, kills: int
) -> None:
    outcomes: Counter[str] = Counter()
    async with Fleet(tmp_path, 1, **off(database_url)) as fleet:
        for number in range(kills):
            ada = Person(fleet, f"ada{number}")
            await ada.join()
            assert (await ada.ask("POST", "/v1/password/forgot", email=ada.email)).is_success
            letter = await ada.letter(ada.email, "A new password")
            token = letter["links"][0].rpartition("/")[2]
            given = {"token": token, "password": NEW_PASSWORD}
            reset = asyncio.create_task(ada.ask("POST", "/v1/password/reset", **given))
            answer = await killed(fleet, reset)
            is_new = (await ada.log_in(NEW_PASSWORD)).status_code == 200
            is_old = (await ada.log_in(PASSWORD)).status_code == 200
            lives = (await ada.ask("GET", "/v1/me")).status_code == 200
            again = (await ada.ask("POST", "/v1/password/reset", **given)).status_code
            assert (is_new, is_old, lives, again) in (
                (True, False, False, 400),
                (False, True, True, 204),
            ), answer
            assert answer == 0 or is_new
            outcomes[f"{'answered' if answer else 'unheard'}, {'new' if is_new else 'old'}"] += 1
    print(f"\n  {kills} kills during a reset: {dict(outcomes)}")  # noqa: T201


@pytest.mark.fault("F-03")
@pytest.mark.parametrize("kills", [1, pytest.param(250, marks=AT_SIZE)])
async def test_a_change_of_address_under_which_the_server_died_happened_whole_or_not_at_all(
    database_url: str, tmp_path: Path, kills: int
) -> None:
    outcomes: Counter[str] = Counter()
    async with Fleet(tmp_path, 1, **off(database_url)) as fleet:
        for number in range(kills):
            ada = Person(fleet, f"ada{number}")
            new = f"new{number}@example.org"
            await ada.join()
            assert (await ada.ask("POST", "/v1/me/email", email=new)).status_code == 202
            code = (await ada.letter(new, "Confirm your new address"))["code"]
            prove = asyncio.create_task(ada.ask("POST", "/v1/email/confirmation", code=code))
            answer = await killed(fleet, prove)
            email = (await ada.ask("GET", "/v1/me")).json()["email"]
            again = (await ada.ask("POST", "/v1/email/confirmation", code=code)).status_code
            assert (email, again) in ((new, 400), (ada.email, 200)), answer
            assert answer == 0 or email == new
            told = await ada.letter(ada.email, "was changed")
            undone = await ada.ask(
                "POST", "/v1/email/undo", token=told["links"][0].partition("token=")[2]
            )
            assert undone.status_code == 200
            outcomes[f"{'answered' if answer else 'unheard'}, {email == new}"] += 1
    print(f"\n  {kills} kills during a change of address: {dict(outcomes)}")  # noqa: T201


@pytest.mark.fault("F-03")
@pytest.mark.parametrize("kills", [1, pytest.param(250, marks=AT_SIZE)])
async def test_a_change_of_roles_under_which_the_server_died_happened_whole_or_not_at_all(
    database_url: str, tmp_path: Path, kills: int
) -> None:
    outcomes: Counter[str] = Counter()
    async with Fleet(tmp_path, 1, **off(database_url)) as fleet:
        root, ada = Person(fleet, "root"), Person(fleet, "ada")
        await root.join()
        await ada.join()
        await granted(root.email, "admin", database_url)
        roles = f"/v1/admin/accounts/{(await ada.ask('GET', '/v1/me')).json()['id']}/roles"
        had, told = ["user"], await newest(ada)
        for _ in range(kills):
            root.cookies = {"vestibule": (await root.log_in(PASSWORD)).cookies["vestibule"]}
            wanted = ["user"] if "editor" in had else ["editor", "user"]
            change = asyncio.create_task(root.ask("PUT", roles, roles=wanted))
            answer = await killed(fleet, change)
            has = (await ada.ask("GET", "/v1/me")).json()["roles"]
            assert has in (had, wanted), answer
            assert answer == 0 or has == wanted
            before, told = told, await newest(ada)
            assert (told != before) == (has != had)
            had = has
            outcomes[f"{'answered' if answer else 'unheard'}, {has == wanted}"] += 1
    print(f"\n  {kills} kills during a change of roles: {dict(outcomes)}")  # noqa: T201


async def granted(email: str, role: str, database_url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vestibule", "accounts", "grant", email, role),
        env=outside(VESTIBULE_SECRETS=SECRET, VESTIBULE_DATABASE_URL=database_url),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await process.wait() == 0


async def newest(person: Person) -> tuple[str, str]:
    """What the audit log tells somebody last of their own account."""
    answer = await person.ask("GET", "/v1/me/audit?limit=1")
    [entry] = answer.json()["entries"]
    return entry["event"], entry["id"]
