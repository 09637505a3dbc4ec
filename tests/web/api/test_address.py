"""Another address: proved at the new one, told to the old one, and taken back from there."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from tests.web.api.test_confirmation import change_accounts, events
from tests.web.api.test_passwords import ADA, as_read, forgotten, live_sessions, make_key, opened
from tests.world import GENEROUS, NEW_PASSWORD, PASSWORD, Client, Mail, World
from vestibule.accounts import state
from vestibule.accounts.address import ask_to_change
from vestibule.accounts.models import Account, Challenge
from vestibule.kernel.errors import NotSignedIn

NEW = "countess@example.net"


async def ask(client: Client, email: str = NEW) -> httpx.Response:
    return await client.post("/v1/me/email", json={"email": email})


async def asked(world: World, client: Client, email: str = NEW) -> Mail:
    """Ask for another address, and return the letter to it."""
    answer = await ask(client, email)
    assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})
    return (await world.mails(email))[-1]


async def confirm(client: Client, **fields: str | None) -> httpx.Response:
    return await client.post("/v1/email/confirmation", json=fields)


async def undo(client: Client, letter: Mail) -> httpx.Response:
    return await client.post("/v1/email/undo", json={"token": letter.token})


async def address_of(client: Client) -> str:
    return str((await client.get("/v1/me")).json()["email"])


async def changed(world: World, client: Client, email: str = NEW) -> None:
    letter = await asked(world, client, email)
    assert (await confirm(client, code=letter.code)).status_code == 200


async def former(world: World, email: str = ADA) -> Mail:
    """The last letter to an address that an account had."""
    return (await world.mails(email))[-1]


async def test_an_address_changes_once_it_is_proved_by_the_code(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    assert letter.subject == "Confirm your new address at Vestibule"
    assert await address_of(ada) == ADA
    assert await opened(world, world.browser(), PASSWORD) == [200]
    assert (await world.browser().log_in(NEW)).status_code == 401
    assert letter.code is not None
    answer = await confirm(ada, code=letter.code.lower().replace("-", " "))
    assert answer.status_code == 200
    assert (answer.json()["email"], answer.json()["email_verified"]) == (NEW, True)
    assert await address_of(ada) == NEW, "sessions go on"
    assert (await world.browser().log_in(NEW)).status_code == 200
    assert await opened(world, world.browser(), PASSWORD) == [401]
    assert {"address.change_asked", "address.changed"} <= set(await events(world))
    assert (await confirm(ada, code=letter.code)).status_code == 400


async def test_an_address_changes_by_the_link_where_one_is_signed_in(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    assert letter.link == f"http://localhost:8000/confirm-email?token={letter.token}"
    assert (await confirm(ada, token=letter.token)).status_code == 200
    assert (await confirm(ada, token=letter.token)).status_code == 400
    assert await address_of(ada) == NEW


async def test_anywhere_else_the_link_wants_the_accounts_password(world: World) -> None:
    """Or the owner of a mailbox would give it to a stranger's account by a click."""
    ada, owner = await world.member(), await world.member("bob@example.org", password="another one")
    letter = await asked(world, ada)
    for clicking in (world.browser(), owner):
        answer = await confirm(clicking, token=letter.token)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
        wrong = await confirm(clicking, token=letter.token, password="another one")
        assert (wrong.status_code, wrong.json()["code"]) == (400, "proof_refused")
    assert await address_of(ada) == ADA
    by_password = await confirm(owner, token=letter.token, password=PASSWORD)
    assert by_password.status_code == 200
    assert await address_of(ada) == NEW
    assert await address_of(owner) == "bob@example.org"


async def test_ten_wrong_passwords_close_the_link(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    stranger = world.browser()
    for _ in range(10):
        answer = await confirm(stranger, token=letter.token, password="a guess")
        assert answer.status_code == 400
    assert (await confirm(stranger, token=letter.token, password=PASSWORD)).status_code == 429
    assert (await confirm(ada, token=letter.token)).status_code == 200


async def test_it_takes_a_code_or_a_link(world: World) -> None:
    ada = await world.member()
    for fields in ({}, {"code": "x", "token": "x"}, {"code": "x", "password": "x"}):
        assert (await confirm(ada, **fields)).json()["errors"][0]["code"] == "either_or"
    assert (await confirm(world.browser(), code="x")).json()["code"] == "not_signed_in"


async def test_a_change_wants_a_recent_log_in_and_an_address(world: World) -> None:
    ada = await world.member()
    assert (await ask(ada, "nobody")).json()["code"] == "invalid_address"
    world.clock.move(timedelta(minutes=11))
    assert (await ask(ada)).json()["code"] == "reauthentication_required"
    assert await world.mails(NEW) == []


async def test_a_taken_address_is_answered_alike_and_its_owner_is_told(world: World) -> None:
    ada, owner = await world.member(), await world.member("Bob@example.org")
    free, taken = await ask(ada), await ask(ada, "bob@EXAMPLE.org")
    assert (free.status_code, free.content) == (taken.status_code, taken.content)
    told = (await world.mails("Bob@example.org"))[-1]
    assert told.subject == "Somebody wanted to use your address at Vestibule"
    assert (told.link, told.code) == (None, None)
    assert len(await world.mails(ADA)) == 3, "the present address is told both times"
    assert await address_of(owner) == "Bob@example.org"


async def test_an_address_taken_meanwhile_is_told_and_spends_nothing(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    other = await world.member(NEW)
    answer = await confirm(ada, code=letter.code)
    assert (answer.status_code, answer.json()["code"]) == (409, "address_taken")
    assert await address_of(ada) == ADA
    await changed(world, other, "elsewhere@example.org")
    assert (await confirm(ada, code=letter.code)).status_code == 200


async def test_another_spelling_of_ones_own_address_is_no_taken_one(world: World) -> None:
    ada = await world.member()
    await changed(world, ada, "Ada@Example.org")
    assert await address_of(ada) == "Ada@Example.org"


async def test_whoever_has_no_address_may_get_one(world: World) -> None:
    ada = world.browser()
    assert (await ada.sign_up(None, username="lovelace")).status_code == 201
    phone = world.browser()
    for client in (ada, phone):
        assert (await client.log_in("lovelace")).status_code == 200
    robot = world.client(**{"X-API-Key": await make_key(ada)})
    await changed(world, ada)
    assert (await ada.get("/v1/me")).json()["email_verified"] is True
    for other in (phone, robot):
        assert (await other.get("/v1/me")).status_code == 401, "a first proof ends what was before"
    assert len(await world.mails()) == 1, "there was no address to tell"


async def test_an_address_that_was_never_proved_gets_no_way_back(
    database_url: str, tmp_path: Path
) -> None:
    """It may be a stranger's: whoever signs up first types it."""
    async with World.running(database_url, tmp_path, login_before_proof=True) as world:
        ada = world.browser()
        assert (await ada.sign_up()).status_code == 202
        assert (await ada.log_in()).status_code == 200
        await changed(world, ada)
        assert len(await world.mails(ADA)) == 1, "that of the sign-up"


async def test_a_newer_change_voids_the_older_one_of_the_account_alone(world: World) -> None:
    ada, bob = await world.member(), await world.member("bob@example.org")
    first = await asked(world, ada)
    await asked(world, bob)  # the same address, for another account
    second = await asked(world, ada, "second@example.net")
    assert (await confirm(ada, token=first.token)).status_code == 400
    assert (await confirm(ada, code=first.code)).status_code == 400
    assert (await confirm(ada, token=second.token)).status_code == 200


async def test_ten_wrong_codes_close_the_codes_and_never_the_link(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    for _ in range(10):
        assert (await confirm(ada, code="2222-2222")).status_code == 400
    assert (await confirm(ada, code=letter.code)).status_code == 429
    again = await asked(world, ada)
    assert (await confirm(ada, code=again.code)).status_code == 429, "a new letter refills nothing"
    assert (await confirm(ada, token=again.token)).status_code == 200


async def test_the_link_is_good_for_a_day_and_the_code_for_half_an_hour(world: World) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    world.clock.move(timedelta(minutes=30))
    assert (await confirm(ada, code=letter.code)).status_code == 400
    world.clock.move(timedelta(hours=23, minutes=30))
    ada = world.browser()
    assert (await ada.log_in()).status_code == 200
    assert (await confirm(ada, token=letter.token)).status_code == 400


async def test_five_changes_an_hour_are_the_most(database_url: str, tmp_path: Path) -> None:
    limits = GENEROUS.replace("address_changes=1000000/1h", "address_changes=5/1h")
    async with World.running(database_url, tmp_path, limits=limits) as world:
        ada = await world.member()
        said = [(await ask(ada, f"{number}@example.net")).status_code for number in range(6)]
        assert said == [202] * 5 + [429]


async def test_an_address_that_got_too_many_letters_gets_no_more(
    database_url: str, tmp_path: Path
) -> None:
    limits = GENEROUS.replace("letters=1000000/1h", "letters=2/1h")
    async with World.running(database_url, tmp_path, limits=limits) as world:
        ada = await world.member()
        assert [(await ask(ada)).status_code for _ in range(4)] == [202] * 4
        letters = await world.mails(NEW)
        assert len(letters) == 2
        assert (await confirm(ada, code=letters[-1].code)).status_code == 200


@pytest.mark.parametrize("state_", ["disabled", "closing"])
async def test_an_account_that_is_shut_gets_no_address(world: World, state_: str) -> None:
    ada = await world.member()
    letter = await asked(world, ada)
    await change_accounts(world, state=state_)
    answer = await confirm(world.browser(), token=letter.token, password=PASSWORD)
    assert answer.status_code == 400


async def test_a_session_that_ended_meanwhile_asks_for_nothing(world: World) -> None:
    ada = await world.member()
    caller = await as_read(world, ada)
    assert (await ada.post("/v1/logout")).status_code == 204
    with pytest.raises(NotSignedIn):
        await world.vestibule.run(lambda unit: ask_to_change(unit, caller=caller, email=NEW))
    assert await world.mails(NEW) == []


async def test_the_former_address_takes_the_account_back(world: World) -> None:
    thief = await world.member()  # with her password, in her browser
    await changed(world, thief)
    robot = world.client(**{"X-API-Key": await make_key(thief)})
    letter = await former(world)
    assert letter.subject == "Your address at Vestibule was changed"
    assert letter.link == f"http://localhost:8000/undo-email?token={letter.token}"
    assert NEW not in letter.text
    answer = await undo(world.browser(), letter)
    assert (answer.status_code, answer.json()) == (200, {"status": "check_your_mail"})
    for client in (thief, robot):
        assert (await client.get("/v1/me")).status_code == 401
    for identifier in (ADA, NEW):
        assert (await world.browser().log_in(identifier)).status_code == 401
    reset = await former(world)
    assert reset.subject == "A new password for Vestibule"
    owner = world.browser()
    assert (await owner.reset(token=reset.token)).status_code == 204
    assert await opened(world, owner, NEW_PASSWORD) == [200]
    assert await address_of(owner) == ADA
    assert (await undo(world.browser(), letter)).status_code == 400, "it works once"
    assert "address.undone" in await events(world)


async def test_the_way_back_works_for_seven_days_and_survives_a_reset(world: World) -> None:
    thief = await world.member()
    await changed(world, thief)
    letter = await former(world)
    reset = await forgotten(world, NEW)
    assert (await world.browser().reset("the thief's own", token=reset.token)).status_code == 204
    thief = world.browser()
    assert (await thief.log_in(NEW, "the thief's own")).status_code == 200
    assert (await thief.change_password("another of his", "the thief's own")).status_code == 200
    assert (await thief.post("/v1/logout-all")).status_code == 204
    world.clock.move(timedelta(days=6, hours=23))
    assert (await undo(world.browser(), letter)).status_code == 200
    for password in (PASSWORD, "the thief's own", "another of his"):
        assert await opened(world, world.browser(), password) == [401]
    assert (await world.browser().log_in(NEW, "another of his")).status_code == 401
    reset = await former(world)
    assert (await world.browser().reset(token=reset.token)).status_code == 204
    assert await opened(world, world.browser(), NEW_PASSWORD) == [200]


async def test_after_seven_days_there_is_no_way_back(world: World) -> None:
    ada = await world.member()
    await changed(world, ada)
    letter = await former(world)
    world.clock.move(timedelta(days=7))
    assert (await undo(world.browser(), letter)).status_code == 400


async def test_the_first_letter_stops_a_change_before_it_is_made(world: World) -> None:
    thief = await world.member()
    pending = await asked(world, thief)
    letter = await former(world)
    assert letter.subject == "Your address at Vestibule is about to change"
    assert (await undo(world.browser(), letter)).status_code == 200
    assert (await thief.get("/v1/me")).status_code == 401
    for password in (PASSWORD, None):
        answer = await confirm(world.browser(), token=pending.token, password=password)
        assert answer.status_code == 400
    reset = await former(world)
    assert (await world.browser().reset(token=reset.token)).status_code == 204
    assert await opened(world, world.browser(), NEW_PASSWORD) == [200]


async def test_the_oldest_address_has_the_last_word(world: World) -> None:
    """Whoever changes it twice gets a letter with a way back, too."""
    thief = await world.member()
    await changed(world, thief, "first@evil.test")
    hers = await former(world)
    await changed(world, thief, "second@evil.test")
    his = await former(world, "first@evil.test")
    assert (await undo(world.browser(), his)).status_code == 200
    assert (await undo(world.browser(), hers)).status_code == 200
    assert (await world.rows(select(Account.email))) == [(ADA,)]
    later = select(Challenge.id).where(
        Challenge.purpose == "address_undo", Challenge.used_at.is_(None)
    )
    assert len(await world.rows(later)) == 1, "that of her first letter, which stopped nothing"


async def test_a_later_way_back_ends_with_an_earlier_one(world: World) -> None:
    thief = await world.member()
    await changed(world, thief, "first@evil.test")
    hers = await former(world)
    await changed(world, thief, "second@evil.test")
    his = await former(world, "first@evil.test")
    assert (await undo(world.browser(), hers)).status_code == 200
    assert (await undo(world.browser(), his)).status_code == 400
    assert (await world.rows(select(Account.email))) == [(ADA,)]


async def test_an_account_that_was_disabled_is_not_taken_back(world: World) -> None:
    ada = await world.member()
    await changed(world, ada)
    letter = await former(world)
    [(account,)] = await world.rows(select(Account.id))
    await world.vestibule.run(lambda unit: state.disable(unit, account))
    assert (await undo(world.browser(), letter)).status_code == 400
    await world.vestibule.run(lambda unit: state.enable(unit, account))
    assert (await undo(world.browser(), letter)).status_code == 200


async def test_an_address_that_another_account_has_by_now_is_not_taken_back(world: World) -> None:
    ada = await world.member()
    await changed(world, ada)
    letter = await former(world)
    await world.member()  # whoever reads its mail signed up with it
    answer = await undo(world.browser(), letter)
    assert (answer.status_code, answer.json()["code"]) == (409, "address_taken")
    assert await live_sessions(world) == 2
    assert await address_of(ada) == NEW
