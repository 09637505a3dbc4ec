"""An account stays its owner's, whatever somebody else holds of it or began with it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import select, update

from tests.attacks.conftest import PRODUCTION
from tests.attacks.looking import CountingHasher, House, Kept, everything, face, statements
from tests.attacks.test_accounts import ACCOUNT_FIELDS, SESSION_FIELDS
from tests.web.api.test_passwords import forgotten
from tests.world import NEW_PASSWORD, PASSWORD, Client, Mail, World
from vestibule.accounts import state
from vestibule.accounts.models import Account, Challenge
from vestibule.pruning import prune
from vestibule.sessions.models import Session

V = "v@victim.test"
RESETS = Challenge.purpose == "password_reset"
COOKIE = "__Host-vestibule"
NOTHING: list[object] = ["", None, 0, True, [], {"$gt": ""}, {"$ne": None}, "null", "undefined"]


async def works(world: World, password: str) -> bool:
    return (await world.browser().log_in(V, password)).status_code == 200


@pytest.mark.attack("A-007")
async def test_no_body_and_no_origin_moves_where_a_new_password_is_chosen(world: House) -> None:
    await world.member(V)
    for lie in ({"Origin": "https://evil.test"}, {"Referer": "https://evil.test/x"}):
        assert (await world.client(**lie).forget(V)).status_code == 403
    for field in ("origin", "redirect_to", "callback_url", "base_url", "link", "next"):
        body = {"email": V, field: "https://evil.test"}
        refused = await world.browser().post("/v1/password/forgot", json=body)
        assert refused.json()["errors"][0]["code"] == "unknown_field"
    for lie in ({"X-Forwarded-Host": "evil.test"}, {"Forwarded": "host=evil.test"}):
        assert (await world.browser(**lie).forget(V)).status_code == 202
    for letter in (await world.mails(V))[1:]:
        assert letter.link == f"https://auth.test/reset-password/{letter.token}"
        assert "evil" not in letter.text


@pytest.mark.attack("A-008")
async def test_a_letter_for_a_new_password_has_one_recipient(world: House) -> None:
    await world.member(V)
    before = await everything(world)
    stranger = world.browser()
    two = [V, "a@evil.test"]
    for shape in (two, [two], {"0": V, "1": "a@evil.test"}, {"email": V}, [V]):
        answer = await stranger.post("/v1/password/forgot", json={"email": shape})
        assert answer.status_code == 422, shape
    for body in (f"email={V}&email=a@evil.test", f"email[]={V}&email[]=a@evil.test"):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await stranger.post("/v1/password/forgot", content=body, headers=form)
        assert answer.status_code == 415
    twice = f'{{"email":"{V}","email":"a@evil.test"}}'
    json = {"Content-Type": "application/json"}
    assert (
        await stranger.post("/v1/password/forgot", content=twice, headers=json)
    ).status_code == 400
    for address in (f"{V},a@evil.test", f"{V};a@evil.test", f"{V}\r\nBcc: a@evil.test"):
        assert (await stranger.forget(address)).status_code == 422
    assert await everything(world) == before

    asked = await stranger.post("/v1/password/forgot?email=a@evil.test", json={"email": V})
    assert asked.status_code == 202
    assert {mail.to for mail in await world.mails()} == {V}


@pytest.mark.attack("A-008")
async def test_the_letter_goes_to_the_spelling_that_signed_up(world: House) -> None:
    """Two spellings of one mailbox here may be two elsewhere."""
    await world.member("Vee@victim.test")
    assert (await world.browser().forget("vee@VICTIM.test")).status_code == 202
    assert {mail.to for mail in await world.mails()} == {"Vee@victim.test"}


@pytest.mark.attack("A-015")
async def test_a_step_that_is_left_out_sets_no_password(world: House) -> None:
    """Nothing, and what looks like nothing, is nobody's letter: before one was asked for, too."""
    ada = await world.member(V)
    before = [(await world.rows(select(Account.password_hash)))]
    zeros = ["0" * 64, "vlnk_", f"vlnk_{'A' * 43}", "00000000-0000-0000-0000-000000000000"]
    for asked in (False, True):
        if asked:
            assert (await ada.forget(V)).status_code == 202
        session = await world.rows(select(Session.id))
        words = ["check_your_mail", str(session[0][0]), ada.cookies[COOKIE], V]
        for token in [*NOTHING, *zeros, *words]:
            for more in ({}, {"email": V}):
                answer = await ada.post(
                    "/v1/password/reset", json={"password": NEW_PASSWORD, "token": token} | more
                )
                assert answer.status_code in (400, 422), (token, more)
        for code in [*NOTHING, "AAAA-AAAA", "2222-2222", "%", "____-____"]:
            answer = await world.browser().post(
                "/v1/password/reset", json={"password": NEW_PASSWORD, "email": V, "code": code}
            )
            assert answer.status_code in (400, 422, 429), code
        for path in ("/reset-password/", "/reset-password/null", f"/reset-password/{zeros[0]}"):
            page = await world.browser().post(path, data={"password": NEW_PASSWORD})
            assert page.status_code in (400, 404, 405), path
    assert [(await world.rows(select(Account.password_hash)))] == before
    assert await works(world, PASSWORD)


@pytest.mark.attack("A-015")
async def test_a_letter_for_one_thing_is_nothing_to_another(world: House) -> None:
    signing_up = world.browser()
    asked = await signing_up.sign_up("new@victim.test")
    sign_up = (await world.mails("new@victim.test"))[-1]
    await world.member(V)
    reset = await forgotten(world, V)
    assert (await world.browser().reset(token=sign_up.token)).status_code == 400
    assert (
        await world.browser().reset(email="new@victim.test", code=sign_up.code)
    ).status_code == 400
    assert (await world.browser().prove(token=reset.token, password=PASSWORD)).status_code == 400
    handle = asked.json()["sign_up"]
    assert (await world.browser().prove(sign_up=handle, code=reset.code)).status_code == 400
    assert (await world.browser().reset(token=reset.token)).status_code == 204
    assert (await world.browser().prove(sign_up=handle, code=sign_up.code)).status_code == 200


@pytest.mark.attack("A-017")
async def test_of_many_that_use_one_letter_at_once_one_sets_the_password(world: House) -> None:
    await world.member(V)
    letter = await forgotten(world, V)
    for _ in range(2):
        assert (await world.browser().get(f"/reset-password/{letter.token}")).status_code == 200
    many = 12
    answers = await asyncio.gather(
        *(
            world.browser().reset(f"the new one, {number}", token=letter.token)
            if number % 2
            else world.browser().reset(f"the new one, {number}", email=V, code=letter.code)
            for number in range(many)
        )
    )
    said = Counter(each.status_code for each in answers)
    assert said[204] == 1
    assert set(said) <= {204, 400, 429}
    [winner] = [number for number, each in enumerate(answers) if each.status_code == 204]
    opened = [number for number in range(many) if await works(world, f"the new one, {number}")]
    assert opened == [winner]
    late = await world.browser().reset("the last one", token=letter.token)
    unknown = await world.browser().reset("the last one", token=f"vlnk_{'x' * 43}")
    assert face(late) == face(unknown)
    assert not await works(world, "the last one")


@pytest.mark.attack("A-008")
async def test_a_new_address_is_one_address(world: House) -> None:
    owner = await world.member(V)
    before = await everything(world)
    two = [V, "a@evil.test"]
    for shape in (two, [two], {"0": V, "1": "a@evil.test"}, ["new@victim.test"]):
        answer = await owner.post("/v1/me/email", json={"email": shape})
        assert answer.status_code == 422, shape
    for typed in ("new@victim.test,a@evil.test", "new@victim.test\r\nBcc: a@evil.test"):
        assert (await owner.post("/v1/me/email", json={"email": typed})).status_code == 422
    assert await everything(world) == before
    asked = await owner.post("/v1/me/email?email=a@evil.test", json={"email": "new@victim.test"})
    assert asked.status_code == 202
    assert {mail.to for mail in await world.mails()} == {V, "new@victim.test"}


def by_reset(world: House, _owner: Client, letter: Mail) -> Awaitable[object]:
    return world.browser().reset(token=letter.token)


def by_change(_world: House, owner: Client, _letter: Mail) -> Awaitable[object]:
    return owner.change_password()


Act = Callable[[House, Client, Mail], Awaitable[object]]


@pytest.mark.attack("A-031")
@pytest.mark.parametrize("act", [by_reset, by_change])
async def test_nothing_that_was_stolen_outlives_a_new_password(world: House, act: Act) -> None:
    owner = await world.member(V)
    entered = (await world.client().log_in(V, deliver="tokens")).json()
    remembered = world.browser()
    assert (await remembered.log_in(V, remember=True)).status_code == 200
    made = (await owner.post("/v1/me/api-keys", json={"name": "planted"})).json()
    older = await forgotten(world, V)
    letter = older if act is by_change else await forgotten(world, V)
    thieves = [
        world.browser(Cookie=f"{COOKIE}={owner.cookies[COOKIE]}"),
        world.browser(Cookie=f"{COOKIE}={remembered.cookies[COOKIE]}"),
        world.client(Authorization=f"Bearer {entered['access_token']}"),
        world.client(Authorization=f"Bearer {made['key']}"),
    ]
    for thief in thieves:
        assert (await thief.get("/v1/me")).status_code == 200
    await act(world, owner, letter)
    assert await works(world, NEW_PASSWORD)
    for thief in thieves:
        assert (await thief.get("/v1/me")).status_code == 401
        assert (await thief.post("/v1/me/api-keys", json={"name": "x"})).status_code == 401
        assert (await thief.change_password("mine from now on")).status_code == 401
    stale = {"refresh_token": entered["refresh_token"]}
    assert (await world.client().post("/v1/tokens/refresh", json=stale)).status_code == 401
    assert (await world.browser().reset("mine from now on", token=older.token)).status_code == 400
    assert await works(world, NEW_PASSWORD)


async def reset_it(world: House, _owner: Client) -> None:
    letter = await forgotten(world, V)
    assert (await world.browser().reset(token=letter.token)).status_code == 204


async def change(world: House, owner: Client) -> None:
    assert (await owner.change_password()).status_code == 200


async def another_letter(world: House, _owner: Client) -> None:
    await forgotten(world, V)


async def another_letter_that_is_used(world: House, _owner: Client) -> None:
    newer = await forgotten(world, V)
    assert (await world.browser().reset(token=newer.token)).status_code == 204


async def another_address(world: House, owner: Client) -> None:
    """And back, so that the address is the letter's again."""
    for email in ("new@victim.test", V):
        assert (await owner.post("/v1/me/email", json={"email": email})).status_code == 202
        code = next(each.code for each in reversed(await world.mails(email)) if each.code)
        answer = await owner.post("/v1/email/confirmation", json={"code": code})
        assert answer.status_code == 200


async def shut_and_open(world: House, _owner: Client) -> None:
    [(account,)] = await world.rows(select(Account.id))
    await world.vestibule.run(lambda unit: state.disable(unit, account))
    await world.vestibule.run(lambda unit: state.enable(unit, account))


async def log_out_everywhere(_world: House, owner: Client) -> None:
    assert (await owner.post("/v1/logout-all")).status_code == 204


HAPPENINGS = {
    "reset": reset_it,
    "change": change,
    "log out everywhere": log_out_everywhere,
    "shut and open": shut_and_open,
}


@pytest.mark.attack("A-032")
async def test_nothing_of_a_closed_account_lives_on_and_nobody_inherits_it(world: House) -> None:
    owner = await world.member(V, username="victim")
    entered = (await world.client().log_in(V, deliver="tokens")).json()
    key = (await owner.post("/v1/me/api-keys", json={"name": "x"})).json()["key"]
    old_id = (await owner.get("/v1/me")).json()["id"]
    letter = await forgotten(world, V)
    stolen = [
        world.browser(Cookie=f"{COOKIE}={owner.cookies[COOKIE]}"),
        world.client(Authorization=f"Bearer {entered['access_token']}"),
        world.client(Authorization=f"Bearer {key}"),
    ]

    async def all_dead() -> None:
        for each in stolen:
            assert (await each.get("/v1/me")).status_code == 401
        stale = {"refresh_token": entered["refresh_token"]}
        assert (await world.client().post("/v1/tokens/refresh", json=stale)).status_code == 401
        assert (await world.browser().reset(token=letter.token)).status_code == 400

    assert (await owner.delete("/v1/me")).status_code == 200
    assert not await works(world, PASSWORD)
    await all_dead()
    keeping = (await world.mails(V))[-1]
    world.clock.move(timedelta(days=14))
    assert (await prune(world.vestibule.means))["accounts"] == 1
    await all_dead()

    heir = await world.member(V, username="victim", password="the heir's own password")
    me = (await heir.get("/v1/me")).json()
    assert me["id"] != old_id
    assert me["roles"] == ["user"]
    assert len((await heir.get("/v1/me/sessions")).json()["sessions"]) == 1
    assert (await heir.get("/v1/me/api-keys")).json()["api_keys"] == []
    told = (await heir.get("/v1/me/export")).json()
    assert old_id not in str(told)
    await all_dead()
    body = {"token": keeping.token}
    assert (await world.browser().post("/v1/accounts/keep", json=body)).status_code == 400
    assert not await works(world, PASSWORD)


SENSITIVE = [
    ("POST", "/v1/me/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
    ("POST", "/v1/me/email", {"email": "new@victim.test"}),
    ("DELETE", "/v1/me", None),
    ("GET", "/v1/me/export", None),
]


@pytest.mark.attack("A-071")
@pytest.mark.parametrize("method, path, body", SENSITIVE)
async def test_an_old_log_in_changes_nothing_of_how_one_logs_in(
    world: House, method: str, path: str, body: dict[str, str] | None
) -> None:
    owner = await world.member(V)
    tokens = (await world.client().log_in(V, deliver="tokens")).json()
    world.clock.move(timedelta(hours=2))
    before = await everything(world, but=("sessions",))
    again = {"refresh_token": tokens["refresh_token"]}
    fresh = (await world.client().post("/v1/tokens/refresh", json=again)).json()
    program = world.client(Authorization=f"Bearer {fresh['access_token']}")
    owner.cookies.set("fresh", "1")
    headers = {"Date": "Thu, 01 Jan 2099 00:00:00 GMT", "X-Auth-Time": "4070908800"}
    for somebody in (owner, program):
        await somebody.get("/v1/me")
        answer = await somebody.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "reauthentication_required")
    assert await everything(world, but=("sessions",)) == before
    assert (await owner.post("/v1/me/confirm", json={"password": PASSWORD})).status_code == 200
    assert (await program.request(method, path, json=body)).status_code == 403, "another session"
    assert (await owner.request(method, path, json=body)).is_success


@pytest.mark.attack("A-071")
@pytest.mark.parametrize("method, path, body", SENSITIVE)
async def test_a_key_changes_nothing_of_how_its_owner_logs_in(
    world: House, method: str, path: str, body: dict[str, str] | None
) -> None:
    owner = await world.member(V)
    key = (await owner.post("/v1/me/api-keys", json={"name": "x"})).json()["key"]
    answer = await world.client(**{"X-API-Key": key}).request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "session_required")


@pytest.mark.attack("A-094")
async def test_answers_about_an_accounts_life_hold_their_fields_and_no_others(
    world: House,
) -> None:
    owner = await world.member(V)
    asked = await owner.forget(V)
    assert asked.json() == {"status": "check_your_mail"}
    moving = await owner.post("/v1/me/email", json={"email": "new@victim.test"})
    assert moving.json() == {"status": "check_your_mail"}
    code = (await world.mails("new@victim.test"))[-1].code
    moved = await owner.post("/v1/email/confirmation", json={"code": code})
    assert set(moved.json()) == ACCOUNT_FIELDS
    changed = await owner.change_password()
    assert set(changed.json()) == {"account", "session"}
    assert set(changed.json()["account"]) == ACCOUNT_FIELDS
    assert set(changed.json()["session"]) == SESSION_FIELDS
    exported = await owner.get("/v1/me/export")
    closing = await owner.delete("/v1/me")
    assert set(closing.json()) == {"status", "closes_at"}
    for answer in (asked, moving, moved, changed, exported, closing):
        for inside in ("argon2", "hash", "digest", "secret", "email_key", "payload", "nonce"):
            assert inside not in answer.text


@pytest.mark.attack("A-033")
@pytest.mark.parametrize("happening", ["reset", "change", "log out everywhere", "shut and open"])
async def test_a_change_of_address_dies_with_whatever_shuts_the_thief_out(
    world: House, happening: str
) -> None:
    owner, thief = await world.member(V), world.browser()
    assert (await thief.log_in(V)).status_code == 200
    assert (await thief.post("/v1/me/email", json={"email": "a@evil.test"})).status_code == 202
    his = (await world.mails("a@evil.test"))[-1]
    await HAPPENINGS[happening](world, owner)
    for body in (
        {"token": his.token},
        {"token": his.token, "password": PASSWORD},
        {"token": his.token, "password": NEW_PASSWORD},
        {"code": his.code},
    ):
        answer = await thief.post("/v1/email/confirmation", json=body)
        assert answer.status_code in (400, 401), body
    for spent in ({"token": his.token}, {"token": his.token, "password": PASSWORD}):
        page = await thief.post("/confirm-email", data=spent)
        assert page.status_code in (400, 401)
    assert (await world.rows(select(Account.email))) == [(V,)]
    before = len(await world.mails("a@evil.test"))
    assert (await thief.forget("a@evil.test")).status_code == 202
    letters = await world.mails("a@evil.test")
    assert len(letters) == before + 1
    assert (letters[-1].link, letters[-1].code) == (None, None)


@pytest.mark.attack("A-033")
async def test_a_change_that_was_asked_for_in_between_is_bound_to_the_password(
    world: House,
) -> None:
    """As where it was written while the password changed, and so was not voided with it."""
    thief = await world.member(V)
    assert (await thief.post("/v1/me/email", json={"email": "a@evil.test"})).status_code == 202
    his = (await world.mails("a@evil.test"))[-1]
    pending = Challenge.purpose == "address_change"
    [(payload,)] = await world.rows(select(Challenge.payload).where(pending))
    await reset_it(world, thief)
    async with world.vestibule.unit() as unit:
        reopened = update(Challenge).where(pending).values(used_at=None, payload=payload)
        await unit.session.execute(reopened)
    body = {"token": his.token, "password": NEW_PASSWORD}
    assert (await thief.post("/v1/email/confirmation", json=body)).status_code == 400
    assert (await world.rows(select(Account.email))) == [(V,)]


@pytest.mark.attack("A-034")
async def test_an_address_is_the_old_one_until_the_new_mailbox_says_so(world: House) -> None:
    owner = await world.member(V)
    typo = "typo@evil.test"
    assert (await world.browser().post("/v1/me/email", json={"email": typo})).status_code == 401
    world.clock.move(timedelta(minutes=11))
    stale = await owner.post("/v1/me/email", json={"email": typo})
    assert stale.json()["code"] == "reauthentication_required"
    wrong = await owner.post("/v1/me/confirm", json={"password": "not hers"})
    assert wrong.status_code == 401
    assert (await owner.post("/v1/me/email", json={"email": typo})).status_code == 403
    assert await world.mails(typo) == []
    assert (await owner.post("/v1/me/confirm", json={"password": PASSWORD})).status_code == 200
    assert (await owner.post("/v1/me/email", json={"email": typo})).status_code == 202

    assert (await owner.get("/v1/me")).json()["email"] == V
    assert (await world.browser().log_in(typo)).status_code == 401
    assert (await world.browser().log_in(V)).status_code == 200
    notice = (await world.mails(V))[-1]
    assert "about to change" in notice.subject
    assert (await world.browser().forget(typo)).status_code == 202
    assert (await world.mails(typo))[-1].link is None
    # The old mailbox's link confirms nothing.
    for path in ("/v1/email/confirmation", "/v1/accounts/verification"):
        body = {"token": notice.token, "password": PASSWORD}
        assert (await owner.post(path, json=body)).status_code == 400
    assert (await world.browser().reset(token=notice.token)).status_code == 400
    assert (await owner.get("/v1/me")).json()["email"] == V
    # Nor does the new mailbox's undo anything: each letter is good for one thing.
    proof = (await world.mails(typo))[0]
    assert (
        await world.browser().post("/v1/email/undo", json={"token": proof.token})
    ).status_code == 400
    stopped = await world.browser().post("/v1/email/undo", json={"token": notice.token})
    assert stopped.status_code == 200
    body = {"token": proof.token, "password": PASSWORD}
    assert (await world.browser().post("/v1/email/confirmation", json=body)).status_code == 400
    assert (await world.rows(select(Account.email))) == [(V,)]


@pytest.mark.attack("A-017")
async def test_of_many_that_use_one_proof_of_an_address_at_once_one_succeeds(
    world: House,
) -> None:
    owner = await world.member(V)
    assert (await owner.post("/v1/me/email", json={"email": "new@victim.test"})).is_success
    proof = (await world.mails("new@victim.test"))[-1]
    bodies = [{"token": proof.token}, {"code": proof.code}] * 5
    answers = await asyncio.gather(
        *(owner.post("/v1/email/confirmation", json=body) for body in bodies)
    )
    said = Counter(each.status_code for each in answers)
    assert said[200] == 1
    assert set(said) <= {200, 400, 429}
    undo = (await world.mails(V))[-1]
    answers = await asyncio.gather(
        *(world.browser().post("/v1/email/undo", json={"token": undo.token}) for _ in range(10))
    )
    assert Counter(each.status_code for each in answers) == {200: 1, 400: 9}
    assert (await world.rows(select(Account.email))) == [(V,)]


@pytest.mark.attack("A-038")
@pytest.mark.parametrize(
    "happening",
    [
        change,
        another_letter,
        another_letter_that_is_used,
        another_address,
        shut_and_open,
        log_out_everywhere,
    ],
)
async def test_a_letter_is_dead_after_whatever_changes_the_account(
    world: House, happening: Callable[[House, Client], Awaitable[None]]
) -> None:
    owner = await world.member(V)
    letter = await forgotten(world, V)
    [(first,)] = await world.rows(select(Challenge.id).where(RESETS))
    await happening(world, owner)
    # By itself, and not only because the password is another one.
    still_open = select(Challenge.id).where(Challenge.id == first, Challenge.used_at.is_(None))
    assert await world.rows(still_open) == []
    answer = await world.browser().reset("mine from now on", token=letter.token)
    assert (answer.status_code, answer.json()["code"]) == (400, "proof_refused")
    by_code = await world.browser().reset("mine from now on", email=V, code=letter.code)
    assert by_code.status_code == 400
    assert not await works(world, "mine from now on")
    fresh = await forgotten(world, V)
    assert (await world.browser().reset("the third of them", token=fresh.token)).status_code == 204


@pytest.mark.attack("A-047")
@pytest.mark.attack("A-048")
async def test_a_forgotten_password_costs_and_says_the_same_for_everybody(
    database_url: str, tmp_path: Path
) -> None:
    """Same answer, same statements, same hashes, and one letter each."""
    hasher = CountingHasher()
    async with House.running(
        database_url, tmp_path, hasher=hasher, transport=Kept(), **PRODUCTION
    ) as made:
        world = cast(House, made)
        await world.member(V)
        await world.member("shut@victim.test")
        async with world.vestibule.unit() as unit:
            shut = update(Account).where(Account.email == "shut@victim.test")
            await unit.session.execute(shut.values(state="disabled"))
        seen = []
        for email in (V, "shut@victim.test", "nobody@victim.test"):
            before, posted = hasher.work, len(await world.mails(email))
            with statements(world) as said:
                answer = await world.browser().forget(email)
            asked = hasher.work
            letters = len(await world.mails(email)) - posted
            with statements(world) as tried:
                refused = await world.browser().reset(email=email, code="2222-2222")
            spent = (hasher.work[0] - before[0], hasher.work[1] - before[1])
            assert asked == before
            seen.append((face(answer), said, letters, face(refused), tried, spent))
        assert seen[0] == seen[1] == seen[2]
        assert seen[0][2] == 1


@pytest.mark.attack("A-047")
@pytest.mark.attack("A-048")
async def test_a_new_address_costs_and_says_the_same_whether_or_not_it_is_taken(
    database_url: str, tmp_path: Path
) -> None:
    hasher = CountingHasher()
    async with House.running(
        database_url, tmp_path, hasher=hasher, transport=Kept(), **PRODUCTION
    ) as made:
        world = cast(House, made)
        asking = await world.member("asking@victim.test")
        await world.member(V)
        await world.member("shut@victim.test")
        async with world.vestibule.unit() as unit:
            shut = update(Account).where(Account.email == "shut@victim.test")
            await unit.session.execute(shut.values(state="disabled"))
        assert (await asking.get("/v1/me")).status_code == 200  # known from now on
        seen = []
        for email in ("free@victim.test", V, "shut@victim.test"):
            before, posted = hasher.work, len(await world.mails())
            with statements(world) as said:
                answer = await asking.post("/v1/me/email", json={"email": email})
            letters = len(await world.mails()) - posted
            with statements(world) as tried:
                refused = await asking.post("/v1/email/confirmation", json={"code": "2222-2222"})
            assert hasher.work == before
            seen.append((face(answer), said, letters, face(refused), tried))
        assert seen[0] == seen[1] == seen[2]
        assert seen[0][2] == 2
