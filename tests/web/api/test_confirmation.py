"""Saying once more who one is: by the password, or by a code that comes by letter."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, update

from tests.web.api.test_tokens import claims_of, program
from tests.world import GENEROUS, PASSWORD, Client, Mail, World
from vestibule.accounts import queries
from vestibule.accounts.confirmation import confirm_by_password
from vestibule.accounts.models import Account, Challenge
from vestibule.audit.log import Entry
from vestibule.kernel.errors import NotSignedIn
from vestibule.kernel.memory import Fact
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import Session

TEN_MINUTES = timedelta(minutes=10)


async def confirm(client: Client, **fields: str) -> httpx.Response:
    return await client.post("/v1/me/confirm", json=fields or {"password": PASSWORD})


async def ask(client: Client) -> httpx.Response:
    return await client.post("/v1/me/confirm/letters")


async def auth_times(world: World) -> list[datetime]:
    rows = await world.rows(select(Session.auth_time).order_by(Session.id))
    return [at for (at,) in rows]


async def events(world: World) -> list[str]:
    return [event for (event,) in await world.rows(select(Entry.event).order_by(Entry.id))]


async def without_password(world: World) -> Client:
    """Somebody who logs in by other means, as it will be."""
    ada = await world.member()
    await change_accounts(world, password_hash=None)
    return ada


async def change_accounts(world: World, **values: object) -> None:
    """Change the rows alone, and have them forgotten."""
    async with world.vestibule.unit() as unit:
        changed = await unit.session.scalars(update(Account).values(values).returning(Account.id))
        for account_id in changed.all():
            unit.forget(Fact.ACCOUNT, account_id)


async def code_of(world: World) -> str:
    letter = await last_letter(world)
    assert letter.code is not None
    return letter.code


async def last_letter(world: World) -> Mail:
    return (await world.mails("ada@example.org"))[-1]


async def test_the_password_moves_the_sessions_time_forward_and_no_other_sessions(
    world: World,
) -> None:
    ada, phone = await world.member(), world.browser()
    assert (await phone.log_in()).status_code == 200
    before = await auth_times(world)
    world.clock.move(timedelta(hours=2))
    answer = await confirm(ada)
    assert (answer.status_code, set(answer.json())) == (200, {"recent_until"})
    after = await auth_times(world)
    assert after[0] - before[0] >= timedelta(hours=2)
    assert after[1] == before[1]
    assert (await events(world))[-1] == "confirmation.succeeded"


async def test_a_cookie_is_replaced_and_the_session_stays_the_same(world: World) -> None:
    ada = await world.member()
    copied = world.browser(Cookie=f"vestibule={ada.cookies['vestibule']}")
    [(session,)] = await world.rows(select(Session.id))
    assert (await copied.get("/v1/me")).status_code == 200
    assert (await confirm(ada)).status_code == 200
    assert (await ada.get("/v1/me")).status_code == 200
    assert (await copied.get("/v1/me")).status_code == 401
    assert await world.rows(select(Session.id).where(Session.ended_at.is_(None))) == [(session,)]


async def test_tokens_stay_and_tell_of_it_once_they_are_renewed(world: World) -> None:
    ada = await program(world)
    first = claims_of(ada.tokens["access_token"])["auth_time"]
    world.clock.move(timedelta(minutes=5))
    answer = await ada.post("/v1/me/confirm", json={"password": PASSWORD}, headers=ada.bearer())
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert await ada.who() == 200
    _, renewed = await ada.refresh()
    assert claims_of(renewed["access_token"])["auth_time"] >= first + 300


async def test_a_refresh_is_no_confirmation(world: World) -> None:
    ada = await program(world)
    [*_, before] = await auth_times(world)
    world.clock.move(timedelta(minutes=5))
    assert (await ada.refresh())[0] == 200
    assert (await auth_times(world))[-1] == before


async def test_a_wrong_password_changes_nothing_and_is_kept_in_the_audit_log(
    world: World,
) -> None:
    ada = await world.member()
    before = await auth_times(world)
    world.clock.move(timedelta(minutes=1))
    answer = await confirm(ada, password="not hers")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_credentials")
    assert "set-cookie" not in answer.headers
    assert await auth_times(world) == before
    assert (await events(world))[-1] == "confirmation.refused"
    assert (await ada.get("/v1/me")).status_code == 200


async def test_it_takes_a_password_or_a_code_and_not_both(world: World) -> None:
    ada = await world.member()
    for fields in ({}, {"password": PASSWORD, "code": "2222-2222"}):
        answer = await ada.post("/v1/me/confirm", json=fields)
        assert answer.json()["errors"][0]["code"] == "either_or"


async def test_wrong_passwords_count_like_wrong_log_ins(database_url: str, tmp_path: Path) -> None:
    """Ten as a known device; then as a stranger's, together with the log-ins of the name."""
    generous = GENEROUS.replace("log_in_device=1000000/1h", "log_in_device=3/24h")
    limits = generous.replace("log_in_identifier=1000000/1h", "log_in_identifier=5/15m")
    async with World.running(database_url, tmp_path, limits=limits) as world:
        ada, thief = await world.member(), world.browser()
        assert (await thief.log_in()).status_code == 200
        for _ in range(2):
            assert (await world.browser().log_in(password="a guess")).status_code == 401
        said = [(await confirm(thief, password="a guess")).status_code for _ in range(7)]
        assert said == [401] * 6 + [429]
        assert (await confirm(thief)).status_code == 429
        assert (await confirm(ada)).status_code == 200, "nobody uses up another session's guesses"


async def test_whoever_has_no_password_confirms_by_a_code(world: World) -> None:
    ada = await without_password(world)
    [before] = await auth_times(world)
    world.clock.move(timedelta(hours=2))
    assert (await confirm(ada)).json()["code"] == "bad_credentials"
    assert (await ask(ada)).status_code == 202
    letter = await last_letter(world)
    assert letter.subject == "Your code for Vestibule"
    assert "10 minutes" in letter.text
    assert letter.code is not None
    assert letter.link is None
    typed = letter.code.lower().replace("-", " ")
    assert (await confirm(ada, code=typed)).status_code == 200
    assert (await auth_times(world))[0] - before >= timedelta(hours=2)
    assert (await confirm(ada, code=letter.code)).json()["code"] == "proof_refused"
    assert (await events(world))[-3:] == [
        "confirmation.letter_asked",
        "confirmation.succeeded",
        "confirmation.refused",
    ]


async def test_a_code_is_for_accounts_with_a_proved_address_and_no_password(world: World) -> None:
    ada = await world.member()
    assert (await ask(ada)).json()["code"] == "no_code_by_letter"
    await change_accounts(world, password_hash=None, email_verified_at=None)
    assert (await ask(ada)).json()["code"] == "no_code_by_letter"


async def test_a_code_is_good_for_the_session_that_asked_and_for_no_other(world: World) -> None:
    ada, phone = await world.member(), world.browser()
    assert (await phone.log_in()).status_code == 200
    await change_accounts(world, password_hash=None)
    assert (await ask(ada)).status_code == 202
    code = await code_of(world)
    assert (await confirm(phone, code=code)).status_code == 400
    assert (await ask(phone)).status_code == 202
    assert (await confirm(phone, code=code)).status_code == 400
    assert (await confirm(ada, code=code)).status_code == 200


async def test_a_newer_letter_voids_the_older_ones_code(world: World) -> None:
    ada = await without_password(world)
    await ask(ada)
    first = await code_of(world)
    await ask(ada)
    second = await code_of(world)
    assert (await confirm(ada, code=first)).status_code == 400
    assert (await confirm(ada, code=second)).status_code == 200
    await ask(ada)
    assert (await confirm(ada, code=await code_of(world))).status_code == 200
    assert len(await world.rows(select(Challenge.id).where(Challenge.purpose != "sign_up"))) == 1


async def test_a_code_is_good_for_ten_minutes(world: World) -> None:
    ada = await without_password(world)
    await ask(ada)
    code = await code_of(world)
    world.clock.move(TEN_MINUTES)
    assert (await confirm(ada, code=code)).status_code == 400


async def test_ten_wrong_codes_are_the_most_a_day_and_a_new_letter_refills_nothing(
    world: World,
) -> None:
    ada = await without_password(world)
    await ask(ada)
    for _ in range(10):
        assert (await confirm(ada, code="2222-2222")).status_code == 400
    await ask(ada)
    assert (await confirm(ada, code=await code_of(world))).status_code == 429


async def test_five_letters_an_hour_leave_for_one_account(world: World) -> None:
    ada = await without_password(world)
    assert [(await ask(ada)).status_code for _ in range(6)] == [202] * 5 + [429]
    assert len(await world.mails("ada@example.org")) == 2, "a newer one takes an older one's place"


async def test_of_two_that_confirm_at_once_with_one_cookie_one_replaces_it(world: World) -> None:
    ada = await world.member()
    held = {"Cookie": f"vestibule={ada.cookies['vestibule']}"}
    twins = [world.browser(**held) for _ in range(4)]
    answers = await asyncio.gather(*(confirm(each) for each in twins))
    assert sorted(each.status_code for each in answers) == [200, 401, 401, 401]
    [fresh] = [each.cookies["vestibule"] for each in answers if each.status_code == 200]
    assert (await world.browser(Cookie=f"vestibule={fresh}").get("/v1/me")).status_code == 200


async def test_of_many_that_send_one_code_at_once_one_is_let_in(world: World) -> None:
    ada = await without_password(world)
    await ask(ada)
    code = await code_of(world)
    answers = await asyncio.gather(*(confirm(ada, code=code) for _ in range(6)))
    assert sum(each.status_code == 200 for each in answers) == 1
    assert {each.status_code for each in answers} <= {200, 400, 401}


async def another_password(unit: Unit) -> None:
    await unit.session.execute(update(Account).values(password_hash="another"))


async def a_shut_account(unit: Unit) -> None:
    await unit.session.execute(update(Account).values(state="disabled"))


async def an_ended_session(unit: Unit) -> None:
    await unit.session.execute(update(Session).values(ended_at=unit.now, end_reason="logout"))


@pytest.mark.parametrize("change", [another_password, a_shut_account, an_ended_session])
async def test_what_changed_since_it_was_read_confirms_nothing(
    world: World, change: Callable[[Unit], Awaitable[None]]
) -> None:
    ada = await world.member()
    async with world.vestibule.unit() as unit:
        caller = await queries.by_session(unit, store.digest_of(ada.cookies["vestibule"]))
    assert caller is not None
    await world.vestibule.run(change)
    before = await auth_times(world)
    world.clock.move(timedelta(minutes=1))
    with pytest.raises(NotSignedIn):
        await world.vestibule.run(
            lambda unit: confirm_by_password(unit, caller=caller, password=PASSWORD)
        )
    assert await auth_times(world) == before
