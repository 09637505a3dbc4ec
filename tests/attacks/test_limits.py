"""How often strangers may try, and that nobody is locked out by them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast  # Any: whatever the settings take
from uuid import UUID

import httpx
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select, update

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import House, Kept, events, face
from tests.world import CHEAP, PASSWORD, Client, Held
from vestibule.accounts.models import Account, Challenge
from vestibule.audit.log import Detail, Entry
from vestibule.sessions.models import Session

V = "v@victim.test"
DEVICE = "__Host-vestibule_device"
WRONG = "not the password"
OFF = {
    name: f"{name}=off"
    for name in (
        "sign_up_client",
        "log_in_client",
        "log_in_identifier",
        "log_in_account",
        "log_in_device",
        "letters",
        "requests",
    )
}
Opening = Callable[..., AbstractAsyncContextManager[House]]


class Watched(PasswordHasher):
    """Knows how many passwords were looked at, and how many of them were right."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.looked_at = self.right = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - its name there
        self.looked_at += 1
        found = super().verify(hash, password)
        self.right += 1
        return found


@pytest.fixture
def opening(counted_in: dict[str, str], tmp_path: Path) -> Opening:
    """Open the service of production with limits of the test's choice; the others are off."""

    @asynccontextmanager
    async def opened(
        *, hasher: PasswordHasher = CHEAP, settings: dict[str, Any] | None = None, **limits: str
    ) -> AsyncIterator[House]:
        chosen = OFF | {name: f"{name}={value}" for name, value in limits.items()}
        given = PRODUCTION | {"limits": ", ".join(chosen.values())} | (settings or {}) | counted_in
        async with House.running(
            folder=tmp_path, transport=Kept(), hasher=hasher, **given
        ) as world:
            yield cast(House, world)

    return opened


@pytest.fixture
async def defaults(counted_in: dict[str, str], tmp_path: Path) -> AsyncIterator[House]:
    """The service of production with the limits that it has by itself."""
    given = PRODUCTION | {"limits": ""} | counted_in
    async with House.running(folder=tmp_path, transport=Kept(), **given) as world:
        yield cast(House, world)


async def guess(client: Client, times: int, identifier: str = V) -> list[int]:
    return [(await client.log_in(identifier, WRONG)).status_code for _ in range(times)]


def refusal(answer: httpx.Response) -> tuple[int, str, int]:
    """An answer over a limit, as all of them are."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "too_many_attempts"
    return answer.status_code, answer.json()["code"], int(answer.headers["Retry-After"])


@pytest.mark.attack("A-047")
@pytest.mark.attack("A-050")
async def test_the_eleventh_wrong_password_is_refused_known_or_not(defaults: House) -> None:
    world = defaults
    await world.member(V)
    stranger = world.client()
    answers = {}
    for name in (V, "nobody@victim.test", "nobody", "no name at all"):
        assert await guess(stranger, 10, name) == [401] * 10
        over = await stranger.log_in(name, WRONG)
        status, _, wait = refusal(over)
        assert status == 429
        assert 890 <= wait <= 900
        over.headers["Retry-After"] = "?"
        without_time = face(over)[1].replace(str(timedelta(seconds=wait)), "?")
        answers[name] = (without_time, face(over)[2])
    assert len({repr(each) for each in answers.values()}) == 1
    assert (await stranger.log_in(V)).status_code == 429, "the right one is not looked at either"
    world.clock.move(timedelta(minutes=16))
    assert (await stranger.log_in(V)).status_code == 200


async def test_right_passwords_do_not_count(defaults: House) -> None:
    world = defaults
    await world.member(V)
    for _ in range(25):
        assert (await world.client().log_in(V)).status_code == 200
    assert await guess(world.client(), 11) == [401] * 10 + [429]


@pytest.mark.attack("A-050")
async def test_sixty_guesses_at_once_are_ten(opening: Opening) -> None:
    hasher = Watched()
    async with opening(hasher=hasher, log_in_identifier="10/15m") as world:
        await world.member(V)
        hasher.looked_at = hasher.right = 0
        passwords = [WRONG] * 60
        passwords[40] = PASSWORD
        answers = await asyncio.gather(*(world.client().log_in(V, each) for each in passwords))
        assert hasher.looked_at - hasher.right <= 10
        assert hasher.looked_at <= 10 + hasher.right, "a right one makes room for itself, no more"
        assert Counter(each.status_code for each in answers)[429] >= 49
        world.clock.move(timedelta(minutes=16))
        assert (await world.client().log_in(V)).status_code == 200


async def test_a_log_in_that_nobody_looked_at_does_not_count(opening: Opening) -> None:
    hasher = Held()
    one_thread = {"hash_threads": 1}
    async with opening(hasher=hasher, settings=one_thread, log_in_identifier="100/1h") as world:
        world.vestibule.means.passwords.patience = 60
        clients = [world.client() for _ in range(90)]
        waiting = [asyncio.create_task(each.log_in(V, WRONG)) for each in clients]
        busy = asyncio.as_completed(waiting)
        assert [(await next(busy)).status_code for _ in range(9)] == [503] * 9
        hasher.may_go.set()
        found = Counter(each.status_code for each in await asyncio.gather(*waiting))
        assert found == {401: 81, 503: 9}
        assert await guess(world.client(), 20) == [401] * 19 + [429]


@pytest.mark.attack("A-049")
async def test_no_spelling_and_no_path_refills_the_log_ins(opening: Opening) -> None:
    async with opening(log_in_identifier="10/15m") as world:
        await world.member(V, username="victoria")
        stranger = world.client()
        spelled = [V, "V@victim.test", "v@VICTIM.test", f"  {V} ", "\uff56@victim.test"] * 2
        assert [(await stranger.log_in(each, WRONG)).status_code for each in spelled] == [401] * 10
        for each in spelled:
            assert (await stranger.log_in(each)).status_code == 429, each
        assert (await stranger.log_in("v@victim.test.")).status_code in (401, 429)
        for path in ("/v1/login?x=1", "/v1/%6cogin"):
            answer = await stranger.post(path, json={"identifier": V, "password": PASSWORD})
            assert answer.status_code == 429, path
        for path in ("//v1/login", "/v1/login/", "/V1/LOGIN", "/v1/login;x"):
            answer = await stranger.post(path, json={"identifier": V, "password": PASSWORD})
            assert answer.status_code in (404, 405, 429), path
        assert await guess(stranger, 11, " Victoria ") == [401] * 10 + [429], "a name of its own"


@pytest.mark.attack("A-050")
async def test_over_the_accounts_cap_every_password_is_a_wrong_one(opening: Opening) -> None:
    hasher = Watched()
    async with opening(hasher=hasher, log_in_account="4/1d") as world:
        await world.member(V, username="victoria")
        stranger = world.client()
        names = [V, "victoria"] * 2
        assert [(await stranger.log_in(each, WRONG)).status_code for each in names] == [401] * 4
        hasher.looked_at = hasher.right = 0
        over = [await stranger.log_in(each) for each in (V, "victoria")]
        wrong = await stranger.log_in(V, WRONG)
        assert [face(each) for each in over] == [face(wrong)] * 2
        assert (hasher.looked_at, hasher.right) == (3, 2), "the hash is still computed"
        assert (await events(world))["login.refused"] == 7
        world.clock.move(timedelta(days=1, minutes=1))
        assert (await stranger.log_in(V)).status_code == 200


async def test_one_client_address_has_its_share_whomever_it_names(opening: Opening) -> None:
    async with opening(log_in_client="5/15m") as world:
        await world.member(V)
        mallory = world.client(address="203.0.113.7")
        tried = [await mallory.log_in(f"{number}@victim.test", WRONG) for number in range(7)]
        assert [each.status_code for each in tried] == [401] * 5 + [429] * 2
        assert refusal(tried[-1])[2] <= 900
        assert (await mallory.log_in(V)).status_code == 429
        assert (await world.client(address="203.0.113.8").log_in(V)).status_code == 200
        world.clock.move(timedelta(minutes=16))
        assert (await mallory.log_in(V)).status_code == 200


@pytest.mark.attack("A-087")
async def test_one_client_address_signs_up_so_often(defaults: House) -> None:
    world = defaults
    mallory = world.client(address="203.0.113.7")
    asked = [await mallory.sign_up(f"v{number}@victim.test") for number in range(62)]
    assert [each.status_code for each in asked] == [202] * 60 + [429] * 2
    assert refusal(asked[-1])[2] <= 3600
    assert len(await world.rows(select(Challenge.id))) == len(await world.mails()) == 60
    assert (await mallory.sign_up(None, username="mallory")).status_code == 429
    assert (await world.client(address="203.0.113.8").sign_up(V)).status_code == 202


@pytest.mark.attack("A-049")
async def test_a_subscribers_ipv6_addresses_are_one(opening: Opening) -> None:
    async with opening(log_in_client="5/15m") as world:
        same = [f"2001:db8:1:2::{number:x}" for number in range(1, 20)]
        found = [(await guess(world.client(address=each), 1))[0] for each in same]
        assert found == [401] * 5 + [429] * 14
        assert await guess(world.client(address="2001:db8:1:3::1"), 1) == [401]
        mapped = [f"::ffff:203.0.113.{number}" for number in (7, 7, 7, 7, 7, 7, 8)]
        found = [(await guess(world.client(address=each), 1))[0] for each in mapped]
        assert found == [401] * 5 + [429, 401], "IPv4, however it is written"
        assert await guess(world.client(address="203.0.113.7"), 1) == [429]
        kept = {address for (address,) in await world.rows(select(Detail.address))}
        assert {"2001:db8:1:2::1", "2001:db8:1:2::5", "203.0.113.8"} <= kept


FORWARDING = (
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "X-Client-IP",
)


@pytest.mark.attack("A-049")
async def test_no_header_moves_an_address_that_is_not_behind_our_proxy(opening: Opening) -> None:
    trusting = {"trusted_proxies": "10.0.0.0/8"}
    for settings in ({}, trusting):
        async with opening(settings=settings, log_in_client="5/15m") as world:
            world.clock.move(timedelta(hours=1) if settings else timedelta())
            found = []
            for number in range(12):
                said = f"198.51.100.{number}, 198.51.100.{number + 20}, 10.0.0.1"
                headers = dict.fromkeys(FORWARDING, said)
                client = world.client(address="203.0.113.7", **headers)
                found += await guess(client, 1, f"{number}@victim.test")
            assert found == [401] * 5 + [429] * 7
            kept = {address for (address,) in await world.rows(select(Detail.address))}
            assert kept == {"203.0.113.7"}


@pytest.mark.attack("A-049")
async def test_behind_our_proxy_only_what_our_proxies_wrote_counts(opening: Opening) -> None:
    trusting = {"trusted_proxies": "10.0.0.0/8, 2001:db8:ffff::/48, 192.0.2.1"}
    async with opening(settings=trusting, log_in_client="5/15m") as world:

        async def seen(peer: str, forwarded: str | None) -> str:
            headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
            await world.client(address=peer, **headers).log_in("x@victim.test", WRONG)
            newest = select(Detail.address).order_by(Detail.entry_id.desc()).limit(1)
            [(address,)] = await world.rows(newest)
            return str(address)

        for peer, forwarded, address in (
            ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
            ("::ffff:10.0.0.1", "203.0.113.2", "203.0.113.2"),
            ("2001:db8:ffff::1", "2001:db8:1:2::9", "2001:db8:1:2::9"),
            ("10.0.0.1", "6.6.6.6, 203.0.113.3, 192.0.2.1, 10.9.9.9", "203.0.113.3"),
            ("10.0.0.1", "6.6.6.6,nonsense, 10.9.9.9", "10.9.9.9"),
            ("10.0.0.2", "unknown", "10.0.0.2"),
            ("10.0.0.3", "203.0.113.4:8080", "10.0.0.3"),
            ("10.0.0.4", "", "10.0.0.4"),
            ("10.0.0.5", None, "10.0.0.5"),
            ("10.0.0.6", "10.0.0.7, 10.0.0.8", "10.0.0.7"),
            ("10.0.0.1", ",".join(["6.6.6.6"] * 400) + ",203.0.113.5", "203.0.113.5"),
        ):
            assert await seen(peer, forwarded) == address, (peer, forwarded)
        through = [
            (await guess(world.client(address="10.0.0.1", **{"X-Forwarded-For": said}), 1))[0]
            for said in [f"6.6.6.{number}, 198.51.100.7" for number in range(7)]
        ]
        assert through == [401] * 5 + [429] * 2
        entered = await world.member("w@victim.test")
        away = world.browser(address="10.0.0.1", **{"X-Forwarded-For": "198.51.100.8"})
        assert (await away.log_in("w@victim.test")).json()["session"]["ip"] == "198.51.100.8"
        assert (await entered.get("/v1/me")).status_code == 200


@pytest.mark.attack("A-087")
async def test_one_address_gets_so_many_letters_whoever_asks(defaults: House) -> None:
    world = defaults
    await world.member("known@victim.test")
    told = {}
    for email in ("known@victim.test", "new@victim.test"):
        world.clock.move(timedelta(hours=2))
        before = len(await world.mails(email))
        first = await world.client(address="203.0.113.1").sign_up(email)
        handle = {"sign_up": first.json()["sign_up"]}
        again = world.client(address="203.0.113.2")
        resent = []
        for number in range(6):
            resent.append(await again.post("/v1/accounts/verification/letters", json=handle))
            spelled = email.upper() if number % 2 else email
            signed_up = await world.client(address=f"203.0.113.{number + 3}").sign_up(spelled)
            assert face(signed_up) == face(first)
        assert len({repr(face(each)) for each in resent}) == 1
        assert resent[0].status_code == first.status_code == 202
        letters = [mail for mail in await world.mails() if mail.to.casefold() == email]
        assert len(letters) - before == 5, "sign-ups, resends and the owner's count together"
        told[email] = (face(first), face(resent[0]))
    assert told["known@victim.test"] == told["new@victim.test"]
    assert (await events(world))["letter.withheld"] == 2 * 8
    assert (await world.client().sign_up("other@victim.test")).status_code == 202
    assert len(await world.mails("other@victim.test")) == 1


@pytest.mark.attack("A-087")
async def test_letters_asked_for_at_once_are_five(defaults: House) -> None:
    world = defaults
    asked = await asyncio.gather(
        *(world.client(address=f"203.0.113.{number}").sign_up(V) for number in range(40))
    )
    assert {each.status_code for each in asked} == {202}
    assert len(await world.mails(V)) == 5
    assert (await events(world))["letter.withheld"] == 35


async def test_a_letter_that_is_withheld_leaves_the_last_one_working(opening: Opening) -> None:
    async with opening(letters="1/1h") as world:
        owner = world.client()
        handle = (await owner.sign_up(V)).json()["sign_up"]
        for _ in range(3):
            again = await owner.post("/v1/accounts/verification/letters", json={"sign_up": handle})
            assert again.status_code == 202
        [mail] = await world.mails(V)
        assert (await owner.prove(sign_up=handle, code=mail.code)).status_code == 200


def device_of(answer: httpx.Response) -> str:
    [line] = [each for each in answer.headers.get_list("Set-Cookie") if DEVICE in each]
    return line.partition("=")[2].partition(";")[0]


def at(world: House, device: str, address: str = "203.0.113.99") -> Client:
    """A browser without a session, on which `device` was left."""
    return world.browser(address=address, Cookie=f"{DEVICE}={device}")


@pytest.mark.attack("A-052")
async def test_strangers_slow_guessing_down_and_lock_nobody_out(defaults: House) -> None:
    world = defaults
    owner = await world.member(V)
    known = at(world, owner.cookies[DEVICE])
    for number in range(100):
        mallory = world.client(address=f"198.51.100.{number}")
        assert (await mallory.log_in(V, WRONG)).status_code in (401, 429)
        if number % 10 == 9:
            world.clock.move(timedelta(minutes=16))
    for _ in range(10):
        await world.client(address="198.51.100.200").log_in(V, WRONG)
    assert (await owner.get("/v1/me")).status_code == 200, "who is in stays in"
    assert (await world.browser().log_in(V)).status_code == 429, "an unknown device has to wait"
    assert (await known.log_in(V)).status_code == 200
    world.clock.move(timedelta(minutes=16))
    over = await world.browser().log_in(V)
    assert over.status_code == 401, "the account's cap, which says nothing"
    assert (await known.log_in(V)).status_code == 200
    world.clock.move(timedelta(days=1))
    assert (await world.browser().log_in(V)).status_code == 200, "and nothing is for ever"


@pytest.mark.attack("A-052")
@pytest.mark.attack("A-107")
async def test_the_device_cookie_is_closed_and_comes_with_every_way_in(defaults: House) -> None:
    world = defaults
    browser = await world.member(V)
    entered = await browser.log_in(V)
    await world.client().sign_up("w@victim.test")
    token = (await world.mails("w@victim.test"))[-1].token
    form = {"token": token, "password": PASSWORD}
    landed = await world.browser().post("/verify-email", data=form)
    for answer in (entered, landed):
        [line] = [each for each in answer.headers.get_list("Set-Cookie") if DEVICE in each]
        parts = {part.partition("=")[0].lower() for part in line.split("; ")[1:]}
        assert {"secure", "httponly", "path", "samesite", "max-age"} <= parts
        assert "domain" not in parts
        assert "Max-Age=31536000" in line
        assert "SameSite=Lax" in line
        alone = at(world, device_of(answer))
        assert (await alone.get("/v1/me")).status_code == 401, "it signs nobody in"
    out = await browser.post("/v1/logout")
    assert not [each for each in out.headers.get_list("Set-Cookie") if DEVICE in each]
    refused = await world.browser().log_in(V, WRONG)
    assert "Set-Cookie" not in refused.headers


@pytest.mark.attack("A-014")
@pytest.mark.attack("A-052")
async def test_a_device_cookie_is_good_for_its_own_account_and_password_alone(
    opening: Opening,
) -> None:
    async with opening(log_in_identifier="3/15m", log_in_device="10/1d") as world:
        owner = await world.member(V)
        mallory = await world.member("m@evil.test")
        good = owner.cookies[DEVICE]
        assert await guess(world.client(), 4) == [401] * 3 + [429]
        edited = [
            f"{good[:place]}{int(good[place], 16) ^ 1:x}{good[place + 1 :]}"
            for place in range(0, len(good), 7)
        ]
        others = [mallory.cookies[DEVICE], owner.cookies["__Host-vestibule"]]
        for bad in [*edited, *others, good[:-2], good + "00", "", "00", "x", "0" * 3000]:
            assert (await at(world, bad).log_in(V)).status_code == 429, bad
        assert (await at(world, good).log_in(V)).status_code == 200

        was = select(Account.password_hash, Account.password_changed_at)
        [(hashed, at_first)] = await world.rows(was.where(Account.email_key == V))
        await change_password(world, CHEAP.hash("another password of hers"), datetime.now(UTC))
        assert (await at(world, good).log_in(V, "another password of hers")).status_code == 429
        await change_password(world, hashed, at_first)
        assert (await at(world, good).log_in(V)).status_code == 200


async def change_password(world: House, hashed: str, changed_at: datetime) -> None:
    changed = {"password_hash": hashed, "password_changed_at": changed_at}
    async with world.vestibule.unit() as unit:
        await unit.session.execute(update(Account).where(Account.email_key == V).values(changed))


@pytest.mark.attack("A-052")
async def test_every_change_of_the_password_makes_its_devices_strangers(opening: Opening) -> None:
    async with opening(log_in_identifier="3/15m", log_in_device="10/1d") as world:
        owner = await world.member(V)
        before = owner.cookies[DEVICE]
        assert (await owner.change_password()).status_code == 200
        changed = owner.cookies[DEVICE]
        await world.browser().forget(V)
        token = (await world.mails(V))[-1].token
        reset = await world.browser().reset("a third password of hers", token=token)
        assert reset.status_code == 204
        assert await guess(world.client(), 4) == [401] * 3 + [429]
        for device, status in (before, 429), (changed, 429), (device_of(reset), 200):
            answer = await at(world, device).log_in(V, "a third password of hers")
            assert answer.status_code == status


async def test_a_hash_made_anew_makes_no_device_a_stranger(opening: Opening) -> None:
    async with opening(log_in_identifier="3/15m", log_in_device="10/1d") as world:
        phone = (await world.member(V)).cookies[DEVICE]
        stronger = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)
        await replace_hash(world, stronger.hash(PASSWORD))
        laptop = world.browser()
        assert (await laptop.log_in(V)).status_code == 200
        [(now,)] = await world.rows(select(Account.password_hash).where(Account.email_key == V))
        assert not CHEAP.check_needs_rehash(now), "it was made anew"
        assert await guess(world.client(), 4) == [401] * 3 + [429]
        for device in phone, laptop.cookies[DEVICE]:
            assert (await at(world, device).log_in(V)).status_code == 200


async def replace_hash(world: House, hashed: str) -> None:
    async with world.vestibule.unit() as unit:
        await unit.session.execute(
            update(Account).where(Account.email_key == V).values(password_hash=hashed)
        )


@pytest.mark.attack("A-052")
async def test_a_stolen_device_cookie_guesses_ten_times_and_no_more(opening: Opening) -> None:
    hasher = Watched()
    async with opening(hasher=hasher, log_in_identifier="3/15m", log_in_device="10/1d") as world:
        stolen = (await world.member(V)).cookies[DEVICE]
        hasher.looked_at = hasher.right = 0
        thief = at(world, stolen)
        assert await guess(thief, 10) == [401] * 10
        assert await guess(thief, 4) == [401] * 3 + [429], "from then on it is a stranger's"
        assert (hasher.looked_at, hasher.right) == (13, 0)
        assert (await thief.log_in(V)).status_code == 429
        world.clock.move(timedelta(minutes=16))
        assert (await thief.log_in(V)).status_code == 200
        again = at(world, stolen)
        assert await guess(again, 4) == [401] * 3 + [429], "a new log-in refills nothing"
        world.clock.move(timedelta(days=1, minutes=1))
        assert await guess(again, 10) == [401] * 10


@pytest.mark.attack("A-052")
async def test_a_log_in_keeps_the_devices_own_count(opening: Opening) -> None:
    async with opening(log_in_identifier="1/15m", log_in_device="3/1d") as world:
        owner = await world.member(V)
        assert await guess(at(world, owner.cookies[DEVICE]), 2) == [401] * 2
        renewed = device_of(await at(world, owner.cookies[DEVICE]).log_in(V))
        assert await guess(at(world, renewed), 3) == [401, 401, 429]


async def test_the_client_address_counts_for_known_devices_too(opening: Opening) -> None:
    async with opening(log_in_client="5/15m", log_in_device="10/1d") as world:
        known = at(world, (await world.member(V)).cookies[DEVICE])
        assert await guess(known, 6) == [401] * 5 + [429]


async def test_a_known_devices_guesses_do_not_fill_the_caps_of_others(opening: Opening) -> None:
    async with opening(log_in_identifier="3/15m", log_in_account="3/1d") as world:
        known = at(world, (await world.member(V)).cookies[DEVICE])
        assert await guess(known, 20) == [401] * 20
        assert (await world.client().log_in(V)).status_code == 200
        assert len(await world.rows(select(Session.id))) >= 2


async def test_a_flood_is_one_entry_in_the_audit_log(opening: Opening) -> None:
    async with opening(log_in_identifier="3/15m", log_in_account="5/1d", letters="1/1h") as world:
        owner = await world.member(V)
        address = {"203.0.113.7", "203.0.113.8"}
        for turn in range(2):
            floods = [world.client(address=each) for each in sorted(address)]
            assert [await guess(each, 20) for each in floods][-1] == [429] * 20
            assert (await events(world))["log_in_identifier.reached"] == turn + 1
            world.clock.move(timedelta(minutes=16))
        assert (await events(world))["log_in_account.reached"] == 1, "wrong ones, like any other"
        for name in ("one", "one", "one", "two", "two"):
            await world.client().sign_up(f"{name}@victim.test")
        assert (await events(world))["letters.reached"] == 2, "one for each key"
        newest = select(Entry.account_id, Detail.identifier, Detail.address)
        found = newest.join(Detail).where(Entry.event == "log_in_identifier.reached")
        account_id = UUID((await owner.get("/v1/me")).json()["id"])
        assert {tuple(each) for each in await world.rows(found)} == {(account_id, V, "203.0.113.7")}


async def test_at_once_and_on_several_servers_it_is_still_one_entry(
    counted_in: dict[str, str], tmp_path: Path
) -> None:
    given = PRODUCTION | {"limits": ""} | counted_in
    async with (
        House.running(folder=tmp_path / "one", transport=Kept(), **given) as one,
        House.running(folder=tmp_path / "two", transport=Kept(), **given) as two,
    ):
        servers = [one, two] * 15
        answers = await asyncio.gather(*(each.client().log_in(V, WRONG) for each in servers))
        assert Counter(each.status_code for each in answers) == {401: 10, 429: 20}
        assert (await events(cast(House, one)))["log_in_identifier.reached"] == 1


async def test_what_is_no_address_is_not_in_the_audit_log(opening: Opening) -> None:
    async with opening(log_in_identifier="1/15m") as world:
        assert await guess(world.client(), 3, "my secret, in the wrong field") == [401, 429, 429]
        assert (await events(world))["log_in_identifier.reached"] == 1
        assert {each for (each,) in await world.rows(select(Detail.identifier))} == {None}


async def test_a_process_does_so_much_for_everybody_together(
    opening: Opening, caplog: pytest.LogCaptureFixture
) -> None:
    hasher = Watched()
    async with opening(hasher=hasher, requests="5/1s") as world:
        member = await world.member(V)
        world.clock.move(timedelta(seconds=2))
        caplog.clear()
        hasher.looked_at = 0
        floods = [world.client(address=f"203.0.113.{number}") for number in range(12)]
        found = [await each.log_in(f"{number}@x.test", WRONG) for number, each in enumerate(floods)]
        assert [each.status_code for each in found] == [401] * 5 + [429] * 7
        assert refusal(found[-1])[2] == 1
        assert hasher.looked_at == 5, "nothing is hashed for the rest"
        garbled = await floods[0].post("/verify-email", content=b"x" * 70_000)
        assert garbled.status_code == 429, "nor read"
        assert (await member.get("/v1/me")).status_code == 200, "who only looks is not kept out"
        assert (await world.client().get("/healthz")).status_code == 200
        [line] = [each.message for each in caplog.records if each.name == "vestibule.throttle"]
        assert line == "this process gets more than requests=5/1s; the rest is refused"
        world.clock.move(timedelta(seconds=1))
        assert (await floods[0].log_in(V)).status_code == 200


async def test_a_process_without_that_limit_counts_nothing(opening: Opening) -> None:
    async with opening() as world:
        found = await asyncio.gather(*(world.client().log_in(V, WRONG) for _ in range(60)))
        assert {each.status_code for each in found} == {401}
