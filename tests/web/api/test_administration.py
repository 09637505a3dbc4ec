"""Looking after other people's accounts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any  # Any: answers are JSON
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import insert, select, update

from tests.attacks.looking import every_value
from tests.web.api.test_closing import closed, erased, keep
from tests.world import PASSWORD, Client, World
from vestibule.accounts import administration, directory, state
from vestibule.accounts.models import Account
from vestibule.audit.log import Entry
from vestibule.courier.models import Letter
from vestibule.kernel.errors import CannotStart, NotSignedIn, RoleRequired
from vestibule.kernel.unit import Unit
from vestibule.roles.models import Role

ACCOUNTS = "/v1/admin/accounts"


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """With a role of the host's own, which looks after accounts."""
    async with World.running(database_url, tmp_path) as made, made.vestibule.unit() as unit:
        await unit.session.execute(
            insert(Role), {"name": "support", "description": "Helps people."}
        )
    async with World.running(database_url, tmp_path, support_roles="support") as made:
        yield made


async def administrator(world: World, email: str = "root@example.org") -> Client:
    made = await world.member(email)
    await world.give(email, "admin")
    return made


async def supporter(world: World, email: str = "help@example.org") -> Client:
    made = await world.member(email)
    await world.give(email, "support")
    return made


async def id_of(client: Client) -> str:
    return str((await client.get("/v1/me")).json()["id"])


async def opened(root: Client, **fields: Any) -> dict[str, Any]:
    answer = await root.post(ACCOUNTS, json=fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def found(root: Client, **query: Any) -> list[str]:
    """Follow every page; return the usernames in order."""
    names: list[str] = []
    while True:
        answer = await root.get(ACCOUNTS, params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        names += [each["username"] for each in page["accounts"]]
        if page["next"] is None:
            return names
        query["cursor"] = page["next"]


def assert_refuses(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


ROUTES = [
    ("GET", ACCOUNTS),
    ("POST", ACCOUNTS),
    ("GET", f"{ACCOUNTS}/x"),
    ("PATCH", f"{ACCOUNTS}/x"),
    ("DELETE", f"{ACCOUNTS}/x"),
    ("PUT", f"{ACCOUNTS}/x/roles"),
    ("POST", f"{ACCOUNTS}/x/sessions/end"),
    ("GET", "/v1/admin/audit"),
    ("GET", "/v1/admin/letters"),
    ("POST", "/v1/admin/letters/x/retry"),
]


@pytest.mark.attack("A-057")
@pytest.mark.parametrize("method, path", ROUTES)
async def test_administrators_are_told_from_others_before_anything_is_read(
    world: World, method: str, path: str
) -> None:
    wrong = {"content": b"{", "headers": {"Content-Type": "application/json"}}
    nothing: dict[str, Any] = wrong if method != "GET" else {}
    empty: dict[str, Any] = {"json": {}} if method != "GET" else {}
    assert_refuses(await world.browser().request(method, path), 401, "not_signed_in")
    ada = await world.member()
    assert_refuses(await ada.request(method, path), 403, "role_required")
    assert_refuses(await ada.request(method, path, **empty), 403, "role_required")
    assert (await ada.request(method, path, **nothing)).status_code in (400, 403)
    made = await ada.post("/v1/me/api-keys", json={"name": "x"})
    await world.give("ada@example.org", "admin")
    key = world.client(**{"X-API-Key": made.json()["key"]})
    assert_refuses(await key.request(method, path), 403, "session_required")
    answer = await ada.request(method, path)
    assert answer.status_code in (200, 404, 422)


async def test_lists_are_newest_first_and_narrowed_by_role_and_state(world: World) -> None:
    root = await administrator(world)
    for number in range(7):
        await opened(root, username=f"person{number}", roles=["editor"] if number % 2 else [])
    await root.patch(
        f"{ACCOUNTS}/{(await opened(root, username='shut', roles=['editor']))['id']}",
        json={"state": "disabled"},
    )
    people = [f"person{number}" for number in reversed(range(7))]
    for limit in (1, 3, 200):
        everybody = await found(root, limit=limit)
        assert everybody == ["shut", *people, None]
        assert await found(root, limit=limit, role="editor") == [
            "shut",
            "person5",
            "person3",
            "person1",
        ]
        assert await found(root, limit=limit, state="disabled") == ["shut"]
        assert await found(root, limit=limit, state="disabled", role="editor") == ["shut"]
        assert await found(root, limit=limit, role="nobody") == []


async def test_a_search_finds_how_addresses_usernames_and_names_begin(world: World) -> None:
    root = await administrator(world)
    await opened(root, username="ann", email="Zoe@Example.org", family_name="Ångström")
    await opened(root, username="anna.b", given_name="Anna", family_name="van Anders")
    await opened(root, username="bert", email="anton@example.org", given_name="ANTJE")
    await opened(root, username="c_50", given_name="100%")
    await opened(root, username="cx50", given_name="100x")
    for limit in (1, 2, 200):
        assert await found(root, query="an", limit=limit) == ["ann", "anna.b", "bert"]
        assert await found(root, query=" AN", limit=limit) == ["ann", "anna.b", "bert"]
        assert await found(root, query="anna", limit=limit) == ["anna.b"]
        assert await found(root, query="ANTON@", limit=limit) == ["bert"]
        assert await found(root, query="zoe@example.org", limit=limit) == ["ann"]
        assert await found(root, query="Van a", limit=limit) == ["anna.b"]
        assert await found(root, query="Ång", limit=limit) == ["ann"]
        assert await found(root, query="c_", limit=limit) == ["c_50"]
        assert await found(root, query="100%", limit=limit) == ["c_50"]
        assert await found(root, query="x", limit=limit) == []
    assert await found(root, query="an", role="user", state="active", limit=1) == [
        "ann",
        "anna.b",
        "bert",
    ]
    assert await found(root, query="an", state="disabled") == []
    assert await found(root, query="an", role="editor") == []


@pytest.mark.parametrize("asked", [{"query": "person"}, {"role": "editor"}, {}])
async def test_a_page_looks_at_so_many_and_says_where_to_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, asked: dict[str, str]
) -> None:
    monkeypatch.setattr(directory, "_LOOKED_AT", 5)
    root = await administrator(world)
    for number in range(9):
        await opened(root, username=f"person{number}", roles=["user", "editor"])
    rare = f"person{8 if 'query' in asked else 0}"  # the last of either walk
    [shut] = [
        each
        for each in (await root.get(ACCOUNTS, params={"query": rare})).json()["accounts"]
        if each["username"] == rare
    ]
    await root.patch(f"{ACCOUNTS}/{shut['id']}", json={"state": "disabled"})
    wanted = asked | {"state": "disabled"}
    first = (await root.get(ACCOUNTS, params=wanted | {"limit": 1})).json()
    if asked:  # else the walk is along the state
        assert first["accounts"] == []
        assert first["next"] is not None
    for limit in (1, 3, 200):
        assert await found(root, limit=limit, **wanted) == [rare]
        everybody = await found(root, limit=limit, **asked)
        assert len(everybody) == len(set(everybody)) >= 9


@pytest.mark.attack("A-025")
async def test_what_is_no_cursor_or_condition_is_refused_and_runs_nothing(world: World) -> None:
    root = await administrator(world)
    await opened(root, username="ann")
    await opened(root, username="anna")
    searched = (await root.get(ACCOUNTS, params={"query": "an", "limit": 1})).json()["next"]
    listed = (await root.get(ACCOUNTS, params={"limit": 1})).json()["next"]
    for cursor in ("x", "'", "x" * 36, "AAAA", "1;drop", str(uuid4()) + "x"):
        for more in ({}, {"query": "an"}):
            answer = await root.get(ACCOUNTS, params={"cursor": cursor} | more)
            assert_refuses(answer, 422, "invalid_fields")
    assert_refuses(await root.get(ACCOUNTS, params={"cursor": searched}), 422, "invalid_fields")
    crossed = {"cursor": listed, "query": "an"}
    assert_refuses(await root.get(ACCOUNTS, params=crossed), 422, "invalid_fields")
    for wrong in (
        {"sort": "email"},
        {"order": "asc,1"},
        {"filter[email]": "' or 1=1--"},
        {"state": "active' --"},
        {"limit": "1;select 1"},
        {"query": ""},
    ):
        assert_refuses(await root.get(ACCOUNTS, params=wrong), 422, "invalid_fields")
    for query in ("%", "_", "' OR '1'='1", "an%", "a_n", "\\", "\U0010ffff", "*", '"'):
        assert await found(root, query=query) == [], query
    for named in ("query", "role", "cursor", "state"):
        assert_refuses(await root.get(ACCOUNTS, params={named: "a\0"}), 422, "invalid_fields")


async def test_an_account_is_opened_for_somebody(world: World) -> None:
    root = await administrator(world)
    made = await opened(
        root,
        email="Ada@example.org",
        email_verified=True,
        username="ada",
        password=PASSWORD,
        given_name="Ada",
        roles=["editor"],
    )
    assert made["roles"] == ["editor", "user"]
    assert (made["state"], made["has_password"]) == ("active", True)
    assert (await root.get(f"{ACCOUNTS}/{made['id']}")).json() == made
    assert (await world.browser().log_in()).status_code == 200
    without = await opened(root, username="bob")
    assert without["has_password"] is False
    assert (await world.browser().log_in("bob")).status_code == 401
    assert await world.mails("Ada@example.org") == []
    by = await world.rows(
        select(Entry.actor_id).where(
            Entry.event.in_(("account.opened", "role.granted")),
            Entry.account_id
            == select(Account.id).where(Account.username == "ada").scalar_subquery(),
        )
    )
    assert [str(each) for (each,) in by] == [await id_of(root)] * 2
    for wrong, code in (
        ({}, "identifier_missing"),
        ({"email": "ada"}, "invalid_address"),
        ({"username": "a"}, "invalid_username"),
        ({"username": "cyd", "password": "short"}, "weak_password"),
        ({"username": "cyd", "state": "active"}, "invalid_fields"),
    ):
        assert_refuses(await root.post(ACCOUNTS, json=wrong), 422, code)
    for taken, code in (
        ({"username": "ADA"}, "username_taken"),
        ({"email": "ada@EXAMPLE.org"}, "address_taken"),
    ):
        assert_refuses(await root.post(ACCOUNTS, json=taken), 409, code)
    unknown = {"username": "cyd", "roles": ["nobody"]}
    assert_refuses(await root.post(ACCOUNTS, json=unknown), 404, "role_unknown")
    assert "cyd" not in await found(root)


async def test_an_account_is_changed_as_its_owner_would(world: World) -> None:
    root, ada = await administrator(world), await world.member(username="ada")
    path = f"{ACCOUNTS}/{await id_of(ada)}"
    changed = await root.patch(path, json={"given_name": "Ada", "username": "lovelace"})
    assert changed.json()["username"] == "lovelace"
    assert (await ada.get("/v1/me")).json()["given_name"] == "Ada"
    assert (await root.patch(path, json={"profile": {"a": 1}})).json()["profile"] == {"a": 1}
    assert (await root.patch(path, json={"profile": None})).json()["profile"] == {}
    assert (await root.patch(path, json={})).status_code == 200
    await opened(root, username="taken")
    assert_refuses(await root.patch(path, json={"username": "TAKEN"}), 409, "username_taken")
    assert_refuses(await root.patch(path, json={"username": "x"}), 422, "invalid_username")
    assert_refuses(await root.patch(path, json={"picture": "x"}), 422, "invalid_fields")
    nameless = await opened(root, username="only")
    only = f"{ACCOUNTS}/{nameless['id']}"
    assert_refuses(await root.patch(only, json={"username": None}), 422, "invalid_fields")
    told = await world.rows(select(Entry.actor_id).where(Entry.event == "account.changed"))
    assert {str(each) for (each,) in told} == {await id_of(root)}


async def test_an_account_that_is_shut_is_out_at_once_until_it_is_opened_again(
    world: World,
) -> None:
    root, ada = await administrator(world), await world.member()
    path = f"{ACCOUNTS}/{await id_of(ada)}"
    for _ in range(2):
        shut = await root.patch(path, json={"state": "disabled"})
        assert (shut.status_code, shut.json()["state"]) == (200, "disabled")
    assert (await ada.get("/v1/me")).status_code == 401
    assert (await world.browser().log_in()).status_code == 401
    assert (await root.patch(path, json={"state": "active"})).json()["state"] == "active"
    assert (await ada.get("/v1/me")).status_code == 401, "its sessions stay ended"
    assert (await world.browser().log_in()).status_code == 200
    events = await world.rows(
        select(Entry.event, Entry.actor_id)
        .where(Entry.event.like("account.%abled"))
        .order_by(Entry.id)
    )
    assert [(event, str(by)) for event, by in events] == [
        ("account.disabled", await id_of(root)),
        ("account.enabled", await id_of(root)),
    ]
    again = world.browser()
    await again.log_in()
    seen = (await again.get("/v1/me/audit")).json()["entries"]
    assert [each["by_another"] for each in seen if each["event"] == "sessions.ended"] == [True]


async def test_who_closes_an_account_does_not_keep_it_from_being_shut(world: World) -> None:
    root, ada = await administrator(world), await world.member()
    path = f"{ACCOUNTS}/{await id_of(ada)}"
    former = await closed(world, ada)
    shut = await root.patch(path, json={"state": "disabled"})
    assert (shut.status_code, shut.json()["state"]) == (200, "disabled")
    assert await keep(world.browser(), former) == 400
    assert (await root.patch(path, json={"state": "active"})).json()["state"] == "active"
    await ada.log_in()
    await closed(world, ada)
    assert await keep(world.browser(), former) == 400, "it is worth nothing ever after"
    assert (await root.patch(path, json={"state": "disabled"})).status_code == 200
    world.clock.move(timedelta(days=14))
    assert await erased(world) == 0


async def test_an_account_is_erased_at_once_and_nothing_tells_of_its_owner(world: World) -> None:
    root = await administrator(world)
    ada = await world.member("Ada@Example.org", username="lovelace", given_name="Augusta")
    tokens = (await world.client().log_in("lovelace", deliver="tokens")).json()
    key = (await ada.post("/v1/me/api-keys", json={"name": "robot"})).json()["key"]
    await world.browser(address="203.0.113.77").log_in("Ada@Example.org", "a guess")
    bob = await world.member("bob@example.org")
    held = world.client(Authorization=f"Bearer {tokens['access_token']}")
    robot = world.client(**{"X-API-Key": key})
    for client in (ada, held, robot):
        assert (await client.get("/v1/me")).status_code == 200
    account = await id_of(ada)
    path = f"{ACCOUNTS}/{account}"
    answer = await root.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for client in (ada, held, robot):
        assert (await client.get("/v1/me")).status_code == 401
    assert (await world.browser().log_in("lovelace")).status_code == 401
    renewal = {"refresh_token": tokens["refresh_token"]}
    assert (await world.client().post("/v1/tokens/refresh", json=renewal)).status_code == 401
    for gone in (await root.delete(path), await root.get(path)):
        assert_refuses(gone, 404, "account_unknown")
    for column, value in await every_value(world):
        for each in (b"ada@example.org", b"Ada@Example.org", b"lovelace", b"Augusta", b"203.0.113"):
            assert each not in value, column
    [by] = await world.rows(
        select(Entry.actor_id, Entry.account_id).where(Entry.event == "account.erased")
    )
    assert [str(each) for each in by] == [await id_of(root), account]
    assert (await bob.get("/v1/me")).status_code == 200, "others stay"
    again = await world.member("Ada@Example.org", username="lovelace")
    assert await id_of(again) != account


async def test_support_neither_vouches_for_an_address_nor_erases(world: World) -> None:
    """Whoever could do both would own any address."""
    root, helper = await administrator(world), await supporter(world)
    ada = f"{ACCOUNTS}/{await id_of(await world.member())}"
    assert_refuses(await helper.delete(ada), 403, "role_required")
    bob = {"email": "bob@example.org", "email_verified": True}
    assert_refuses(await helper.post(ACCOUNTS, json=bob), 403, "role_required")
    made = await helper.post(ACCOUNTS, json=bob | {"email_verified": False})
    assert (made.status_code, made.json()["email_verified"]) == (201, False)
    cyd = {"email": "cyd@example.org", "email_verified": True}
    assert (await root.post(ACCOUNTS, json=cyd)).json()["email_verified"] is True
    assert (await root.delete(ada)).status_code == 204


async def test_an_account_is_erased_in_whichever_state_after_a_recent_log_in(world: World) -> None:
    root = await administrator(world)
    shut = f"{ACCOUNTS}/{(await opened(root, username='shut'))['id']}"
    await root.patch(shut, json={"state": "disabled"})
    closing = await world.member("closing@example.org")
    leaving = f"{ACCOUNTS}/{await id_of(closing)}"
    assert (await closing.delete("/v1/me")).status_code == 200
    world.clock.move(timedelta(hours=1))
    assert_refuses(await root.delete(shut), 403, "reauthentication_required")
    opening = await root.patch(shut, json={"state": "active"})
    assert_refuses(opening, 403, "reauthentication_required")
    assert (await root.patch(shut, json={"given_name": "Shut"})).status_code == 200
    assert (await root.get(shut)).json()["state"] == "disabled"
    await root.log_in("root@example.org")
    assert_refuses(await root.request("DELETE", shut, json={"a": 1}), 422, "invalid_fields")
    for path in (shut, leaving):
        assert (await root.delete(path)).status_code == 204
        assert (await root.get(path)).status_code == 404


async def test_roles_are_given_and_taken_and_count_at_the_next_request(world: World) -> None:
    root, ada = await administrator(world), await world.member()
    path = f"{ACCOUNTS}/{await id_of(ada)}/roles"
    assert (await root.put(path, json={"roles": ["admin", "user"]})).json()["roles"] == [
        "admin",
        "user",
    ]
    assert (await ada.get(ACCOUNTS)).status_code == 200
    assert (await root.put(path, json={"roles": ["user"]})).json()["roles"] == ["user"]
    assert_refuses(await ada.get(ACCOUNTS), 403, "role_required")
    assert_refuses(await root.put(path, json={"roles": ["nobody"]}), 404, "role_unknown")
    world.clock.move(timedelta(hours=1))
    stale = await root.put(path, json={"roles": ["admin"]})
    assert_refuses(stale, 403, "reauthentication_required")
    assert_refuses(
        await root.post(ACCOUNTS, json={"username": "x"}), 403, "reauthentication_required"
    )


async def test_an_account_is_signed_out_everywhere(world: World) -> None:
    root, ada = await administrator(world), await world.member()
    await world.browser().log_in()
    await world.browser().forget()
    letter = (await world.mails("ada@example.org"))[-1]
    path = f"{ACCOUNTS}/{await id_of(ada)}/sessions/end"
    assert (await root.post(path)).json() == {"ended": 2}
    assert (await ada.get("/v1/me")).status_code == 401
    assert (await world.browser().reset(token=letter.token)).status_code == 400
    assert (await root.post(path)).json() == {"ended": 0}
    own = f"{ACCOUNTS}/{await id_of(root)}/sessions/end"
    assert (await root.post(own)).json() == {"ended": 1}
    assert (await root.get("/v1/me")).status_code == 401


async def test_letters_are_listed_and_sent_again(world: World) -> None:
    root = await administrator(world)
    await world.browser().sign_up("bob@example.org")
    await world.rows(
        update(Letter)
        .where(Letter.recipient == "bob@example.org")
        .values(state="failed", last_error="mailbox full")
        .returning(Letter.id)
    )
    [letter] = (await root.get("/v1/admin/letters", params={"state": "failed"})).json()["letters"]
    assert (letter["recipient"], letter["last_error"]) == ("bob@example.org", "mailbox full")
    assert "payload" not in letter
    retry = f"/v1/admin/letters/{letter['id']}/retry"
    assert (await root.post(retry)).status_code == 204
    assert len(await world.mails("bob@example.org")) == 1
    told = select(Entry.actor_id, Entry.about).where(Entry.event == "letter.retried")
    [(by, about)] = await world.rows(told)
    assert (str(by), about) == (await id_of(root), letter["id"])
    for gone in (retry, "/v1/admin/letters/x/retry", f"/v1/admin/letters/{uuid4()}/retry"):
        assert_refuses(await root.post(gone), 404, "letter_unknown")
    first = (await root.get("/v1/admin/letters", params={"limit": 1})).json()
    rest = await root.get("/v1/admin/letters", params={"cursor": first["next"]})
    shown = [each["id"] for each in first["letters"] + rest.json()["letters"]]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == 2


@pytest.mark.parametrize("account", ["x", str(UUID(int=1)), "..", "%00"])
async def test_an_account_that_there_is_not_is_told(world: World, account: str) -> None:
    root = await administrator(world)
    for answer in (
        await root.get(f"{ACCOUNTS}/{account}"),
        await root.patch(f"{ACCOUNTS}/{account}", json={"given_name": "x"}),
        await root.put(f"{ACCOUNTS}/{account}/roles", json={"roles": []}),
        await root.post(f"{ACCOUNTS}/{account}/sessions/end"),
        await root.delete(f"{ACCOUNTS}/{account}"),
    ):
        assert answer.status_code in (404, 405)
        assert account in ("..", "%00") or answer.json()["code"] == "account_unknown"


@pytest.mark.attack("A-058")
async def test_nobody_shuts_demotes_or_raises_themself(world: World) -> None:
    for make in (administrator, supporter):
        one = await make(world)
        before = (await one.get("/v1/me")).json()
        path = f"{ACCOUNTS}/{before['id']}"
        assert_refuses(await one.patch(path, json={"state": "disabled"}), 403, "not_oneself")
        erased = "not_oneself" if make is administrator else "role_required"
        assert_refuses(await one.delete(path), 403, erased)
        for roles in ([], ["user"], ["admin"], ["admin", "editor", "support", "user"]):
            answer = await one.put(f"{path}/roles", json={"roles": roles})
            assert_refuses(answer, 403, "not_oneself")
        assert (await one.patch(path, json={"given_name": "Me"})).status_code == 200
        after = (await one.get("/v1/me")).json()
        assert after["roles"] == before["roles"]


@pytest.mark.attack("A-058")
async def test_ones_own_powers_bound_on_whom_one_acts_and_what_one_gives(world: World) -> None:
    root, support = await administrator(world), await supporter(world)
    ada, colleague = await world.member(), await supporter(world, "other@example.org")
    editor = (await opened(root, username="editor", roles=["editor"]))["id"]
    above = [await id_of(root), editor]
    for account in above:
        path = f"{ACCOUNTS}/{account}"
        for answer in (
            await support.patch(path, json={"state": "disabled"}),
            await support.patch(path, json={"username": "mine"}),
            await support.put(f"{path}/roles", json={"roles": ["user"]}),
            await support.post(f"{path}/sessions/end"),
        ):
            assert_refuses(answer, 403, "beyond_powers")
        assert_refuses(await support.delete(path), 403, "role_required")
        assert (await support.get(path)).status_code == 200
    path = f"{ACCOUNTS}/{await id_of(ada)}"
    for roles in (["admin"], ["editor"], ["user", "admin", "support"]):
        answer = await support.put(f"{path}/roles", json={"roles": roles})
        assert_refuses(answer, 403, "beyond_powers")
        made = await support.post(ACCOUNTS, json={"username": "friend", "roles": roles})
        assert_refuses(made, 403, "beyond_powers")
    assert_refuses(
        await support.put(f"{path}/roles", json={"roles": ["Admin"]}), 404, "role_unknown"
    )
    for nested in ({"roles": {"set": ["admin"]}}, {"roles": [["admin"]]}, {"roles": "admin"}):
        assert_refuses(await support.put(f"{path}/roles", json=nested), 422, "invalid_fields")
    assert (await ada.get("/v1/me")).json()["roles"] == ["user"]
    assert "friend" not in await found(root)
    # What they are there for.
    assert (await support.patch(path, json={"given_name": "Ada"})).status_code == 200
    assert (await support.put(f"{path}/roles", json={"roles": ["support", "user"]})).is_success
    assert (await support.post(f"{ACCOUNTS}/{await id_of(colleague)}/sessions/end")).is_success
    assert (await support.post(ACCOUNTS, json={"username": "friend"})).status_code == 201
    for others in ("/v1/admin/letters",):
        assert_refuses(await support.get(others), 403, "role_required")


async def test_administrators_who_demote_or_shut_each_other_at_once_leave_one(
    world: World,
) -> None:
    root, other = await administrator(world), await administrator(world, "two@example.org")
    ids = {root: await id_of(root), other: await id_of(other)}

    async def act(one: Client, on: Client, *, demote: bool) -> int:
        path = f"{ACCOUNTS}/{ids[on]}"
        if demote:
            return (await one.put(f"{path}/roles", json={"roles": ["user"]})).status_code
        return (await one.patch(path, json={"state": "disabled"})).status_code

    async def both(*acts: Awaitable[int]) -> list[int]:
        return sorted(await asyncio.gather(*acts))

    for round_ in range(12):
        won, lost = await both(
            act(root, other, demote=round_ % 2 == 0), act(other, root, demote=round_ % 3 == 0)
        )
        assert won == 200
        assert lost in (401, 403)
        left = await world.rows(
            select(Account.email).where(Account.state == "active", Account.granted.like("%admin%"))
        )
        assert len(left) == 1
        async with world.vestibule.unit() as unit:
            await unit.session.execute(update(Account).values(state="active"))
        for email in ("root@example.org", "two@example.org"):
            await world.give(email, "admin")
        root, other = world.browser(), world.browser()
        await root.log_in("two@example.org")
        await other.log_in("root@example.org")
        ids = {root: await id_of(root), other: await id_of(other)}


async def test_administrators_who_erase_each_other_at_once_leave_one(world: World) -> None:
    for round_ in range(4):
        emails = [f"{name}{round_}@example.org" for name in ("one", "two")]
        one, two = [await administrator(world, email) for email in emails]
        paths = [f"{ACCOUNTS}/{await id_of(each)}" for each in (two, one)]
        answers = await asyncio.gather(one.delete(paths[0]), two.delete(paths[1]))
        assert sorted(each.status_code for each in answers) == [204, 401]
        left = await world.rows(select(Account.email).where(Account.email.in_(emails)))
        assert len(left) == 1


async def test_the_last_administrator_does_not_close_their_account(world: World) -> None:
    root, other = await administrator(world), await administrator(world, "two@example.org")
    shut = f"{ACCOUNTS}/{await id_of(other)}"
    assert (await root.patch(shut, json={"state": "disabled"})).status_code == 200
    assert_refuses(await root.delete("/v1/me"), 403, "not_oneself")
    assert (await root.get("/v1/me")).status_code == 200
    assert (await root.patch(shut, json={"state": "active"})).status_code == 200
    assert (await root.delete("/v1/me")).status_code == 200
    await other.log_in("two@example.org")
    assert_refuses(await other.delete("/v1/me"), 403, "not_oneself")


async def test_of_administrators_who_close_their_accounts_at_once_one_stays(world: World) -> None:
    emails = ("one@example.org", "two@example.org", "three@example.org")
    for email in emails:
        await administrator(world, email)
    for _ in range(8):
        clients = [world.browser() for _ in emails]
        for client, email in zip(clients, emails, strict=True):
            assert (await client.log_in(email)).status_code == 200
        answers = await asyncio.gather(*(client.delete("/v1/me") for client in clients))
        assert sorted(each.status_code for each in answers) == [200, 200, 403]
        async with world.vestibule.unit() as unit:
            await unit.session.execute(update(Account).values(state="active", closes_at=None))


@pytest.mark.attack("A-057")
async def test_a_flow_asks_again_who_is_an_administrator(world: World) -> None:
    """As for one who was demoted, or shut, between the guard and the change."""
    root = UUID(await id_of(await administrator(world)))
    ada = UUID(await id_of(await world.member()))
    bob = UUID(await id_of(await world.member("bob@example.org")))
    flows: list[Callable[[UUID, Unit], Awaitable[object]]] = [
        lambda by, unit: administration.amend(unit, by, bob, {"given_name": "x"}),
        lambda by, unit: administration.amend(unit, by, bob, {}, state="disabled"),
        lambda by, unit: administration.set_roles(unit, by, bob, ["user"]),
        lambda by, unit: administration.end_sessions(unit, by, bob),
        lambda by, unit: administration.create(unit, by, {"username": f"new{by}"}),
        lambda by, unit: administration.erase(unit, by, bob),
    ]
    for flow in flows:
        with pytest.raises(RoleRequired):
            await world.vestibule.run(partial(flow, ada))
    await world.vestibule.run(lambda unit: state.disable(unit, root))
    for flow in flows:
        with pytest.raises(NotSignedIn):
            await world.vestibule.run(partial(flow, root))
    await world.vestibule.run(lambda unit: state.enable(unit, root))
    for flow in flows:
        await world.vestibule.run(partial(flow, root))


async def test_roles_of_support_have_to_be_there(database_url: str, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="VESTIBULE_SUPPORT_ROLES"):
        async with World.running(database_url, tmp_path, support_roles="nobody"):
            pass
    with pytest.raises(CannotStart, match="VESTIBULE_SUPPORT_ROLES"):
        async with World.running(database_url, tmp_path, support_roles="user"):
            pass
