"""What a host's tests are given."""

from pathlib import Path

import pytest
from quart import Quart

from tests.embedding.host import Host, made, mount
from vestibule import requires
from vestibule.accounts import queries, state
from vestibule.testing import sign_in


async def test_somebody_is_signed_in_without_letters_and_forms(
    database_url: str, tmp_path: Path
) -> None:
    vestibule = made(database_url, tmp_path)
    app = mount(Quart("host"), vestibule)

    @app.post("/proved")
    @requires(verified=True)
    async def proved() -> str:
        return "proved"

    async with Host.serving(app, vestibule):
        client = app.test_client()
        ada = await sign_in(vestibule)
        again = await sign_in(vestibule, "Ada@Example.org")
        grace = await sign_in(vestibule, "grace@example.org", verified=False)
        assert ada != again
        for headers in (ada, again):
            me = await (await client.get("/v1/me", headers=headers)).get_json()
            assert (me["email"], me["email_verified"]) == ("ada@example.org", True)
            assert (await client.post("/proved", headers=headers)).status_code == 200
        assert (await client.post("/proved", headers=grace)).status_code == 403
        assert (await client.post("/proved")).status_code == 401
        async with vestibule.unit() as unit:
            account = await queries.by_identifier(unit, "ada@example.org")
            assert account is not None
            await state.disable(unit, account.id)
        with pytest.raises(ValueError, match="is shut"):
            await sign_in(vestibule)
