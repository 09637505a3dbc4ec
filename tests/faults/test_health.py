"""What `/healthz` and `/readyz` say while something that we need is away."""

from pathlib import Path

import pytest

from tests.faults.test_database import behind_a_proxy, timed, until_well
from tests.mailservers import DROP, MailgunStub
from tests.postgres import Server
from tests.world import World


async def asked(world: World) -> tuple[int, int]:
    """Return what a stranger is answered by either, who must learn no detail."""
    stranger = world.client()
    healthy, ready = await stranger.get("/healthz"), await stranger.get("/readyz")
    assert healthy.json() == {"status": "ok"}
    if ready.status_code != 200:
        assert "retry-after" in ready.headers
        assert set(ready.json()) == {"type", "title", "status", "code", "detail", "request_id"}
        assert "127.0.0.1" not in ready.text
    return healthy.status_code, ready.status_code


@pytest.mark.fault("F-37")
async def test_only_a_database_that_is_away_makes_us_unready(
    postgres: Server, postgres_url: str, tmp_path: Path
) -> None:
    async with MailgunStub([DROP] * 20) as provider:
        mail = {
            "mail_transport": "mailgun",
            "mail_from": "no-reply@example.test",
            "mailgun_api_key": "key",
            "mailgun_domain": "example.test",
            "mailgun_base_url": provider.url,
        }
        async with behind_a_proxy(postgres, postgres_url, tmp_path, **mail) as (world, front):
            assert await asked(world) == (200, 200)
            await world.client().sign_up()
            assert await world.vestibule.courier.send_due() == 1
            assert await asked(world) == (200, 200), "letters wait; requests are served"
            front.refuse()
            assert await asked(world) == (200, 503)
            front.flow()
            assert await asked(world) == (200, 200)
            front.swallow()
            (answer, took) = await timed(world.client().get("/readyz"))
            assert answer.status_code == 503
            assert took < 7
            front.flow()
            assert await asked(world) == (200, 200)
            member = world.browser()
            assert (await member.sign_up(None, username="ada")).status_code == 201
            assert (await member.log_in("ada")).status_code == 200
            await until_well(member)
