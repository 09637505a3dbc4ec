"""Links and codes: each for one purpose, one person, one use, and not for guessing."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, update

from tests.attacks.looking import House, events, everything, face
from tests.world import PASSWORD, Client
from vestibule.accounts import challenges
from vestibule.accounts.models import Account, Challenge
from vestibule.kernel import opaque
from vestibule.kernel.opaque import Purpose
from vestibule.sessions.models import Session

V = "v@victim.test"
LETTERS = "/v1/accounts/verification/letters"
WRONG = [f"2222-{a}{b}{c}2" for a in "234" for b in "2345" for c in "23456"]


async def asks(world: House, client: Client, email: str = V) -> tuple[str, str, str]:
    """Sign up; return the handle, and the code and token of the letter."""
    asked = await client.sign_up(email)
    assert asked.status_code == 202, asked.text
    letter = (await world.mails())[-1]
    assert letter.code is not None
    return asked.json()["sign_up"], letter.code, letter.token


async def guess(client: Client, handle: str, times: int) -> None:
    for code in WRONG[:times]:
        refused = await client.prove(sign_up=handle, code=code)
        assert (refused.status_code, refused.json()["code"]) == (400, "proof_refused")


def is_capped(answer: httpx.Response) -> bool:
    return answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0


@pytest.mark.attack("A-014")
async def test_an_edited_token_opens_nothing(world: House) -> None:
    mallory, victoria = world.client(), world.client()
    handle, code, token = await asks(world, mallory, "a@evil.test")
    other_handle, _, _ = await asks(world, victoria, V)
    kept = ("challenges", "accounts", "sessions", "letters")
    before = await everything(world)
    edited = [
        token[:-1],
        token + "A",
        token + "=",
        token + ".",
        f" {token} ",
        token.swapcase(),
        token.removeprefix("vlnk_"),
        "vlnk_" + token,
        token.replace("vlnk_", "VLNK_"),
        token[:-1] + ("B" if token[-1] != "B" else "C"),
        token[:5] + token[5:][::-1],
        f"{token}.{token}",
        "vlnk_",
        "vlnk_" + "A" * 43,
        "",
        "null",
        "%",
        token.replace("_", "%5F"),
    ]
    for each in edited:
        by_api = await mallory.prove(token=each, password=PASSWORD)
        by_page = await mallory.post("/verify-email", data={"token": each, "password": PASSWORD})
        assert (by_api.status_code, by_page.status_code) == (400, 400), each
    for named in ({"email": V}, {"address": V}, {"account_id": str(UUID(int=0))}):
        bound = await mallory.prove(token=token, password=PASSWORD, **named)
        assert (bound.status_code, bound.json()["errors"][0]["code"]) == (422, "unknown_field")
    for mixed in (
        {"sign_up": other_handle, "token": token, "password": PASSWORD},
        {"sign_up": other_handle, "token": token, "code": code, "password": PASSWORD},
        {"token": token},
        {"token": token, "code": code},
        {"sign_up": handle},
        {"password": PASSWORD, "code": code},
        {},
    ):
        assert (await mallory.prove(**mixed)).status_code == 422, mixed
    assert (await mallory.prove(sign_up=other_handle, code=code)).status_code == 400
    after = await everything(world)
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}

    own = await mallory.prove(token=token, password=PASSWORD)
    assert (own.status_code, own.json()["email"]) == (200, "a@evil.test")


@dataclass(frozen=True)
class Held:
    """What one attacker holds, and what each could be handed in as."""

    world: House
    handle: str
    code: str
    token: str

    async def a_cookie(self, secret: str) -> httpx.Response:
        return await self.world.client(Cookie=f"__Host-vestibule={secret}").get("/v1/me")

    async def a_cookie_without_its_prefix(self, secret: str) -> httpx.Response:
        return await self.world.client(Cookie=f"vestibule={secret}").get("/v1/me")

    async def a_bearer_token(self, secret: str) -> httpx.Response:
        return await self.world.client(Authorization=f"Bearer {secret}").get("/v1/me")

    async def a_refresh_token(self, secret: str) -> httpx.Response:
        return await self.world.client().post("/v1/tokens/refresh", json={"refresh_token": secret})

    async def a_handle(self, secret: str) -> httpx.Response:
        return await self.world.client().prove(sign_up=secret, code=self.code)

    async def a_code(self, secret: str) -> httpx.Response:
        return await self.world.client().prove(sign_up=self.handle, code=secret)

    async def a_token(self, secret: str) -> httpx.Response:
        return await self.world.client().prove(token=secret, password=PASSWORD)

    async def a_token_on_the_page(self, secret: str) -> httpx.Response:
        fields = {"token": secret, "password": PASSWORD}
        return await self.world.client().post("/verify-email", data=fields)

    async def a_password(self, secret: str) -> httpx.Response:
        return await self.world.client().log_in("ada@example.org", secret)

    async def a_link_password(self, secret: str) -> httpx.Response:
        return await self.world.client().prove(token=self.token, password=secret)

    async def a_name(self, secret: str) -> httpx.Response:
        return await self.world.client().log_in(secret)


@pytest.mark.attack("A-015")
async def test_nothing_stands_for_a_proof_that_is_not_there(world: House) -> None:
    """Rows without a link or a code, spent ones and such as can never be proved, match nothing."""
    await world.member("taken@victim.test")
    stranger = world.client()
    dead = (await stranger.sign_up("taken@victim.test")).json()["sign_up"]
    handle, code, token = await asks(world, stranger)
    before = await everything(world)
    nothings = ["", " ", "null", "None", "undefined", "true", "0", "0" * 64, "vlnk_", "vsup_", "-"]
    nothings += ["vlnk_" + "A" * 43, "vlnk_undefined", "%00", "[]", "{}", "*", code[:4]]
    for nothing in nothings:
        for proof in (
            {"token": nothing, "password": PASSWORD},
            {"sign_up": nothing, "code": code},
            {"sign_up": nothing, "code": nothing},
            {"sign_up": dead, "code": nothing},
        ):
            answer = await stranger.prove(**proof)
            assert answer.status_code in (400, 429), proof
        page = await stranger.post("/verify-email", data={"token": nothing, "password": PASSWORD})
        assert page.status_code == 400, nothing
        assert "Set-Cookie" not in page.headers
    for part in ({}, {"sign_up": handle}, {"code": code}, {"token": token}, {"password": PASSWORD}):
        assert (await stranger.prove(**part)).status_code == 422, part
        assert (await stranger.prove(**part, username="victoria")).status_code == 422, part
    assert (await stranger.post("/v1/accounts/verification")).status_code in (400, 415, 422)
    for twice in (("token", "x"), ("password", "not this one"), ("username", "victoria")):
        fields = [("token", token), ("password", PASSWORD), ("username", ""), twice]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        page = await stranger.post("/verify-email", content=urlencode(fields), headers=form)
        assert page.status_code == 400, "which of them it means, nobody knows"
    after = await everything(world)
    assert (after["accounts"], after["sessions"]) == (before["accounts"], before["sessions"])
    assert (await stranger.prove(sign_up=handle, code=code)).status_code == 200


@pytest.mark.attack("A-016")
async def test_each_secret_opens_only_what_it_was_made_for(world: House) -> None:
    ada = await world.member("ada@example.org")
    handle, code, token = await asks(world, world.client())
    me = (await ada.get("/v1/me")).json()
    tokens = (await world.client().log_in("ada@example.org", deliver="tokens")).json()
    secrets = {
        "session": ada.cookies["__Host-vestibule"],
        "handle": handle,
        "code": code,
        "token": token,
        "access token": tokens["access_token"],
        "refresh token": tokens["refresh_token"],
        "account id": me["id"],
        "session id": (await ada.get("/v1/me/sessions")).json()["sessions"][0]["id"],
    }
    held = Held(world, handle, code, token)
    consumers = {
        held.a_cookie: "session",
        held.a_handle: "handle",
        held.a_code: "code",
        held.a_token: "token",
        held.a_token_on_the_page: "token",
        held.a_cookie_without_its_prefix: None,
        held.a_bearer_token: "access token",
        held.a_refresh_token: "refresh token",
        held.a_password: None,
        held.a_link_password: None,
        held.a_name: None,
    }
    before = await everything(world)
    for consumer, fits in consumers.items():
        for kind, secret in secrets.items():
            if kind != fits:
                answer = await consumer(secret)
                assert 400 <= answer.status_code < 500, (consumer.__name__, kind)
                assert "Set-Cookie" not in answer.headers
    for kind, secret in secrets.items():  # a letter is written again for the handle's holder alone
        if kind != "handle":
            again = await world.client().post(LETTERS, json={"sign_up": secret})
            # An access token is longer than whatever names a sign-up.
            assert again.status_code == (422 if kind == "access token" else 202)
    after = await everything(world)
    for kept in ("accounts", "sessions", "challenges", "letters"):
        assert after[kept] == before[kept], f"{kept} were touched"
    # As a password and as a name, for which the access token is too long again.
    assert (await events(world))["login.refused"] == 2 * len(secrets) - 1

    # Each still does what it was made for: nothing was used up by being tried elsewhere.
    assert (await held.a_cookie(secrets["session"])).json() == me
    assert (await held.a_code(code)).status_code == 200


@pytest.mark.attack("A-016")
async def test_a_digest_that_lands_in_another_column_opens_nothing(world: House) -> None:
    # The purpose is part of the digest: not even a row moved by hand confuses them.
    ada = await world.member("ada@example.org")
    session = ada.cookies["__Host-vestibule"]
    _, _, token = await asks(world, world.client())
    async with world.vestibule.unit() as unit:
        await unit.session.execute(
            update(Session).values(secret_digest=opaque.digest(Purpose.LINK, token))
        )
        await unit.session.execute(
            update(Challenge)
            .where(Challenge.used_at.is_(None))
            .values(token_digest=opaque.digest(Purpose.SESSION, session))
        )
    for secret in (token, session):
        assert (
            await world.client(Cookie=f"__Host-vestibule={secret}").get("/v1/me")
        ).status_code == 401
        assert (await world.client().prove(token=secret, password=PASSWORD)).status_code == 400
    async with world.vestibule.unit() as unit:
        await unit.session.execute(
            update(Session).values(secret_digest=opaque.digest(Purpose.SESSION, session))
        )
    assert (await ada.get("/v1/me")).status_code == 200


@pytest.mark.attack("A-017")
@pytest.mark.parametrize("way", ["code", "link", "page", "code and link"])
async def test_a_proof_works_once_however_many_try_at_once(world: House, way: str) -> None:
    ada = world.client()
    handle, code, token = await asks(world, ada)
    link = f"/verify-email?token={token}"
    for browser in (world.browser(), world.browser()):  # having looked changes nothing
        assert (await browser.get(link)).status_code == 200

    async def prove(number: int) -> httpx.Response:
        client = world.client()
        if way == "page":
            return await client.post("/verify-email", data={"token": token, "password": PASSWORD})
        if way == "code" or (way == "code and link" and number % 2):
            return await client.prove(sign_up=handle, code=code)
        return await client.prove(token=token, password=PASSWORD)

    unknown = await ada.prove(token="vlnk_" + "A" * 43, password=PASSWORD)
    answers = await asyncio.gather(*(prove(number) for number in range(50)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == (303 if way == "page" else 200)
    assert all(status in (400, 429) for status in statuses[1:]), statuses
    assert len(await world.rows(Challenge.__table__.select())) == 1
    assert (await events(world))["account.opened"] == 1
    assert (await events(world))["address.proved"] == 1

    late = [await prove(number) for number in range(2)]
    late += [await world.browser().post("/verify-email", data={"token": token, "password": ""})]
    assert {answer.status_code for answer in late} <= {400, 429}
    for answer in late:
        if answer.status_code == 400 and way != "page" and answer is not late[-1]:
            assert face(answer) == face(unknown), "used and unknown must look alike"
    assert (await events(world))["proof.refused"] > 0
    assert len((await everything(world))["sessions"]) == (1 if way == "page" else 0)
    assert (await world.browser().log_in(V)).status_code == 200


@pytest.mark.attack("A-017")
async def test_of_twenty_that_spend_one_challenge_one_succeeds(world: House) -> None:
    # Below the routes: there the unique address would hide that it was spent twice.
    handle, _, _ = await asks(world, world.client())

    async def spend() -> bool:
        async with world.vestibule.unit() as unit:
            challenge = await challenges.by_handle(unit, handle)
            assert challenge is not None
            await unit.pause()
            return await challenges.spend(unit, challenge)

    assert sorted(await asyncio.gather(*(spend() for _ in range(20)))) == [False] * 19 + [True]
    assert await spend() is False


@pytest.mark.attack("A-017")
async def test_a_used_proof_does_not_open_the_account_again_once_it_is_gone(world: House) -> None:
    stranger = world.client()
    handle, code, token = await asks(world, stranger)
    other, other_code, other_token = await asks(world, stranger)
    assert (await stranger.prove(sign_up=handle, code=code)).status_code == 200
    async with world.vestibule.unit() as unit:
        await unit.session.execute(delete(Account))
    for proof in (
        {"sign_up": handle, "code": code},
        {"token": token, "password": PASSWORD},
        {"sign_up": other, "code": other_code},
        {"token": other_token, "password": PASSWORD},
    ):
        again = await stranger.prove(**proof)
        assert (again.status_code, again.json()["code"]) == (400, "proof_refused")
    assert (await everything(world))["accounts"] == []
    handle, code, _ = await asks(world, stranger)
    assert (await stranger.prove(sign_up=handle, code=code)).status_code == 200


@pytest.mark.attack("A-049")
async def test_no_spelling_of_an_address_refills_its_guesses(world: House) -> None:
    stranger, first = world.client(), "josé@bücher.example"
    handle, code, token = await asks(world, stranger, first)
    await guess(stranger, handle, 10)
    assert is_capped(await stranger.prove(sign_up=handle, code=code))
    for spelling in (
        "JOSÉ@BÜCHER.EXAMPLE",
        "  josé@bücher.example ",
        "jose\u0301@bu\u0308cher.example",
        "josé@xn--bcher-kva.example",
        "ｊｏｓé@bücher.example",
        "josé@BüCHER.Example",
    ):
        again, fresh, _ = await asks(world, stranger, spelling)
        assert is_capped(await stranger.prove(sign_up=again, code=fresh)), spelling
    for spelling in (code.lower(), code.replace("-", ""), f" {code} ", code.replace("-", "--")):
        assert is_capped(await stranger.prove(sign_up=handle, code=spelling))
    for headers in (
        {"X-Forwarded-For": "192.0.2.7"},
        {"X-Forwarded-For": ", ".join(f"192.0.2.{n}" for n in range(10))},
        {"Forwarded": "for=192.0.2.8"},
        {"X-Real-IP": "192.0.2.9"},
        {"CF-Connecting-IP": "192.0.2.10"},
        {"True-Client-IP": "192.0.2.11"},
        {"Client-IP": "127.0.0.1"},
    ):
        assert is_capped(await world.client(**headers).prove(sign_up=handle, code=code)), headers
    body = {"sign_up": handle, "code": code}
    for path in (
        "//v1/accounts/verification",
        "/v1//accounts/verification",
        "/v1/accounts/verification/",
        "/v1/./accounts/verification",
        "/v1/../v1/accounts/verification",
        "/v1/accounts/%76erification",
        "/V1/accounts/verification",
        "/v1/accounts/verification;x",
        "/v1/accounts/verification?x=1",
    ):
        answer = await stranger.post(path, json=body)
        assert is_capped(answer) or answer.status_code in (404, 405, 308), path

    # Somebody else's guesses are their own, and the link is none of this.
    other, other_code, _ = await asks(world, stranger, "maria@bücher.example")
    assert (await stranger.prove(sign_up=other, code=other_code)).status_code == 200
    assert (await stranger.prove(token=token, password=PASSWORD)).status_code == 200


@pytest.mark.attack("A-050")
async def test_guesses_at_once_are_counted_before_they_are_judged(world: House) -> None:
    stranger = world.client()
    handle, code, token = await asks(world, stranger)
    tries = [*WRONG[:40], code, *WRONG[40:]]

    async def prove(typed: str) -> httpx.Response:
        return await world.client().prove(sign_up=handle, code=typed)

    answers = await asyncio.gather(*(prove(typed) for typed in tries))
    judged = [answer for answer in answers if not is_capped(answer)]
    assert len(judged) == 10
    assert {answer.status_code for answer in judged} == {400}
    assert (await events(world))["proof.refused"] == 10
    assert is_capped(await prove(code))
    assert (await stranger.prove(token=token, password=PASSWORD)).status_code == 200


@pytest.mark.attack("A-053")
async def test_the_eleventh_code_is_not_looked_at_and_nothing_refills_the_ten(
    world: House,
) -> None:
    mallory = world.client()
    handle, code, token = await asks(world, mallory)
    await guess(mallory, handle, 9)
    assert (await mallory.post(LETTERS, json={"sign_up": handle})).status_code == 202
    code = (await world.mails())[-1].code or ""
    token = (await world.mails())[-1].token
    assert (await mallory.prove(sign_up=handle, code=WRONG[30])).status_code == 400
    assert (await events(world))["proof.refused"] == 10

    capped = await mallory.prove(sign_up=handle, code=code)
    assert is_capped(capped)
    assert capped.json()["code"] == "too_many_attempts"
    assert is_capped(await world.client().prove(sign_up=handle, code=code))
    assert (await mallory.post(LETTERS, json={"sign_up": handle})).status_code == 202
    resent = (await world.mails())[-1]
    assert resent.code not in (None, code)
    assert is_capped(await mallory.prove(sign_up=handle, code=resent.code))
    again, fresh, _ = await asks(world, mallory, "V@VICTIM.test")
    assert is_capped(await mallory.prove(sign_up=again, code=fresh))
    assert (await events(world))["proof.refused"] == 10, "what is refused is not judged"
    assert (await everything(world))["accounts"] == []

    # The owner is not locked out: the link in the letter works.
    assert (await mallory.prove(token=token, password=PASSWORD)).status_code == 400, "superseded"
    right = await mallory.prove(token=resent.token, password=PASSWORD)
    assert right.status_code == 200


@pytest.mark.attack("A-053")
async def test_guesses_come_back_after_a_day_but_the_codes_of_then_do_not(world: House) -> None:
    mallory = world.client()
    handle, code, _ = await asks(world, mallory)
    await guess(mallory, handle, 10)
    world.clock.move(timedelta(hours=23, minutes=59))
    assert is_capped(await mallory.prove(sign_up=handle, code=code))
    world.clock.move(timedelta(minutes=2))
    assert (await mallory.prove(sign_up=handle, code=code)).status_code == 400
    fresh, fresh_code, _ = await asks(world, mallory)
    assert (await mallory.prove(sign_up=fresh, code=fresh_code)).status_code == 200


@pytest.mark.attack("A-053")
async def test_ten_wrong_passwords_close_a_link(world: House) -> None:
    mallory = world.client()
    _, _, token = await asks(world, mallory)
    for number in range(10):
        wrong = await mallory.prove(token=token, password=f"wrong guess {number}")
        assert wrong.status_code == 400
    assert is_capped(await mallory.prove(token=token, password=PASSWORD))
    by_page = await world.browser().post(
        "/verify-email", data={"token": token, "password": PASSWORD}
    )
    assert is_capped(by_page)
    assert (await events(world))["proof.refused"] == 10
    _, _, fresh = await asks(world, mallory)
    assert (await mallory.prove(token=fresh, password=PASSWORD)).status_code == 200
