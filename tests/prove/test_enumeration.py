"""What a stranger could learn from the clock: 500 and 500 samples in turns, over one connection.

Held apart are an address that has an account and one that has none. They may not differ by more
than chance (Mann-Whitney, p > 0.01), or else by less than 2 ms in the median, which is a twelfth of
what the hash takes and less than a network's own unrest.
"""

import math
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.processes import Served, serving
from tests.world import PASSWORD
from vestibule.kernel.limits import TABLE

pytestmark = [pytest.mark.prove, pytest.mark.timeout(600), pytest.mark.attack("A-048")]

PAIRS = 500
KNOWN = "known@victim.test"
OWN = {"Sec-Fetch-Site": "same-origin"}
OFF = ", ".join(f"{name}=off" for name in TABLE)
LETTERS = "/v1/accounts/verification/letters"
Asking = Callable[[], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Door:
    """A warm connection to a process in which `KNOWN` has an account."""

    client: httpx.AsyncClient

    async def sign_up(self, email: str) -> httpx.Response:
        return await self.client.post("/v1/accounts", json={"email": email, "password": PASSWORD})

    async def log_in(self, email: str, password: str) -> httpx.Response:
        body = {"identifier": email, "password": password}
        return await self.client.post("/v1/login", json=body)

    async def forget(self, email: str) -> httpx.Response:
        return await self.client.post("/v1/password/forgot", json={"email": email})

    async def reset(self, email: str) -> httpx.Response:
        body = {"email": email, "code": "2222-2222", "password": "a staple of wrong horses"}
        return await self.client.post("/v1/password/reset", json=body)

    async def move(self, email: str) -> httpx.Response:
        return await self.client.post("/v1/me/email", json={"email": email}, headers=OWN)

    async def resend(self, handle: str) -> httpx.Response:
        return await self.client.post(LETTERS, json={"sign_up": handle})


@pytest.fixture
async def door(database_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    async with (
        serving(tmp_path, VESTIBULE_DATABASE_URL=database_url) as served,
        served.client() as client,
    ):
        door = Door(client)
        await open_account(served, door)
        yield door


async def open_account(served: Served, door: Door) -> None:
    asked = await door.sign_up(KNOWN)
    code = None
    while code is None:
        shown = await door.client.get("/dev/mailbox", headers={"Accept": "application/json"})
        code = next((each["code"] for each in shown.json() if each["to"] == KNOWN), None)
    body = {"sign_up": asked.json()["sign_up"], "code": code}
    proved = await door.client.post("/v1/accounts/verification", json=body)
    assert proved.status_code == 200, proved.text
    assert (await door.log_in(KNOWN, PASSWORD)).status_code == 200


async def hold(what: str, known: Asking, unknown: Asking, *, status: int) -> None:
    """Assert that the two take as long as each other."""
    times: dict[Asking, list[float]] = {known: [], unknown: []}
    order = random.Random(4711)
    for asked in range(PAIRS + 20):
        for ask in order.sample([known, unknown], 2):
            start = time.perf_counter()
            answer = await ask()
            lasted = time.perf_counter() - start
            assert answer.status_code == status, answer.text
            if asked >= 20:  # what is warm by then
                times[ask].append(lasted)
    apart = abs(statistics.median(times[known]) - statistics.median(times[unknown])) * 1e3
    chance = mann_whitney(times[known], times[unknown])
    print(  # noqa: T201
        f"\n  {what}: known {statistics.median(times[known]) * 1e3:.2f} ms, "
        f"medians {apart:.3f} ms apart, p = {chance:.3f}"
    )
    assert chance > 0.01 or apart < 2


def mann_whitney(one: list[float], other: list[float]) -> float:
    """Return how likely chance alone would set two samples so far apart (no ties: times)."""
    ranked = sorted([(each, True) for each in one] + [(each, False) for each in other])
    ranks = sum(place for place, (_, ours) in enumerate(ranked, start=1) if ours)
    n, m = len(one), len(other)
    u = ranks - n * (n + 1) / 2
    z = (u - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return math.erfc(abs(z) / math.sqrt(2))


def test_the_measure_tells_what_differs_from_what_does_not() -> None:
    draw = random.Random(1)

    def chances(apart: float) -> list[float]:
        pairs = [
            [[draw.gauss(25 + more, 2) for _ in range(PAIRS)] for more in (0, apart)]
            for _ in range(200)
        ]
        return [mann_whitney(one, other) for one, other in pairs]

    assert sum(each < 0.01 for each in chances(0)) < 8
    assert max(chances(1)) < 0.01


@pytest.mark.parametrize(
    "password", ["not this one", "", "x" * 4096], ids=["wrong", "none", "long"]
)
async def test_a_log_in_takes_as_long_for_a_stranger_as_for_an_account(
    door: Door, password: str
) -> None:
    await hold(
        "log-in",
        lambda: door.log_in(KNOWN, password),
        lambda: door.log_in("nobody@victim.test", password),
        status=401,
    )


async def test_a_sign_up_takes_as_long_for_a_taken_address_as_for_a_free_one(door: Door) -> None:
    numbers = count()
    await hold(
        "sign-up",
        lambda: door.sign_up(KNOWN),
        lambda: door.sign_up(f"{next(numbers)}@victim.test"),
        status=202,
    )


async def test_a_letter_asked_for_again_takes_as_long_whoever_has_the_address(door: Door) -> None:
    known, unknown = [
        (await door.sign_up(each)).json()["sign_up"] for each in (KNOWN, "nobody@victim.test")
    ]
    await hold("resend", lambda: door.resend(known), lambda: door.resend(unknown), status=202)


@pytest.fixture
async def open_door(database_url: str, tmp_path: Path) -> AsyncIterator[Door]:
    """As `door`, without limits: beyond them, answers are quick for everybody."""
    given = {"VESTIBULE_DATABASE_URL": database_url, "VESTIBULE_LIMITS": OFF}
    async with serving(tmp_path, **given) as served, served.client() as client:
        door = Door(client)
        await open_account(served, door)
        yield door


async def test_a_forgotten_password_takes_as_long_whoever_has_the_address(open_door: Door) -> None:
    await hold(
        "forgot",
        lambda: open_door.forget(KNOWN),
        lambda: open_door.forget("nobody@victim.test"),
        status=202,
    )


async def test_a_wrong_code_for_a_password_takes_as_long_whoever_has_the_address(
    open_door: Door,
) -> None:
    for email in (KNOWN, "nobody@victim.test"):
        assert (await open_door.forget(email)).status_code == 202
    await hold(
        "reset",
        lambda: open_door.reset(KNOWN),
        lambda: open_door.reset("nobody@victim.test"),
        status=400,
    )


async def test_a_new_address_takes_as_long_whether_or_not_it_is_taken(open_door: Door) -> None:
    """Asked for by an account of its own, which has the recent log-in that it takes."""
    body = {"username": "asking", "password": PASSWORD}
    opened = await open_door.client.post("/v1/accounts", json=body, headers=OWN)
    assert opened.status_code == 201, opened.text
    entered = await open_door.client.post(
        "/v1/login", json={"identifier": "asking", "password": PASSWORD}, headers=OWN
    )
    assert entered.status_code == 200, entered.text
    numbers = count()
    await hold(
        "address",
        lambda: open_door.move(KNOWN),
        lambda: open_door.move(f"{next(numbers)}@victim.test"),
        status=202,
    )
