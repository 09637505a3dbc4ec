"""What people say about themselves, and what they cannot."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any  # Any: JSON

import pytest
from sqlalchemy import select

from tests.world import Client, World
from vestibule.accounts import presence, profile, state
from vestibule.accounts.models import Account
from vestibule.audit.log import Detail, Entry
from vestibule.kernel.errors import NotSignedIn


@pytest.fixture
async def free(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Where people may change their username."""
    async with World.running(database_url, tmp_path, username_change=True) as made:
        yield made


async def change(client: Client, **fields: Any) -> dict[str, Any]:
    answer = await client.patch("/v1/me", json=fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert (await client.get("/v1/me")).json() == found
    return found


async def refused(client: Client, **fields: Any) -> list[tuple[str, str]]:
    """Return which fields are at fault, and why; nothing has changed."""
    before = (await client.get("/v1/me")).json()
    answer = await client.patch("/v1/me", json=fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields"), answer.text
    assert (await client.get("/v1/me")).json() == before
    return [(each["field"], each["code"]) for each in answer.json()["errors"]]


async def test_what_is_sent_changes_what_is_absent_stays_and_null_clears(world: World) -> None:
    ada = await world.member(given_name="Ada", family_name="Byron")
    before = (await ada.get("/v1/me")).json()
    assert await change(ada, family_name="Lovelace") == before | {"family_name": "Lovelace"}
    picture = "https://example.org/ada.png?size=200#face"
    full = {"given_name": "A.", "picture": picture, "profile": {"a": {"b": [1, None, "ü"]}, "c": 1}}
    after = before | {"family_name": "Lovelace"} | full
    assert await change(ada, **full) == after
    assert await change(ada, profile={"c": 2}) == after | {"profile": {"c": 2}}, "as a whole"
    assert await change(ada) == after | {"profile": {"c": 2}}, "nothing is asked for"
    cleared = {"given_name": None, "family_name": None, "picture": None}
    assert await change(ada, profile=None, **cleared) == before | cleared | {"profile": {}}


async def test_a_change_is_noted_without_what_was_changed(world: World) -> None:
    ada = await world.member()
    await world.member("bob@example.org")
    [before, _] = await world.rows(select(Account.updated_at).order_by(Account.id))
    await change(ada)
    told = select(Entry, Detail).join(Detail).where(Entry.event == "account.changed")
    assert await world.rows(told) == []
    await change(ada, given_name="Augusta")
    [(entry, detail)] = await world.rows(told)
    [(account, session)] = await world.rows(
        select(Account, Entry.session_id).where(
            Account.given_name == "Augusta",
            Entry.event == "login.succeeded",
            Entry.account_id == Account.id,
        )
    )
    assert (entry.account_id, entry.session_id) == (account.id, session)
    assert detail.identifier is None
    assert account.updated_at > before[0]
    others = select(Account.given_name, Account.updated_at == Account.created_at)
    assert await world.rows(others.where(Account.email == "bob@example.org")) == [(None, True)]


@pytest.mark.parametrize(
    "picture",
    [
        "",
        "ada.png",
        "//example.org/a.png",
        "javascript:alert(1)",
        "data:image/png;base64,AAAA",
        "ftp://example.org/a.png",
        "https://",
        "https:///a.png",
        "https://[/a.png",
        "https://example.org:port/a.png",
        "https://ada:secret@example.org/a.png",
        "https://example.org/a b.png",
        'https://example.org/"onerror=alert(1)',
        "https://example.org/<svg>",
        "https://example.org/'",
        "https://example.org/a\n.png",
        "https://example.org/a\u2028.png",
        "https://example.org/" + "a" * 1981,
    ],
)
async def test_a_picture_is_a_plain_url(world: World, picture: str) -> None:
    ada = await world.member()
    assert await refused(ada, picture=picture, given_name="A.") == [("picture", "url")]


async def test_a_picture_may_be_as_long_as_there_is_room(world: World) -> None:
    ada = await world.member()
    longest = "http://example.org/" + "a" * 1981
    assert (await change(ada, picture=longest))["picture"] == longest


async def test_a_profile_has_a_size(world: World) -> None:
    ada = await world.member()
    for sign in ("a", "é", "\U0001f600"):
        number, rest = divmod(8192 - len('{"x":""}'), len(sign.encode()))
        largest = {"x": sign * number + "a" * rest}
        assert (await change(ada, profile=largest))["profile"] == largest
        over = {"x": largest["x"] + "a"}
        assert await refused(ada, profile=over) == [("profile", "too_large")]


async def test_a_number_that_no_database_keeps_is_refused(world: World) -> None:
    ada = await world.member()
    for number in ("1e309", "-1e309"):
        answer = await ada.patch(
            "/v1/me",
            content=f'{{"profile": {{"x": [{number}]}}}}',
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 422, answer.text
    large = {"x": 10**400, "y": -0.0, "z": 1.5e308}
    assert (await change(ada, profile=large))["profile"] == large


@pytest.mark.attack("A-018")
async def test_nobody_changes_more_than_what_is_theirs_to_say(free: World) -> None:
    ada = await free.member(username="ada")
    before = await free.rows(select(Account))
    for field, value in (
        *(("roles", each) for each in (["admin"], "admin", None)),
        *((field, True) for field in ("email_verified", "is_admin", "admin", "isAdmin")),
        ("email", "eve@example.org"),
        ("email_key", "eve@example.org"),
        ("email_verified_at", None),
        ("username_key", "eve"),
        ("state", "active"),
        ("id", "018f0000-0000-7000-8000-000000000000"),
        ("password", "correct horse battery staple"),
        ("password_hash", "x"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("updated_at", "2020-01-01T00:00:00Z"),
        ("last_login_at", None),
        ("__proto__", {"roles": ["admin"]}),
        ("account", {"roles": ["admin"]}),
        ("profile.roles", ["admin"]),
    ):
        assert await refused(ada, **{"given_name": "Eve", field: value}) == [
            (field, "unknown_field")
        ]
    answer = await ada.patch("/v1/me?roles=admin&state=closing", json={"profile": {"roles": ["x"]}})
    assert answer.json()["roles"] == ["user"]
    assert await free.rows(select(Account.state)) == [("active",)]
    assert [row.id for (row,) in before] == [row.id for (row,) in await free.rows(select(Account))]


@pytest.mark.parametrize(
    "field, value",
    [
        ("given_name", 1),
        ("given_name", "a\u0007b"),
        ("family_name", "x" * 101),
        ("username", ["ada"]),
        ("picture", {}),
        ("profile", []),
        ("profile", "{}"),
        ("profile", 1),
    ],
)
async def test_a_field_is_of_its_kind(world: World, field: str, value: Any) -> None:
    ada = await world.member()
    [(name, _)] = await refused(ada, **{field: value})
    assert name == field


async def test_a_stranger_changes_nobody(world: World) -> None:
    answer = await world.browser().patch("/v1/me", json={"given_name": "Eve"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


# --- the username ---


async def test_a_username_stays_where_nothing_else_is_said(world: World) -> None:
    ada = await world.member(username="ada")
    for value in ("augusta", "Ada", "ada", None):
        fields = {"username": value, "given_name": "Augusta"}
        assert await refused(ada, **fields) == [("username", "not_changeable")]


async def test_a_username_changes_where_it_may_and_the_old_one_is_free(free: World) -> None:
    ada = await free.member(username="ada")
    assert (await change(ada, username="Augusta.K"))["username"] == "Augusta.K"
    assert (await free.browser().log_in("augusta.k")).status_code == 200
    assert (await free.browser().log_in("ada")).status_code == 401
    assert (await change(ada, username="AUGUSTA.K"))["username"] == "AUGUSTA.K", "spelled anew"
    bob = await free.member("bob@example.org", username="ada")

    taken = await bob.patch("/v1/me", json={"username": "augusta.k", "given_name": "Bob"})
    assert (taken.status_code, taken.json()["code"]) == (409, "username_taken")
    known = (await bob.get("/v1/me")).json()
    assert (known["username"], known["given_name"]) == ("ada", None)
    for odd in ("", "a", "a b", "a@example.org", "x" * 81):
        answer = await bob.patch("/v1/me", json={"username": odd})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_username")

    assert (await change(ada, username=None))["username"] is None
    assert (await change(bob, username="augusta.k"))["username"] == "augusta.k"


async def test_the_last_name_to_log_in_by_stays(free: World) -> None:
    ada = free.browser()
    await ada.sign_up(None, username="ada")
    assert (await ada.log_in("ada")).status_code == 200
    assert await refused(ada, username=None) == [("username", "last_name")]
    assert (await change(ada, username="augusta"))["username"] == "augusta"
    assert (await free.browser().log_in("augusta")).status_code == 200


async def test_of_two_that_want_one_username_one_has_it(free: World) -> None:
    people = [await free.member(f"ada{number}@example.org") for number in range(2)]
    for round_ in range(50):
        names = (f"Name{round_}", f"name{round_}")
        answers = await asyncio.gather(
            *(
                each.patch("/v1/me", json={"username": name, "given_name": name})
                for each, name in zip(people, names, strict=True)
            )
        )
        assert Counter(each.status_code for each in answers) == {200: 1, 409: 1}
        holders = await free.rows(
            select(Account.given_name, Account.username).where(
                Account.username_key == f"name{round_}"
            )
        )
        [(given_name, username)] = holders
        assert given_name == username


async def test_whoever_is_shut_out_meanwhile_changes_nothing(world: World) -> None:
    ada = await world.member()
    known = await presence.by_session(world.vestibule.means, ada.cookies["vestibule"])
    assert known is not None
    async with world.vestibule.unit() as unit:
        assert await state.disable(unit, known.account.id)
    with pytest.raises(NotSignedIn):
        async with world.vestibule.unit() as unit:
            await profile.change(unit, known, {"given_name": "Eve"})
    assert await world.rows(select(Account.given_name)) == [(None,)]
