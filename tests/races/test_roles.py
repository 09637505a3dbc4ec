"""Roles that are given and taken at the same moment."""

import asyncio
from collections import Counter

from sqlalchemy import select

from tests.world import World
from vestibule.accounts.models import Account
from vestibule.audit.log import Entry
from vestibule.roles import grants
from vestibule.roles.models import Grant

ROUNDS = 50


async def test_grants_and_revokes_at_once_are_each_told_as_often_as_they_happened(
    world: World,
) -> None:
    await world.member()
    [(account,)] = await world.rows(select(Account.id))
    done: Counter[str] = Counter()

    async def change(act: str) -> None:
        flow = grants.grant if act == "granted" else grants.revoke
        if await world.vestibule.run(lambda unit: flow(unit, account, "admin")):
            done[act] += 1

    for _ in range(ROUNDS):
        await asyncio.gather(*(change(act) for act in ("granted", "revoked") * 2))
        has = len(await world.rows(select(Grant).where(Grant.role == "admin")))
        assert done["granted"] - done["revoked"] == has
    rows = await world.rows(select(Entry.event).where(Entry.about == "admin"))
    told = Counter(event.removeprefix("role.") for (event,) in rows)
    assert told == done
    assert done["revoked"] > 0
