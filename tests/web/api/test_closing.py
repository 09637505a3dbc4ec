"""Closing an account, keeping it after all, its erasure, and taking along what is stored."""

import json
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.attacks.looking import every_value
from tests.web.api.test_address import changed, former, undo
from tests.web.api.test_confirmation import change_accounts, events
from tests.web.api.test_passwords import ADA, as_read, forgotten, make_key, opened
from tests.world import PASSWORD, Client, Mail, World
from vestibule.accounts import closing, state
from vestibule.accounts.closing import close
from vestibule.accounts.models import Account
from vestibule.audit.log import Detail, Entry
from vestibule.courier.models import Letter
from vestibule.kernel.errors import NotSignedIn
from vestibule.pruning import prune
from vestibule.throttle.counters import Counter

FORTNIGHT = timedelta(days=14)


async def closed(world: World, client: Client, email: str = ADA) -> Mail:
    """Close an account, and return the letter about it."""
    answer = await client.delete("/v1/me")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "closing"
    return (await world.mails(email))[-1]


async def keep(client: Client, letter: Mail) -> int:
    return (await client.post("/v1/accounts/keep", json={"token": letter.token})).status_code


async def erased(world: World) -> int:
    return (await prune(world.vestibule.means))["accounts"]


async def test_a_closed_account_is_shut_at_once_and_its_owner_is_told(world: World) -> None:
    ada, phone = await world.member(), world.browser()
    assert await opened(world, phone, PASSWORD) == [200]
    robot = world.client(**{"X-API-Key": await make_key(ada)})
    reset = await forgotten(world)
    letter = await closed(world, ada)
    assert letter.subject == "Your account at Vestibule is closed"
    assert letter.link == f"http://localhost:8000/keep-account?token={letter.token}"
    assert "vestibule" not in ada.cookies
    for client in (ada, phone, robot):
        assert (await client.get("/v1/me")).status_code == 401
    assert await opened(world, world.browser(), PASSWORD) == [401]
    assert (await world.browser().reset(token=reset.token)).status_code == 400
    assert "account.closing" in await events(world)


async def test_it_is_kept_by_the_letter_and_is_as_it_was(world: World) -> None:
    ada = await world.member(username="lovelace")
    letter = await closed(world, ada)
    world.clock.move(FORTNIGHT - timedelta(minutes=1))
    assert await erased(world) == 0
    stranger = world.browser()
    assert await keep(stranger, letter) == 204
    assert "vestibule" not in stranger.cookies, "it signs nobody in"
    assert await opened(world, ada, PASSWORD) == [200]
    assert (await ada.get("/v1/me")).json()["username"] == "lovelace"
    assert await keep(stranger, letter) == 400
    world.clock.move(FORTNIGHT)
    assert await erased(world) == 0
    assert "account.kept" in await events(world)


async def test_the_way_back_brings_nothing_back_that_the_closing_ended(world: World) -> None:
    ada, phone = await world.member(), world.browser()
    assert await opened(world, phone, PASSWORD) == [200]
    robot = world.client(**{"X-API-Key": await make_key(ada)})
    letter = await closed(world, ada)
    assert await keep(world.browser(), letter) == 204
    for client in (phone, robot):
        assert (await client.get("/v1/me")).status_code == 401
    assert await opened(world, phone, PASSWORD) == [200]


async def test_closing_wants_a_recent_log_in(world: World) -> None:
    ada = await world.member()
    world.clock.move(timedelta(minutes=11))
    for answer in (await ada.delete("/v1/me"), await ada.get("/v1/me/export")):
        assert answer.json()["code"] == "reauthentication_required"
    assert (await ada.get("/v1/me")).status_code == 200


async def test_a_session_that_ended_meanwhile_closes_nothing(world: World) -> None:
    ada = await world.member()
    caller = await as_read(world, ada)
    assert (await ada.post("/v1/logout")).status_code == 204
    with pytest.raises(NotSignedIn):
        await world.vestibule.run(lambda unit: close(unit, caller=caller))
    assert await opened(world, ada, PASSWORD) == [200]


async def test_after_its_time_there_is_no_way_back(world: World) -> None:
    letter = await closed(world, await world.member())
    world.clock.move(FORTNIGHT)
    assert await keep(world.browser(), letter) == 400
    assert await erased(world) == 1
    assert await keep(world.browser(), letter) == 400


async def test_a_way_back_keeps_nothing_that_is_not_closing(world: World) -> None:
    """As of an account that an operator opened and shut meanwhile."""
    letter = await closed(world, await world.member())
    await change_accounts(world, state="disabled")
    assert await keep(world.browser(), letter) == 400
    assert await world.rows(select(Account.state)) == [("disabled",)]


async def test_a_way_back_is_spent_once(world: World) -> None:
    """Whoever closes the account again has another letter."""
    ada = await world.member()
    first = await closed(world, ada)
    assert await keep(world.browser(), first) == 204
    assert await opened(world, ada, PASSWORD) == [200]
    second = await closed(world, ada)
    assert await keep(world.browser(), first) == 400
    assert await keep(world.browser(), second) == 204


async def test_an_operator_opens_what_is_closing(world: World) -> None:
    ada = world.browser()
    assert (await ada.sign_up(None, username="lovelace")).status_code == 201
    assert (await ada.log_in("lovelace")).status_code == 200
    assert (await ada.delete("/v1/me")).status_code == 200
    assert await world.mails() == [], "it has no address"
    [(account,)] = await world.rows(select(Account.id))
    assert await world.vestibule.run(lambda unit: state.enable(unit, account))
    world.clock.move(FORTNIGHT)
    assert await erased(world) == 0
    assert (await ada.log_in("lovelace")).status_code == 200


async def test_the_grace_is_as_the_settings_say(database_url: str, tmp_path: Path) -> None:
    async with World.running(database_url, tmp_path, closing_grace=timedelta(days=2)) as world:
        await closed(world, await world.member())
        world.clock.move(timedelta(days=2) - timedelta(seconds=1))
        assert await erased(world) == 0
        world.clock.move(timedelta(seconds=1))
        assert await erased(world) == 1


async def test_erasure_leaves_nothing_but_ids_in_the_audit_log(world: World) -> None:
    ada = await world.member("Ada@Example.org", username="lovelace", given_name="Augusta")
    await make_key(ada)
    await world.browser(address="203.0.113.77").log_in("Ada@Example.org", "a guess")
    await world.browser(address="203.0.113.78").log_in("lovelace")
    await world.browser().sign_up("Ada@Example.org")  # her letter that she has an account
    await forgotten(world, "Ada@Example.org")
    await closed(world, ada, "Ada@Example.org")
    bob = await world.member("bob@example.org")
    [(account,)] = await world.rows(select(Account.id).where(Account.username == "lovelace"))
    kept = await world.rows(select(Entry.id).where(Entry.account_id == account))
    world.clock.move(FORTNIGHT)
    assert await erased(world) == 1
    told = b"ada@example.org", b"Ada@Example.org", b"lovelace", b"Augusta", b"203.0.113."
    for column, value in await every_value(world):
        for each in told:
            assert each not in value, column
    left = await world.rows(select(Entry.id).where(Entry.account_id == account))
    assert set(kept) < set(left)
    assert "account.erased" in await events(world)
    assert (await bob.log_in("bob@example.org")).status_code == 200, "others stay"


async def test_erasure_finds_every_spelling_of_every_address_that_was_proved(world: World) -> None:
    stranger = world.browser(address="203.0.113.77")
    await stranger.forget("ADA@example.org")  # before anybody has it
    ada = await world.member("First@Example.org")
    await changed(world, ada, "ada@example.org")
    await stranger.log_in("FIRST@example.org", "a guess")
    await stranger.forget("first@example.org")
    await stranger.sign_up("fIRST@example.org")
    await closed(world, ada)
    world.clock.move(FORTNIGHT)
    assert await erased(world) == 1
    told = b"ada@example.org", b"first@example.org", b"203.0.113."
    for column, value in await every_value(world):
        for each in told:
            assert each not in value.lower(), column


async def test_erasure_leaves_what_a_former_address_is_to_who_has_it_by_now(world: World) -> None:
    ada = await world.member("first@example.org")
    await changed(world, ada, "ada@example.org")
    bob = await world.member("first@example.org", password="the password of somebody else")
    await world.browser().sign_up("First@example.org")
    kept = await world.rows(select(Letter.id).where(Letter.kind == "already_registered"))
    await closed(world, ada)
    world.clock.move(timedelta(days=13))
    await bob.log_in("first@example.org", "the password of somebody else")
    asked = select(Entry.id).join(Detail).where(Detail.identifier == "first@example.org")
    about_bob = asked.where(Entry.event == "sign_up.asked")
    before = await world.rows(about_bob)
    world.clock.move(timedelta(days=1))
    assert await erased(world) == 1
    assert len(await world.rows(select(Letter.id).where(Letter.id == kept[0].id))) == 1
    assert len(before) == 3
    assert await world.rows(about_bob) == before


async def test_erasing_what_was_never_proved_leaves_what_the_owner_of_the_mailbox_began(
    database_url: str, tmp_path: Path
) -> None:
    grace = timedelta(hours=1)
    async with World.running(
        database_url, tmp_path, login_before_proof=True, closing_grace=grace
    ) as world:
        eve = world.browser(address="203.0.113.66")
        assert (await eve.sign_up()).status_code in {201, 202}
        assert await opened(world, eve, PASSWORD) == [200]
        assert (await eve.delete("/v1/me")).status_code == 200
        owner = world.browser(address="203.0.113.7")
        handle = (await owner.sign_up()).json()["sign_up"]
        world.clock.move(grace)
        assert await erased(world) == 1
        assert await world.rows(select(Letter.kind)) == [("already_registered",)]
        assert {each for (each,) in await world.rows(select(Detail.address))} == {
            "203.0.113.7",
            None,
        }
        again = await owner.post("/v1/accounts/verification/letters", json={"sign_up": handle})
        assert again.status_code == 202
        code = (await world.mails(ADA))[-1].code
        assert (await owner.prove(sign_up=handle, code=code)).status_code == 200


async def test_counts_are_kept_under_a_key(world: World) -> None:
    await world.browser().log_in("ada@example.org", "a guess")
    await world.browser().forget()
    counted = {bytes(each) for (each,) in await world.rows(select(Counter.key_digest))}
    assert counted
    for each in (ADA, f"email {ADA}", "127.0.0.1"):
        assert sha256(each.encode()).digest() not in counted


async def test_many_are_erased_in_small_steps_and_nobody_else(world: World) -> None:
    for name in ("one", "two", "three", "stays"):
        client = world.browser()
        await client.sign_up(None, username=name)
        await client.log_in(name)
        if name != "stays":
            await client.delete("/v1/me")
    world.clock.move(FORTNIGHT)
    steps = [await world.vestibule.run(partial(closing.erase, most=2)) for _ in range(3)]
    assert steps == [2, 1, 0]
    assert await world.rows(select(Account.username)) == [("stays",)]


async def test_the_former_address_takes_back_what_a_thief_closed(world: World) -> None:
    thief = await world.member()
    await changed(world, thief)
    letter = await former(world)
    assert (await thief.delete("/v1/me")).status_code == 200
    assert (await undo(world.browser(), letter)).status_code == 200
    reset = await former(world)
    assert (await world.browser().reset(token=reset.token)).status_code == 204
    world.clock.move(FORTNIGHT)
    assert await erased(world) == 0


async def test_an_export_holds_what_is_stored_and_no_secret(world: World) -> None:
    ada = await world.member(username="lovelace")
    key = await make_key(ada)
    await world.browser().log_in(password="a guess")
    await forgotten(world)
    bob = await world.member("bob@example.org")
    answer = await ada.get("/v1/me/export")
    assert answer.status_code == 200
    told = answer.json()
    assert set(told) == {
        "exported_at",
        "account",
        "roles",
        "sessions",
        "api_keys",
        "identities",
        "letters",
        "proofs",
        "audit",
    }
    assert (told["account"]["email"], told["account"]["username"]) == (ADA, "lovelace")
    [role] = told["roles"]
    assert (role["role"], set(role)) == ("user", {"role", "granted_at"})
    assert {"external_id", "closes_at"} <= set(told["account"])
    assert [each["name"] for each in told["api_keys"]] == ["robot"]
    assert {each["recipient"] for each in told["letters"]} == {ADA}
    assert [each["purpose"] for each in told["proofs"]] == ["password_reset"]
    happened = [each["event"] for each in told["audit"]]
    assert {"login.succeeded", "login.refused", "api_key.created"} <= set(happened)
    assert told["audit"][-1]["address"] == "127.0.0.1"
    assert "bob@example.org" not in answer.text
    assert ADA not in (await bob.get("/v1/me/export")).text
    said = json.dumps(told)
    for secret in (key, ada.cookies["vestibule"], "argon2", "digest", "hash", "payload", "nonce"):
        assert secret not in said


async def test_an_export_tells_alike_of_a_wish_for_a_free_and_for_a_taken_address(
    world: World,
) -> None:
    taken = "bob@example.org"
    await world.member(taken)
    told = []
    for name, wanted in (("eve", taken), ("pat", "nobody@example.org")):
        asking = await world.member(f"{name}@example.org")
        assert (await asking.post("/v1/me/email", json={"email": wanted})).status_code == 202
        export = (await asking.get("/v1/me/export")).json()
        [wish] = [each for each in export["proofs"] if each["purpose"] == "address_change"]
        assert wish["address"] == wanted
        kinds = {
            section: [
                [each[key] for key in ("kind", "purpose", "event", "state") if key in each]
                for each in export[section]
            ]
            for section in ("letters", "proofs", "audit")
        }
        assert wanted not in json.dumps(export["letters"])
        told.append(kinds)
    assert told[0] == told[1]
    assert told[0]["letters"] == [["prove_address", "sent"], ["address_change_asked", "queued"]]


async def test_an_export_holds_what_named_the_proved_address_and_no_account(world: World) -> None:
    stranger = world.browser(address="203.0.113.77")
    await stranger.forget()  # by somebody who had the address before
    world.clock.move(timedelta(days=8))
    await stranger.forget(ADA.upper())
    ada = await world.member()
    await stranger.sign_up("Ada@Example.org")
    bob = await world.member("bob@example.org")
    await changed(world, bob, "bobby@example.org")
    told = (await ada.get("/v1/me/export")).json()
    kinds = [each["kind"] for each in told["letters"]]
    assert kinds == ["no_account", "prove_address", "already_registered"]
    events = [each["event"] for each in told["audit"]]
    assert events.count("password.forgotten") == 1
    assert events.count("sign_up.asked") == 2
    assert [each["id"] for each in told["audit"]] == sorted(each["id"] for each in told["audit"])
    assert "bob" not in json.dumps(told)


async def test_an_export_of_who_never_proved_an_address_tells_nothing_of_it(
    database_url: str, tmp_path: Path
) -> None:
    async with World.running(database_url, tmp_path, login_before_proof=True) as world:
        await world.browser().forget()
        eve = world.browser()
        await eve.sign_up()
        assert await opened(world, eve, PASSWORD) == [200]
        told = (await eve.get("/v1/me/export")).json()
        assert told["letters"] == []
        assert "password.forgotten" not in [each["event"] for each in told["audit"]]
