"""Whose account it is: nobody plants one, raises one, doubles one, or learns of one."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast  # Any: JSON

import httpx
import pytest
from sqlalchemy import select, update

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import (
    CountingHasher,
    House,
    Kept,
    events,
    everything,
    face,
    statements,
)
from tests.world import PASSWORD, Client
from vestibule.accounts.models import Account, Challenge
from vestibule.kernel import opaque
from vestibule.kernel.memory import Fact
from vestibule.kernel.opaque import Purpose

V = "v@victim.test"
ACCOUNT_FIELDS = {
    "id",
    "email",
    "email_verified",
    "username",
    "given_name",
    "family_name",
    "picture",
    "profile",
    "roles",
    "created_at",
}
SESSION_FIELDS = {
    "id",
    "current",
    "remember",
    "ip",
    "user_agent",
    "created_at",
    "seen_at",
    "expires_at",
}
RAISING = [
    "role",
    "roles",
    "is_admin",
    "isAdmin",
    "admin",
    "is_superuser",
    "is_staff",
    "is_verified",
    "email_verified",
    "emailVerified",
    "email_verified_at",
    "verified_at",
    "is_active",
    "state",
    "id",
    "external_id",
    "account_id",
    "user_id",
    "sub",
    "tenant_id",
    "org_id",
    "permissions",
    "scopes",
    "password_hash",
    "passwordHash",
    "email_key",
    "username_key",
    "profile",
    "picture",
    "created_at",
    "last_login_at",
    "mfa_enabled",
    "failed_logins",
    "token_version",
    "user.role",
    "user[role]",
    "__proto__",
    "constructor",
    "__class__",
    "open_now",
]


async def change(world: House, email_key: str, **values: object) -> None:
    """Change the row alone: its state has to count even while sessions are still open."""
    async with world.vestibule.unit() as unit:
        changed = await unit.session.scalars(
            update(Account)
            .where(Account.email_key == email_key)
            .values(**values)
            .returning(Account.id)
        )
        for account_id in changed.all():
            unit.forget(Fact.ACCOUNT, account_id)


@pytest.mark.attack("A-018")
async def test_nobody_signs_up_with_more_than_what_everybody_has(world: House) -> None:
    before = await everything(world)
    stranger = world.client()
    for field, value in itertools.product(RAISING, (True, "admin", ["admin"], {"role": "admin"})):
        for path, body in (
            ("/v1/accounts", {"email": V, "password": PASSWORD}),
            ("/v1/login", {"identifier": V, "password": PASSWORD}),
            ("/v1/accounts/verification", {"sign_up": "x", "code": "y"}),
            ("/v1/accounts/verification/letters", {"sign_up": "x"}),
        ):
            refused = await stranger.post(path, json=body | {field: value})
            assert refused.status_code == 422, (path, field)
            [error] = refused.json()["errors"]
            assert (error["field"], error["code"]) == (field, "unknown_field")
    for nested in ("user", "account", "data"):
        wrapped = {nested: {"email": V, "password": PASSWORD, "role": "admin"}}
        assert (await stranger.post("/v1/accounts", json=wrapped)).status_code == 422
    form = {"email": V, "password": PASSWORD, "role": "admin"}
    assert (await stranger.post("/v1/accounts", data=form)).status_code == 415
    assert await everything(world) == before

    raised = await stranger.post(
        "/v1/accounts?role=admin&is_admin=true&email_verified=true&state=active",
        json={"email": V, "password": PASSWORD},
    )
    assert raised.status_code == 202
    letter = (await world.mails())[-1]
    proved = await stranger.post(
        "/v1/accounts/verification?roles=admin&id=1",
        json={"sign_up": raised.json()["sign_up"], "code": letter.code},
    )
    assert (proved.status_code, proved.json()["roles"]) == (200, ["user"])
    [(account,)] = await world.rows(select(Account))
    assert (account.state, account.profile, account.picture) == ("active", {}, None)


@pytest.mark.attack("A-030")
async def test_a_disabled_account_is_shut_at_once_and_does_not_say_why(world: House) -> None:
    victoria = await world.member(V, username="victoria")
    assert (await victoria.get("/v1/me")).status_code == 200
    await change(world, V, state="disabled")

    assert (await victoria.get("/v1/me")).status_code == 401
    assert (await victoria.get("/v1/me/sessions")).status_code == 401
    assert (await victoria.delete("/v1/me/sessions")).status_code == 401
    assert (await victoria.post("/v1/logout-all")).status_code == 401
    stranger = world.browser()
    wrong = await stranger.log_in(V, "not the password")
    assert wrong.status_code == 401
    for name in (V, "victoria"):
        shut = await stranger.log_in(name)
        assert face(shut) == face(wrong), "the right password learns nothing either"
    assert (await events(world))["login.refused"] == 3

    await change(world, V, state="active")
    assert (await stranger.log_in(V)).status_code == 200


@pytest.mark.attack("A-030")
async def test_a_disabled_account_is_not_opened_by_a_letter_sent_before(
    database_url: str, tmp_path: Path
) -> None:
    given = PRODUCTION | {"login_before_proof": True}
    async with House.running(database_url, tmp_path, transport=Kept(), **given) as running:
        world = cast(House, running)
        tokens = []
        for email in (V, "w@victim.test"):
            asked = await world.browser().sign_up(email)
            assert asked.status_code in (201, 202)
            tokens.append((await world.mails(email))[-1].token)
        await change(world, V, state="disabled")
        shut, control = [
            await world.browser().post("/verify-email", data={"token": each, "password": PASSWORD})
            for each in tokens
        ]
        assert (shut.status_code, control.status_code) == (400, 303)
        assert "Set-Cookie" not in shut.headers
        [(state, proved)] = await world.rows(
            select(Account.state, Account.email_verified_at).where(Account.email_key == V)
        )
        assert (state, proved) == ("disabled", None)


@pytest.mark.attack("A-035")
async def test_who_planted_an_account_is_out_when_the_address_is_proved(
    database_url: str, tmp_path: Path
) -> None:
    given = PRODUCTION | {"login_before_proof": True}
    async with House.running(database_url, tmp_path, transport=Kept(), **given) as running:
        world = cast(House, running)
        mallory = world.browser()
        assert (await mallory.sign_up(V)).status_code in (201, 202)
        assert (await mallory.log_in(V, remember=True)).status_code == 200
        assert (await mallory.get("/v1/me")).json()["email_verified"] is False
        [letter] = await world.mails(V)

        owner = world.browser()
        fields = {"token": letter.token, "password": PASSWORD}
        assert (await owner.post("/verify-email", data=fields)).status_code == 303
        assert (await mallory.get("/v1/me")).status_code == 401
        assert (await owner.get("/v1/me")).json()["email_verified"] is True
        assert (await events(world))["sessions.ended"] == 1


@pytest.mark.attack("A-035")
async def test_a_stranger_cannot_wait_inside_an_account_that_is_not_proved(world: House) -> None:
    mallory, owner = world.browser(), world.browser()
    await mallory.sign_up(V, password="the password of a stranger")
    assert (await mallory.log_in(V, "the password of a stranger")).status_code == 401
    await owner.sign_up(V)
    planted, own = await world.mails(V)
    # A click on the stranger's letter is not enough: the owner does not know its password.
    for password in (PASSWORD, ""):
        clicked = await owner.post(
            "/verify-email", data={"token": planted.token, "password": password}
        )
        assert clicked.status_code == 400
    fields = {"token": own.token, "password": PASSWORD}
    assert (await owner.post("/verify-email", data=fields)).status_code == 303
    late = await mallory.prove(token=planted.token, password="the password of a stranger")
    assert late.status_code == 400, "the owner's proof ends every other open sign-up"
    assert (await mallory.log_in(V, "the password of a stranger")).status_code == 401
    assert (await owner.get("/v1/me")).status_code == 200


async def people(world: House) -> dict[str, str]:
    """One address of each standing; the last is known to nobody."""
    for email in ("proved@victim.test", "banned@victim.test", "social@victim.test"):
        await world.member(email)
    await change(world, "banned@victim.test", state="disabled")
    await change(world, "social@victim.test", password_hash=None)
    await world.client().sign_up("asked@victim.test")
    await world.mails()
    return {
        name: f"{name}@victim.test" for name in ("proved", "banned", "social", "asked", "nobody")
    }


def one_face(answers: list[httpx.Response]) -> int:
    """Assert that nobody can tell these apart; return their status."""
    faces = [face(answer) for answer in answers]
    assert all(each == faces[0] for each in faces[1:]), faces
    return answers[0].status_code


@pytest.mark.attack("A-047")
async def test_no_answer_tells_whether_an_address_is_known(world: House) -> None:
    addresses = (await people(world)).values()
    stranger = world.client()
    for password in ("not the password", "", "x" * 300):
        entered = [await stranger.log_in(each, password) for each in addresses]
        assert one_face(entered) == 401
    # The right password is told from a wrong one only where it opens the door.
    shut = [await stranger.log_in(each) for each in addresses if not each.startswith("proved")]
    assert one_face([entered[0], *shut]) == 401

    asked = [await stranger.sign_up(each) for each in addresses]
    assert one_face(asked) == 202
    handles = [each.json()["sign_up"] for each in asked] + ["vsup_" + "A" * 43, "nonsense"]
    again = [
        await stranger.post("/v1/accounts/verification/letters", json={"sign_up": each})
        for each in handles
    ]
    assert one_face(again) == 202
    codes = [await stranger.prove(sign_up=each, code="2222-2222") for each in handles]
    assert one_face(codes) == 400
    for _ in range(9):
        codes = [await stranger.prove(sign_up=each, code="2222-2222") for each in handles[:-2]]
    assert one_face(codes) == 400
    capped = [await stranger.prove(sign_up=each, code="2222-2222") for each in handles[:-2]]
    assert {each.status_code for each in capped} == {429}
    assert {each.headers["Retry-After"] for each in capped} <= {"86399", "86400", "86398"}

    # Each address got its letters, and the same number of them: the difference is inside.
    letters = await world.mails()
    per_person = {each: sum(letter.to == each for letter in letters) for each in addresses}
    assert per_person["nobody@victim.test"] == 2
    for owner in ("proved", "banned", "social"):
        last = [letter for letter in letters if letter.to == f"{owner}@victim.test"][-2:]
        assert all(letter.link is None and letter.code is None for letter in last)
    counted = await events(world)
    assert counted["sign_up.asked"] == 9
    assert (counted["login.refused"], counted["proof.refused"]) == (19, 50)


@pytest.mark.attack("A-047")
async def test_the_landing_page_looks_the_same_for_every_token(world: House) -> None:
    await world.member("proved@victim.test")
    used = (await world.mails())[-1].token
    await world.client().sign_up(V)
    fresh = (await world.mails())[-1].token
    stranger = world.client()
    tokens = [fresh, used, "vlnk_" + "A" * 43]
    shown = [await stranger.get("/verify-email", params={"token": each}) for each in tokens]
    assert one_face(shown) == 200
    for password in ("", "not the password", "x" * 300):
        posted = [
            await stranger.post("/verify-email", data={"token": each, "password": password})
            for each in tokens
        ]
        assert one_face(posted) == 400
    opened = await world.browser().post(
        "/verify-email", data={"token": fresh, "password": PASSWORD}
    )
    assert opened.status_code == 303


@pytest.mark.attack("A-048")
async def test_known_and_unknown_cost_the_same_work(database_url: str, tmp_path: Path) -> None:
    hasher = CountingHasher()
    async with House.running(
        database_url, tmp_path, hasher=hasher, transport=Kept(), **PRODUCTION
    ) as running:
        world = cast(House, running)
        addresses = (await people(world)).values()
        stranger, sent = world.client(), len(world.messages)

        async def costs(ask: Callable[[str], Awaitable[httpx.Response]]) -> list[Any]:
            found = []
            for each in addresses:
                before = hasher.work
                with statements(world) as said:
                    await ask(each)
                hashes = hasher.hashed - before[0], hasher.verified - before[1]
                found.append((hashes, said))
            return found

        for password in ("not the password", "", "y", "z" * 4096):
            logins = await costs(lambda each, typed=password: stranger.log_in(each, typed))  # type: ignore[misc]
            assert all(each == logins[0] for each in logins), logins
            assert logins[0][0] == (0, 1), "a miss is one verification, as a hit"
        asked: list[httpx.Response] = []

        async def sign_up(email: str) -> httpx.Response:
            asked.append(await stranger.sign_up(email))
            return asked[-1]

        sign_ups = await costs(sign_up)
        assert all(each == sign_ups[0] for each in sign_ups), sign_ups
        assert sign_ups[0][0] == (1, 0)
        handles = iter([each.json()["sign_up"] for each in asked] * 2)
        resends = await costs(
            lambda _: stranger.post(
                "/v1/accounts/verification/letters", json={"sign_up": next(handles)}
            )
        )
        assert all(each == resends[0] for each in resends), resends
        guesses = await costs(lambda _: stranger.prove(sign_up=next(handles), code="2222-2222"))
        assert all(each == guesses[0] for each in guesses), guesses
        assert len(world.messages) == sent, "letters leave later, not meanwhile"
        assert len(await world.mails()) > sent
        assert (await stranger.log_in("proved@victim.test")).status_code == 200


@pytest.mark.attack("A-094")
async def test_answers_hold_the_documented_fields_and_no_others(world: House) -> None:
    ada = world.browser()
    asked = await ada.sign_up("ada@example.org", username="ada.l")
    assert set(asked.json()) == {"status", "sign_up"}
    again = await ada.post("/v1/accounts/verification/letters", json=asked.json() | {"status": 1})
    assert set(again.json()) == {
        "type",
        "title",
        "status",
        "code",
        "detail",
        "request_id",
        "errors",
    }
    again = await ada.post(
        "/v1/accounts/verification/letters", json={"sign_up": asked.json()["sign_up"]}
    )
    assert again.json() == {"status": "check_your_mail"}
    letter = (await world.mails())[-1]
    proved = await ada.prove(sign_up=asked.json()["sign_up"], code=letter.code)
    assert set(proved.json()) == ACCOUNT_FIELDS
    entered = await ada.log_in()
    assert set(entered.json()) == {"account", "session"}
    assert set(entered.json()["account"]) == ACCOUNT_FIELDS
    assert set(entered.json()["session"]) == SESSION_FIELDS
    assert set((await ada.get("/v1/me")).json()) == ACCOUNT_FIELDS
    listed = (await ada.get("/v1/me/sessions")).json()
    assert set(listed) == {"sessions", "next"}
    assert all(set(each) == SESSION_FIELDS for each in listed["sessions"])
    nameless = await ada.sign_up(None, username="grace")
    assert (nameless.status_code, set(nameless.json())) == (201, ACCOUNT_FIELDS)
    for wrong in (await ada.log_in("ada@example.org", "wrong"), await ada.get("/nowhere")):
        assert set(wrong.json()) == {"type", "title", "status", "code", "detail", "request_id"}
    everyone = "".join(
        each.text for each in (asked, again, proved, entered, nameless, await ada.get("/v1/me"))
    )
    for inside in ("argon2", "hash", "digest", "secret", "email_key", "idle_until", "amr"):
        assert inside not in everyone


async def who_asked(world: House, handles: list[str]) -> dict[str, int]:
    """Tell for each letter's token which sign-up, by its place in `handles`, it belongs to."""
    rows = await world.rows(select(Challenge.token_digest, Challenge.handle_digest))
    place = {opaque.digest(Purpose.SIGN_UP, handle): n for n, handle in enumerate(handles)}
    by_token = {token: place[handle] for token, handle in rows}
    return {
        mail.token: by_token[opaque.digest(Purpose.LINK, mail.token)]
        for mail in await world.mails()
    }


@pytest.mark.attack("A-102")
async def test_names_that_look_alike_lead_no_letter_and_no_log_in_to_another(world: House) -> None:
    """What folds to one name is one account, whose letters go where it says; the rest is apart."""
    ada = await world.member("affe@victim.test", username="affenstra\u00dfe")
    sent = len(await world.mails())
    for folded in ("a\ufb00e@victim.test", "AFFE@VICTIM.TEST", "\uff41ffe@victim.test"):
        assert (await world.client().sign_up(folded)).status_code == 202
        assert (await world.browser().log_in(folded)).status_code == 200, folded
    letters = (await world.mails())[sent:]
    assert [each.to for each in letters] == ["affe@victim.test"] * 3, "to the owner, as stored"
    assert all(each.code is None for each in letters)
    for taken in ("AFFENSTRASSE", "affenstrasse", "a\ufb00enstrasse"):
        assert (await world.client().sign_up(None, username=taken)).status_code == 409, taken

    for apart in (
        "\u0430ffe@victim.test",  # Cyrillic
        "affe@v\u0456ctim.test",
        "affe@victim.test.evil.test",
        "affe+1@victim.test",
        "a.ffe@victim.test",
        "aff\u00e9@victim.test",
        "aff\u0435@victim.test",
        "\u0251ffe@victim.test",
    ):
        assert (await world.browser().log_in(apart)).status_code == 401, apart
        assert (await world.client().sign_up(apart)).status_code == 202, apart
        last = (await world.mails())[-1]
        assert last.to == apart, "a mailbox of its own"
        assert last.code is not None
    for apart in (
        "\u0430ffenstrasse",
        "affenstra\u00dfe.",
        "affen-strasse",
        "affenstra\u0455\u0455e",
    ):
        assert (await world.browser().log_in(apart)).status_code == 401, apart
    assert (await ada.get("/v1/me")).json()["email"] == "affe@victim.test"


@pytest.mark.attack("A-102")
async def test_twenty_spellings_at_once_become_one_account(world: House) -> None:
    local = ("josé", "JOSÉ", "jose\u0301", " josé", "\uff4aosé")
    domain = ("bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "bu\u0308cher.example ")
    spellings = [f"{name}@{host}" for name in local for host in domain]
    passwords = [f"the {number}th of twenty passwords" for number in range(20)]
    stranger = world.client()
    asked = await asyncio.gather(
        *(
            stranger.sign_up(each, password=password)
            for each, password in zip(spellings, passwords, strict=True)
        )
    )
    assert {each.status_code for each in asked} == {202}
    belongs = await who_asked(world, [each.json()["sign_up"] for each in asked])
    assert len(belongs) == 20

    async def prove(token: str, number: int) -> httpx.Response:
        return await stranger.prove(token=token, password=passwords[number])

    proved = await asyncio.gather(*(prove(*each) for each in belongs.items()))
    assert sorted(each.status_code for each in proved) == [200] + [400] * 19
    winner = next(
        number
        for answer, number in zip(proved, belongs.values(), strict=True)
        if answer.status_code == 200
    )
    assert len((await everything(world))["accounts"]) == 1
    for number, spelling in enumerate(spellings):
        entered = await world.browser().log_in(spelling, passwords[winner])
        assert entered.status_code == 200, spelling
        if number != winner:
            assert (await stranger.log_in(spelling, passwords[number])).status_code == 401
    assert (await events(world))["account.opened"] == 1
    # Other people are not folded in: a tag or another letter is another mailbox.
    assert (await stranger.log_in("josé+1@bücher.example", passwords[winner])).status_code == 401
    assert (await stranger.log_in("jose@bücher.example", passwords[winner])).status_code == 401


@pytest.mark.attack("A-102")
async def test_one_username_in_twenty_spellings_at_once_is_one_account(world: House) -> None:
    spellings = ["".join(letters) for letters in itertools.product("vV", "iI", "cC", "eE", "tT")]

    async def open_one(name: str) -> httpx.Response:
        return await world.client().sign_up(None, username=name)

    opened = await asyncio.gather(*(open_one(each) for each in spellings[:20]))
    assert sorted(each.status_code for each in opened) == [201] + [409] * 19
    assert len((await everything(world))["accounts"]) == 1
    for each in spellings:
        assert (await world.client().log_in(each)).status_code == 200


@pytest.mark.attack("A-102")
async def test_two_hundred_sign_ups_of_one_address_at_once(
    database_url: str, tmp_path: Path
) -> None:
    async with House.running(
        database_url, tmp_path, transport=Kept(), **PRODUCTION | {"hash_threads": 4}
    ) as running:
        world = cast(House, running)
        spellings = cased("victoria@victim.test", 200)
        passwords = {each: f"the password of {each}" for each in spellings}
        clients = [world.client() for _ in range(8)]

        async def ask(number: int, email: str) -> httpx.Response:
            return await clients[number % 8].sign_up(email, password=f"the password of {email}")

        asked = await asyncio.gather(*(ask(n, each) for n, each in enumerate(spellings)))
        for answer in asked:
            assert answer.status_code == 202 or (
                answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
            )
        taken = sum(answer.status_code == 202 for answer in asked)
        assert taken >= 100
        assert (await everything(world))["accounts"] == []
        letters = await world.mails()
        assert len(letters) == taken

        async def prove(number: int, token: str, password: str) -> httpx.Response:
            return await clients[number % 8].prove(token=token, password=password)

        proved = await asyncio.gather(
            *(prove(n, each.token, passwords[each.to]) for n, each in enumerate(letters))
        )
        refused = [answer for answer in proved if answer.status_code != 200]
        assert len(refused) == taken - 1
        assert {each.status_code for each in refused} == {400}
        assert len((await everything(world))["accounts"]) == 1
        [winner] = [each for each in proved if each.status_code == 200]
        owner: Client = world.browser()
        right = passwords[winner.json()["email"]]
        assert (await owner.log_in("victoria@victim.test", right)).status_code == 200
        wrong = [each for each in passwords.values() if each != right][:10]
        for each in wrong:
            assert (await owner.log_in("victoria@victim.test", each)).status_code == 401


def cased(address: str, count: int) -> list[str]:
    """Spell the first eight letters of an address in `count` mixtures of cases."""
    ways = itertools.product(*((sign, sign.upper()) for sign in address[:8]))
    return ["".join(way) + address[8:] for way in itertools.islice(ways, count)]
