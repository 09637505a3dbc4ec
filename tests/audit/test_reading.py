"""The audit log, as administrators read it."""

from typing import Any  # Any: answers are JSON
from uuid import uuid4

import pytest

from tests.web.api.test_administration import administrator, id_of, supporter
from tests.web.api.test_administration import world as world  # noqa: PLC0414 - a fixture
from tests.world import Client, World


async def entries(root: Client, **query: Any) -> list[dict[str, Any]]:
    """Follow every page."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await root.get("/v1/admin/audit", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["entries"]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def test_administrators_read_what_happened_to_everybody(world: World) -> None:
    root, ada = await administrator(world), await world.member()
    by, named = await id_of(root), await id_of(ada)
    path = f"/v1/admin/accounts/{named}"
    assert (await root.patch(path, json={"state": "disabled"})).status_code == 200
    await world.browser().log_in("nobody@example.org", "not this one at all")
    everything = await entries(root, limit=3)
    assert [each["id"] for each in everything] == sorted(
        (each["id"] for each in everything), reverse=True
    )
    [refused, *_] = everything
    assert (refused["event"], refused["identifier"]) == ("login.refused", "nobody@example.org")
    assert refused["account_id"] is None
    hers = await entries(root, account=named)
    assert {each["account_id"] for each in hers} == {named}
    [shut] = [each for each in hers if each["event"] == "account.disabled"]
    assert shut["actor_id"] == by
    opened = await entries(root, event="account.opened")
    assert {each["account_id"] for each in opened} >= {by, named}
    assert {each["event"] for each in opened} == {"account.opened"}
    assert await entries(root, account=named, event="login.refused") == []
    assert await entries(root, account=str(uuid4())) == []


@pytest.mark.attack("A-057")
async def test_the_log_is_for_whoever_has_every_power(world: World) -> None:
    refused = await (await supporter(world)).get("/v1/admin/audit")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_required")


@pytest.mark.attack("A-025")
@pytest.mark.parametrize(
    "query",
    [
        {"account": "' OR 1=1 --"},
        {"event": "login.refused' OR '1'='1"},
        {"event": ""},
        {"cursor": "1; DROP TABLE audit_entries"},
        {"limit": "1,1"},
        {"sort": "id"},
    ],
)
async def test_what_narrows_it_is_one_of_what_there_is(world: World, query: dict[str, str]) -> None:
    root = await administrator(world)
    assert (await root.get("/v1/admin/audit", params=query)).status_code == 422
