"""Signing up and proving an address, as clients see it."""

from datetime import timedelta
from pathlib import Path
from secrets import token_urlsafe

import pytest
from sqlalchemy import func, select, update

from tests.world import PASSWORD, World
from vestibule.accounts.models import Account, Challenge
from vestibule.courier.models import Letter
from vestibule.tokens import keys


async def test_a_sign_up_without_an_address_opens_at_once(world: World) -> None:
    ada = world.browser()
    opened = await ada.sign_up(None, username="Ada.L")
    assert opened.status_code == 201
    assert opened.json() | {"id": None, "created_at": None} == {
        "id": None,
        "created_at": None,
        "email": None,
        "email_verified": False,
        "username": "Ada.L",
        "given_name": None,
        "family_name": None,
        "picture": None,
        "profile": {},
        "roles": ["user"],
    }
    assert (await ada.log_in("aDA.l")).status_code == 200
    again = await world.browser().sign_up(None, username="ADA.L")
    assert (again.status_code, again.json()["code"]) == (409, "username_taken")


async def test_a_sign_up_needs_a_name_of_some_kind(world: World) -> None:
    answer = await world.browser().sign_up(None)
    assert (answer.status_code, answer.json()["code"]) == (422, "identifier_missing")


@pytest.mark.parametrize(
    "password, words",
    [
        ("seven77", "at least 8"),
        ("x" * 257, "at most 256"),
        ("password1", "tried first"),
        ("P A S S W O R D 1", "tried first"),
        ("zzzzzzzzzzz", "tried first"),
        ("ada@example.org", "no password"),
        ("Lovelace Ada", "no password"),
        ("vestibule", "no password"),
    ],
)
async def test_a_password_that_others_would_guess_is_refused_with_the_reason(
    world: World, password: str, words: str
) -> None:
    answer = await world.browser().sign_up(
        password=password, given_name="Ada", family_name="Lovelace"
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "weak_password")
    assert words in answer.json()["detail"]
    assert await world.rows(select(Challenge.id)) == []


@pytest.mark.parametrize(
    "password", ["8 chars!", "ÅÄÖ😀🎉 ぱすわーど", " leading and trailing ", "x1" * 128]
)
async def test_any_signs_make_a_password_and_all_of_them_count(world: World, password: str) -> None:
    ada = await world.member(password=password)
    assert (await ada.log_in(password=password[:-1])).status_code == 401
    assert (await ada.log_in(password=password.strip() + "!")).status_code == 401


async def test_a_taken_address_is_answered_alike_and_its_owner_is_told(world: World) -> None:
    await world.member("ada@example.org")
    free = await world.browser().sign_up("bob@example.org")
    taken = await world.browser().sign_up("ADA@example.org")
    assert (free.status_code, taken.status_code) == (202, 202)
    assert free.json().keys() == taken.json().keys()

    told = (await world.mails("ada@example.org"))[-1]
    assert "already have an account" in told.subject
    assert told.code is None
    assert told.link is None
    again = await world.browser().post(
        "/v1/accounts/verification/letters", json={"sign_up": taken.json()["sign_up"]}
    )
    assert again.status_code == 202
    assert "already have an account" in (await world.mails("ada@example.org"))[-1].subject
    assert len(await world.mails("ada@example.org")) == 3


@pytest.mark.parametrize("typed", ["{}", " {} ", "lower", "no hyphen"])
async def test_a_code_may_be_typed_as_people_type(world: World, typed: str) -> None:
    ada = world.browser()
    asked = await ada.sign_up()
    [letter] = await world.mails()
    assert letter.code is not None
    code = {"lower": letter.code.lower(), "no hyphen": letter.code.replace("-", "")}.get(
        typed, typed.format(letter.code)
    )
    assert (await ada.prove(sign_up=asked.json()["sign_up"], code=code)).status_code == 200


async def test_a_code_ends_after_half_an_hour_and_the_link_after_a_day(world: World) -> None:
    ada = world.browser()
    asked = await ada.sign_up()
    [letter] = await world.mails()
    world.clock.move(timedelta(minutes=31))
    late = await ada.prove(sign_up=asked.json()["sign_up"], code=letter.code)
    assert (late.status_code, late.json()["code"]) == (400, "proof_refused")
    world.clock.move(timedelta(hours=23, minutes=30))
    too_late = await ada.prove(token=letter.token, password=PASSWORD)
    assert too_late.status_code == 400
    assert await world.rows(select(Account.id)) == []


async def test_the_link_works_for_a_day(world: World) -> None:
    ada = world.browser()
    await ada.sign_up()
    [letter] = await world.mails()
    world.clock.move(timedelta(hours=23))
    assert (await ada.prove(token=letter.token, password=PASSWORD)).status_code == 200


async def test_another_letter_brings_new_keys_and_ends_the_old_ones(world: World) -> None:
    ada = world.browser()
    handle = (await ada.sign_up()).json()["sign_up"]
    answer = await ada.post("/v1/accounts/verification/letters", json={"sign_up": handle})
    assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
    first, second = await world.mails()
    assert (await ada.prove(sign_up=handle, code=first.code)).status_code == 400
    assert (await ada.prove(token=first.token, password=PASSWORD)).status_code == 400
    assert (await ada.prove(sign_up=handle, code=second.code)).status_code == 200


async def test_another_letter_for_a_sign_up_that_nobody_made_is_answered_alike(
    world: World,
) -> None:
    answer = await world.browser().post(
        "/v1/accounts/verification/letters", json={"sign_up": "vsup_nobody"}
    )
    assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
    assert await world.mails() == []


async def test_after_the_proof_another_letter_tells_the_owner(world: World) -> None:
    """Whoever asked without owning the mailbox must not learn that it was proved meanwhile."""
    stranger = world.browser()
    handle = (await stranger.sign_up("ada@example.org", password="a stranger's own")).json()
    await world.member("ada@example.org")
    answer = await stranger.post("/v1/accounts/verification/letters", json=handle | {"status": 0})
    assert answer.status_code == 422
    answer = await stranger.post(
        "/v1/accounts/verification/letters", json={"sign_up": handle["sign_up"]}
    )
    assert answer.status_code == 202
    assert "already have an account" in (await world.mails("ada@example.org"))[-1].subject


async def test_proving_opens_the_sign_up_of_that_letter_and_ends_the_others(world: World) -> None:
    stranger, ada = world.browser(), world.browser()
    planted = await stranger.sign_up(password="a stranger's own", given_name="Mallory")
    wanted = await ada.sign_up("ADA@example.org", given_name="Ada")
    theirs, hers = await world.mails()
    assert (await ada.prove(token=hers.token, password=PASSWORD)).json()["given_name"] == "Ada"
    assert (
        await stranger.prove(sign_up=planted.json()["sign_up"], code=theirs.code)
    ).status_code == 400
    assert (
        await stranger.prove(token=theirs.token, password="a stranger's own")
    ).status_code == 400
    assert (await stranger.log_in(password="a stranger's own")).status_code == 401
    assert (await ada.log_in()).status_code == 200
    assert (await ada.prove(sign_up=wanted.json()["sign_up"], code=hers.code)).status_code == 400


async def test_a_name_taken_meanwhile_is_told_at_the_proof_and_spends_nothing(
    world: World,
) -> None:
    ada = world.browser()
    asked = await ada.sign_up(username="ada")
    assert (await world.browser().sign_up(None, username="ADA")).status_code == 201
    [letter] = await world.mails()
    by_code = {"sign_up": asked.json()["sign_up"], "code": letter.code}
    for _ in range(12):  # more often than codes may be wrong
        refused = await ada.prove(**by_code)
        assert (refused.status_code, refused.json()["code"]) == (409, "username_taken")
    bad = await ada.prove(**by_code, username="a da")
    assert (bad.status_code, bad.json()["code"]) == (422, "invalid_username")
    assert (await ada.prove(**by_code, username="ada.l")).json()["username"] == "ada.l"


async def test_a_taken_name_is_told_at_the_sign_up(world: World) -> None:
    await world.browser().sign_up(None, username="ada")
    refused = await world.browser().sign_up("ada@example.org", username="Ada")
    assert (refused.status_code, refused.json()["code"]) == (409, "username_taken")
    assert await world.rows(select(Letter.id)) == []


async def test_half_a_proof_is_told_what_is_missing(world: World) -> None:
    for body in ({"code": "ABCD-2345"}, {"token": "vlnk_x"}, {}, {"sign_up": "x", "token": "y"}):
        answer = await world.browser().prove(**body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")
        assert "one pair" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "email", ["", "ada", "@example.org", "ada@", "ada@@example.org", "a b@c.org"]
)
async def test_what_is_no_address_is_refused(world: World, email: str) -> None:
    answer = await world.browser().sign_up(email)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_address")


async def test_an_account_may_open_before_the_proof_where_the_settings_say_so(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, login_before_proof=True) as world:
        ada = world.browser()
        asked = await ada.sign_up(username="ada")
        assert asked.status_code == 202
        assert (await ada.log_in()).json()["account"]["email_verified"] is False

        second = await world.browser().sign_up(password="somebody else's")
        assert (second.status_code, second.json().keys()) == (202, asked.json().keys())
        third = await world.browser().sign_up("bob@example.org", username="ADA")
        assert third.status_code == 409

        first, told = await world.mails("ada@example.org")
        assert "already have an account" in told.subject
        other = world.browser()
        assert (await other.log_in()).status_code == 200
        proved = await other.prove(sign_up=asked.json()["sign_up"], code=first.code)
        assert proved.json()["email_verified"] is True
        assert (await ada.get("/v1/me")).status_code == 401, "the first proof ends what was open"
        assert (await other.get("/v1/me")).status_code == 200, "but not the session that proves"
        assert (await ada.log_in()).json()["account"]["email_verified"] is True


async def test_another_letter_before_the_proof_of_an_open_account_proves_it(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, login_before_proof=True) as world:
        ada = world.browser()
        handle = (await ada.sign_up()).json()["sign_up"]
        await ada.post("/v1/accounts/verification/letters", json={"sign_up": handle})
        letter = (await world.mails())[-1]
        assert (await ada.prove(sign_up=handle, code=letter.code)).status_code == 200


async def test_an_address_with_a_disabled_account_is_answered_alike(world: World) -> None:
    await world.member()
    await world.rows(update(Account).values(state="disabled").returning(Account.id))
    assert (await world.browser().sign_up()).status_code == 202
    assert len(await world.rows(select(func.count()).select_from(Account))) == 1


async def test_a_sign_up_under_a_secret_that_is_gone_cannot_be_proved_but_asked_anew(
    database_url: str, tmp_path: Path
) -> None:
    old, new = (token_urlsafe(32) for _ in range(2))
    async with World.running(database_url, tmp_path, secrets=old) as world:
        asked = await world.browser().sign_up()
        [letter] = await world.mails()
    handle = asked.json()["sign_up"]
    async with World.running(database_url, tmp_path, secrets=f"{new},{old}") as world:
        for _ in range(2):  # the keys that sign tokens are the new secret's from now on
            await world.vestibule.run(keys.rotate)
    async with World.running(database_url, tmp_path, secrets=new) as world:
        by_code = await world.browser().prove(sign_up=handle, code=letter.code)
        by_link = await world.browser().prove(token=letter.token, password=PASSWORD)
        assert [by_code.status_code, by_link.status_code] == [400, 400]
        await world.member()
    async with World.running(database_url, tmp_path, secrets=f"{new},{old}") as world:
        late = await world.browser().prove(token=letter.token, password=PASSWORD)
        assert late.status_code == 400, "the address was proved by another sign-up"


async def test_secrets_are_rotated_without_losing_a_sign_up(
    database_url: str, tmp_path: Path
) -> None:
    old, new = (token_urlsafe(32) for _ in range(2))
    async with World.running(database_url, tmp_path, secrets=old) as world:
        asked = await world.browser().sign_up()
    async with World.running(database_url, tmp_path, secrets=f"{new},{old}") as world:
        [letter] = await world.mails()  # sealed under the old one, sent under the new
        proved = await world.browser().prove(sign_up=asked.json()["sign_up"], code=letter.code)
        assert proved.status_code == 200


async def test_an_account_that_is_not_proved_waits_where_the_setting_is_taken_back(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, login_before_proof=True) as world:
        asked = await world.browser().sign_up()
        assert (await world.browser().log_in()).status_code == 200
    async with World.running(database_url, tmp_path) as world:
        assert (await world.browser().log_in()).status_code == 401
        [letter] = await world.mails()
        proved = await world.browser().prove(sign_up=asked.json()["sign_up"], code=letter.code)
        assert proved.status_code == 200
        assert (await world.browser().log_in()).status_code == 200
