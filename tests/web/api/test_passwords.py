"""Changing the password, and getting a new one by letter where it is forgotten."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from tests.web.api.test_confirmation import change_accounts, events
from tests.web.api.test_tokens import program
from tests.world import GENEROUS, NEW_PASSWORD, PASSWORD, Client, Mail, World
from vestibule.accounts import proofs, queries, state
from vestibule.accounts.models import Account, Challenge
from vestibule.accounts.passwords import change_password
from vestibule.accounts.proofs import Proof
from vestibule.accounts.queries import SignedIn
from vestibule.api_keys.models import ApiKey
from vestibule.courier.models import Letter
from vestibule.kernel.errors import BadCredentials, NotSignedIn
from vestibule.sessions import store
from vestibule.sessions.models import Session

ADA = "ada@example.org"


async def forgotten(world: World, email: str = ADA) -> Mail:
    """Say that a password is forgotten, and return the letter."""
    assert (await world.browser().forget(email)).status_code == 202
    return (await world.mails(email))[-1]


async def opened(world: World, client: Client, *passwords: str) -> list[int]:
    """What logging in with each of the passwords is answered."""
    return [(await client.log_in(password=each)).status_code for each in passwords]


async def as_read(world: World, client: Client) -> SignedIn:
    """Who a browser is, as a request reads it that then takes its time."""
    digest = store.digest_of(client.cookies["vestibule"])
    async with world.vestibule.unit(reading=True) as unit:
        found = await queries.by_session(unit, digest)
    assert found is not None
    return found


async def live_sessions(world: World) -> int:
    return len(await world.rows(select(Session.id).where(Session.ended_at.is_(None))))


async def make_key(ada: Client) -> str:
    made = await ada.post("/v1/me/api-keys", json={"name": "robot"})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


async def test_a_forgotten_password_is_replaced_by_the_link(world: World) -> None:
    ada, phone = await world.member(), world.browser()
    assert await opened(world, phone, PASSWORD) == [200]
    letter = await forgotten(world)
    assert letter.subject == "A new password for Vestibule"
    assert "If you did not ask for this, ignore it" in letter.text
    assert letter.link == f"http://localhost:8000/reset-password/{letter.token}"
    answer = await world.browser().reset(token=letter.token)
    assert (answer.status_code, answer.text) == (204, "")
    assert "vestibule=" not in answer.headers["set-cookie"], "it signs nobody in"
    for before in (ada, phone):
        assert (await before.get("/v1/me")).status_code == 401
    assert await opened(world, world.browser(), PASSWORD, NEW_PASSWORD) == [401, 200]
    told = (await world.mails(ADA))[-1]
    assert told.subject == "Your password at Vestibule was changed"
    assert NEW_PASSWORD not in told.text
    assert {"password.forgotten", "sessions.ended", "password.reset"} <= set(await events(world))


async def test_a_forgotten_password_is_replaced_by_the_code(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    assert letter.code is not None
    typed = letter.code.lower().replace("-", " ")
    answer = await world.browser().reset(email=" Ada@EXAMPLE.org", code=typed)
    assert answer.status_code == 204
    assert await opened(world, world.browser(), PASSWORD, NEW_PASSWORD) == [401, 200]


async def test_it_takes_a_link_or_a_code_and_the_codes_address(world: World) -> None:
    for fields in ({}, {"token": "x", "code": "x"}, {"code": "x"}, {"email": ADA}):
        answer = await world.browser().reset(**fields)
        assert answer.json()["errors"][0]["code"] == "either_or"


async def test_a_letter_is_good_once_by_either_of_its_keys(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    assert (await world.browser().reset(token=letter.token)).status_code == 204
    for again in ({"token": letter.token}, {"email": ADA, "code": letter.code}):
        answer = await world.browser().reset("yet another one", **again)
        assert (answer.status_code, answer.json()["code"]) == (400, "proof_refused")
    assert await opened(world, world.browser(), NEW_PASSWORD) == [200]


async def test_a_newer_letter_voids_the_older_one(world: World) -> None:
    await world.member()
    first, second = await forgotten(world), await forgotten(world)
    assert (await world.browser().reset(token=first.token)).status_code == 400
    assert (await world.browser().reset(email=ADA, code=first.code)).status_code == 400
    assert (await world.browser().reset(token=second.token)).status_code == 204


async def test_the_link_is_good_for_an_hour_and_the_code_for_half_of_it(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    world.clock.move(timedelta(minutes=30))
    assert (await world.browser().reset(email=ADA, code=letter.code)).status_code == 400
    world.clock.move(timedelta(minutes=29))
    assert (await world.browser().reset("short", token=letter.token)).status_code == 422
    world.clock.move(timedelta(minutes=1))
    assert (await world.browser().reset(token=letter.token)).status_code == 400


async def test_an_address_without_an_account_gets_a_letter_that_says_so(world: World) -> None:
    await world.member()
    answers = [await world.browser().forget(each) for each in (ADA, "nobody@example.org")]
    assert [each.status_code for each in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    [letter] = await world.mails("nobody@example.org")
    assert letter.subject == "No account to log in to at Vestibule"
    assert (letter.code, letter.link) == (None, None)
    answer = await world.browser().forget("nobody")
    assert answer.json()["code"] == "invalid_address"


@pytest.mark.parametrize("state", ["disabled", "closing"])
async def test_who_cannot_log_in_gets_no_new_password(world: World, state: str) -> None:
    await world.member()
    letter = await forgotten(world)
    await change_accounts(world, state=state)
    assert (await world.browser().reset(token=letter.token)).status_code == 400
    assert (await forgotten(world)).link is None


async def test_a_weak_password_is_told_and_spends_nothing(world: World) -> None:
    await world.member(username="lovelace")
    letter = await forgotten(world)
    for weak, reason in (("short", "too_short"), ("password1", "common"), ("lovelace", "personal")):
        answer = await world.browser().reset(weak, token=letter.token)
        assert (answer.status_code, answer.json()["code"]) == (422, "weak_password"), reason
        by_code = await world.browser().reset(weak, email=ADA, code=letter.code)
        assert by_code.json()["code"] == "weak_password", reason
    stranger = await world.browser().reset("lovelace", email=ADA, code="AAAA-AAAA")
    assert stranger.json()["code"] == "proof_refused", "what is personal is the owner's to know"
    assert (await world.browser().reset(token=letter.token)).status_code == 204


async def test_ten_wrong_codes_close_the_codes_and_never_the_link(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    for email in (ADA, "nobody@example.org"):
        said = [await world.browser().reset(email=email, code="2222-2222") for _ in range(11)]
        assert [each.status_code for each in said] == [400] * 10 + [429]
    newer = await forgotten(world)
    assert newer.code != letter.code
    assert (await world.browser().reset(email=ADA, code=newer.code)).status_code == 429
    assert (await world.browser().reset(token=newer.token)).status_code == 204


async def test_five_letters_an_hour_and_the_last_one_goes_on_working(
    database_url: str, tmp_path: Path
) -> None:
    limits = GENEROUS.replace("letters=1000000/1h", "letters=5/1h")
    async with World.running(database_url, tmp_path, limits=limits) as world:
        await world.member()  # one letter
        for email in (ADA, "nobody@example.org"):
            said = [(await world.browser().forget(email)).status_code for _ in range(7)]
            assert said == [202] * 7
            assert len(await world.mails(email)) == 5
        last = (await world.mails(ADA))[-1]
        assert (await world.browser().reset(token=last.token)).status_code == 204


async def test_one_client_forgets_so_many_passwords_an_hour(
    database_url: str, tmp_path: Path
) -> None:
    limits = GENEROUS.replace("forgot_client=1000000/1h", "forgot_client=3/1h")
    async with World.running(database_url, tmp_path, limits=limits) as world:
        client = world.browser(address="203.0.113.1")
        said = [await client.forget(f"{number}@example.org") for number in range(4)]
        assert [each.status_code for each in said] == [202] * 3 + [429]
        assert (await world.browser(address="203.0.113.2").forget()).status_code == 202


async def test_a_spent_letter_leaves_the_device_known_until_the_password_changes(
    database_url: str, tmp_path: Path
) -> None:
    """Strangers have used up the log-ins of the name; its owner comes in by a reset."""
    limits = GENEROUS.replace("log_in_identifier=1000000/1h", "log_in_identifier=3/15m")
    async with World.running(database_url, tmp_path, limits=limits) as world:
        await world.member()
        for _ in range(3):
            await world.browser().log_in(password="a guess")
        owner, stranger = world.browser(), world.browser()
        letter = await forgotten(world)
        assert (await owner.reset(token=letter.token)).status_code == 204
        assert await opened(world, stranger, NEW_PASSWORD) == [429]
        assert await opened(world, owner, NEW_PASSWORD) == [200]
        left = {"vestibule_device": owner.cookies["vestibule_device"]}
        again = await forgotten(world)
        assert (await world.browser().reset("the third of them", token=again.token)).is_success
        former = world.browser()
        former.cookies.update(left)
        assert await opened(world, former, "the third of them") == [429]


async def test_a_reset_removes_keys_where_the_settings_do_not_keep_them(
    database_url: str, tmp_path: Path
) -> None:
    for kept in (False, True):
        async with World.running(database_url, tmp_path, password_ends_api_keys=not kept) as world:
            email = f"ada{kept}@example.org"
            ada = await world.member(email)
            robot = world.client(**{"X-API-Key": await make_key(ada)})
            letter = await forgotten(world, email)
            assert (await world.browser().reset(token=letter.token)).status_code == 204
            assert (await robot.get("/v1/me")).status_code == (200 if kept else 401)


async def test_a_reset_that_proves_the_address_drops_all_that_was_there_before(
    database_url: str, tmp_path: Path
) -> None:
    """Somebody signed up with her address, and waits inside for her to prove it."""
    async with World.running(
        database_url, tmp_path, login_before_proof=True, password_ends_api_keys=False
    ) as world:
        planter = world.browser()
        assert (await planter.sign_up()).status_code == 202
        assert (await planter.log_in()).status_code == 200
        robot = world.client(**{"X-API-Key": await make_key(planter)})
        letter = await forgotten(world)
        assert (await world.browser().reset(token=letter.token)).status_code == 204
        assert (await planter.get("/v1/me")).status_code == 401
        assert (await robot.get("/v1/me")).status_code == 401
        owner = world.browser()
        assert await opened(world, owner, PASSWORD, NEW_PASSWORD) == [401, 200]
        assert (await owner.get("/v1/me")).json()["email_verified"] is True
        assert "address.proved" in await events(world)
        assert (await world.mails(ADA))[-1].subject == "Your password at Vestibule was changed"


async def test_a_log_in_that_hashes_anew_leaves_the_letter_good(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    await change_accounts(world, password_hash="$argon2id$another")
    assert (await world.browser().reset(token=letter.token)).status_code == 204


async def test_shutting_and_opening_the_account_voids_the_letter(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    [(account,)] = await world.rows(select(Account.id))
    await world.vestibule.run(lambda unit: state.disable(unit, account))
    await world.vestibule.run(lambda unit: state.enable(unit, account))
    assert (await world.browser().reset(token=letter.token)).status_code == 400


async def test_logging_out_everywhere_voids_the_letter(world: World) -> None:
    ada = await world.member()
    letter = await forgotten(world)
    assert (await ada.post("/v1/logout-all")).status_code == 204
    assert (await world.browser().reset(token=letter.token)).status_code == 400


async def test_what_is_bound_to_another_password_changes_nothing(world: World) -> None:
    """As where a letter was written while the password changed, and so was not voided with it."""
    ada = await world.member()
    letter = await forgotten(world)
    resets = Challenge.purpose == "password_reset"
    [(payload,)] = await world.rows(select(Challenge.payload).where(resets))
    assert (await ada.change_password()).status_code == 200
    async with world.vestibule.unit() as unit:
        reopened = update(Challenge).where(resets).values(used_at=None, payload=payload)
        await unit.session.execute(reopened)
    assert (await world.browser().reset("yet another one", token=letter.token)).status_code == 400
    assert await opened(world, world.browser(), NEW_PASSWORD) == [200]


async def test_of_two_that_hold_a_letter_one_spends_it(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    async with world.vestibule.unit(reading=True) as unit:
        read = await proofs.by_token(unit, Proof.RESET, letter.token)
    assert read is not None
    spent = [await world.vestibule.run(lambda unit: proofs.spend(unit, read)) for _ in range(2)]
    assert spent == [True, False]


async def test_a_change_ends_every_session_and_hands_out_a_new_one(world: World) -> None:
    phone, ada = await program(world), world.browser()
    assert await opened(world, ada, PASSWORD) == [200]
    old = world.browser(Cookie=f"vestibule={ada.cookies['vestibule']}")
    robot = world.client(**{"X-API-Key": await make_key(ada)})
    letter = await forgotten(world)
    answer = await ada.change_password()
    assert answer.status_code == 200
    assert set(answer.json()) == {"account", "session"}
    assert (await ada.get("/v1/me")).json()["email"] == ADA
    assert await live_sessions(world) == 1
    assert (await old.get("/v1/me")).status_code == 401
    assert await phone.who() == 401
    assert (await phone.refresh())[0] == 401
    assert (await robot.get("/v1/me")).status_code == 401
    assert (await world.browser().reset("yet another one", token=letter.token)).status_code == 400
    assert await opened(world, world.browser(), PASSWORD, NEW_PASSWORD) == [401, 200]
    assert (await world.mails(ADA))[-1].subject == "Your password at Vestibule was changed"
    assert "password.changed" in await events(world)


async def test_a_change_by_tokens_is_answered_with_tokens(world: World) -> None:
    ada = await program(world)
    answer = await ada.change_password(headers=ada.bearer())
    assert answer.status_code == 200
    assert "vestibule=" not in answer.headers["set-cookie"]
    ada.tokens = answer.json()
    assert await ada.who() == 200
    assert (await ada.refresh())[0] == 200


async def test_a_change_keeps_what_a_remembered_session_is(world: World) -> None:
    ada = await world.member()
    await ada.log_in(remember=True)
    answer = await ada.change_password()
    assert answer.json()["session"]["remember"] is True


async def test_a_change_wants_a_recent_log_in_and_the_password(world: World) -> None:
    ada = await world.member()
    answer = await ada.change_password(current="not hers")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert (await events(world))[-1] == "password.change_refused"
    assert (await ada.change_password("short")).json()["code"] == "weak_password"
    assert (await ada.change_password(ADA)).json()["code"] == "weak_password"
    world.clock.move(timedelta(minutes=11))
    assert (await ada.change_password()).json()["code"] == "reauthentication_required"
    assert await opened(world, world.browser(), NEW_PASSWORD, PASSWORD) == [401, 200]


async def test_guesses_at_a_change_count_like_wrong_log_ins(
    database_url: str, tmp_path: Path
) -> None:
    generous = GENEROUS.replace("log_in_device=1000000/1h", "log_in_device=2/24h")
    limits = generous.replace("log_in_identifier=1000000/1h", "log_in_identifier=3/15m")
    async with World.running(database_url, tmp_path, limits=limits) as world:
        thief = await world.member()
        said = [(await thief.change_password(current="a guess")).status_code for _ in range(6)]
        assert said == [401] * 5 + [429]


async def test_a_password_that_changed_meanwhile_is_not_changed(world: World) -> None:
    ada = await world.member()
    caller = await as_read(world, ada)
    await change_accounts(world, password_hash="another")
    with pytest.raises(BadCredentials):
        await world.vestibule.run(
            lambda unit: change_password(unit, caller=caller, current=PASSWORD, new=NEW_PASSWORD)
        )
    assert await world.rows(select(Account.password_hash)) == [("another",)]


async def test_a_session_that_ended_meanwhile_changes_nothing(world: World) -> None:
    ada = await world.member()
    caller = await as_read(world, ada)
    assert (await ada.post("/v1/logout")).status_code == 204
    with pytest.raises(NotSignedIn):
        await world.vestibule.run(
            lambda unit: change_password(unit, caller=caller, current=PASSWORD, new=NEW_PASSWORD)
        )
    assert await opened(world, world.browser(), PASSWORD) == [200]


async def test_of_many_changes_at_once_one_is_made(world: World) -> None:
    ada = await world.member()
    held = {"Cookie": f"vestibule={ada.cookies['vestibule']}"}
    twins = [world.browser(**held) for _ in range(4)]
    answers = await asyncio.gather(
        *(twin.change_password(f"the new one, {number}") for number, twin in enumerate(twins))
    )
    made = [number for number, each in enumerate(answers) if each.status_code == 200]
    assert len(made) == 1
    assert {each.status_code for each in answers} <= {200, 401}
    assert await live_sessions(world) == 1
    assert await opened(world, world.browser(), f"the new one, {made[0]}") == [200]


async def test_nothing_of_a_new_password_is_kept_in_clear(world: World) -> None:
    await world.member()
    letter = await forgotten(world)
    await world.browser().reset(token=letter.token)
    await world.mails()
    spent = await world.rows(select(Challenge.payload).where(Challenge.purpose == "password_reset"))
    assert spent == [(None,)]
    assert {payload for (payload,) in await world.rows(select(Letter.payload))} == {None}
    assert await world.rows(select(ApiKey.id)) == []
