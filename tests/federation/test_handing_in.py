"""What clients hand in that asked a provider by themselves: whose code it is, and for linking."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import httpx
import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from tests.federation.conftest import OURS, House
from tests.federation.provider import Provider
from tests.federation.test_signing_in import gone
from tests.world import PASSWORD, Client

VERIFIER, NONCE = "v" * 43, "a nonce"
EVIL = "https://evil.test"
CODE, ID_TOKEN = "/v1/me/identities/op1/exchange", "/v1/me/identities/op1/id-token"


def asked(house: House, subject: str = "1000") -> dict[str, str]:
    """A client's request of `op1` after its own redirect, whole."""
    challenge = create_s256_code_challenge(VERIFIER)
    url = f"{house.op1.issuer}/authorize?redirect_uri={OURS}&state=s&nonce={NONCE}"
    brought = house.op1.agree(f"{url}&code_challenge={challenge}", subject)
    del brought["state"]
    return brought | {"code_verifier": VERIFIER, "redirect_uri": OURS, "nonce": NONCE}


def signed(op1: Provider, subject: str = "1000", nonce: str = NONCE) -> dict[str, str]:
    return {"id_token": op1.id_token(nonce=nonce, subject=subject), "nonce": nonce}


async def app(house: House, email: str = "ada@example.org") -> Client:
    """A native app, where somebody logged in for tokens."""
    entered = await house.world.browser().log_in(email, deliver="tokens")
    return house.world.client(Authorization=f"Bearer {entered.json()['access_token']}")


async def linked(client: Client) -> list[str]:
    listed = (await client.get("/v1/me/identities")).json()["identities"]
    return [each["provider"] for each in listed]


@contextmanager
def alone(house: House) -> Iterator[None]:
    """`op1` is the only provider of the settings."""
    with ExitStack() as stack:
        for name in ("op2", "github"):
            stack.enter_context(gone(house, name))
        yield


def refused(met: httpx.Response) -> tuple[int, str]:
    return met.status_code, met.json()["code"]


# --- whose code it is ---


@pytest.mark.attack("A-064")
@pytest.mark.parametrize("iss", [EVIL, "{issuer}/", "HTTP{rest}"])
@pytest.mark.parametrize("tells", [True, False])
async def test_a_code_that_another_issuer_sent_goes_nowhere(
    house: House, iss: str, *, tells: bool
) -> None:
    house.op1.tells_issuer = tells
    issuer = house.op1.issuer
    body = asked(house) | {"iss": iss.format(issuer=issuer, rest=issuer[4:])}
    client = house.world.client()
    assert refused(await client.post("/v1/oauth/op1/exchange", json=body)) == (
        *(424, "provider_failed"),
    )
    assert house.op1.to("/token") == []
    body["iss"] = issuer
    assert (await client.post("/v1/oauth/op1/exchange", json=body)).status_code == 200


@pytest.mark.attack("A-064")
async def test_among_several_a_provider_that_names_itself_has_to_be_named(house: House) -> None:
    client, body = house.world.client(), asked(house)
    del body["iss"]
    met = await client.post("/v1/oauth/op1/exchange", json=body)
    assert refused(met) == (422, "invalid_fields")
    assert [each["field"] for each in met.json()["errors"]] == ["iss"]
    assert house.op1.to("/token") == []
    with alone(house):
        assert (await client.post("/v1/oauth/op1/exchange", json=body)).status_code == 200


async def test_a_provider_that_does_not_name_itself_need_not_be_named(house: House) -> None:
    house.op1.tells_issuer = False
    body = asked(house)
    assert "iss" not in body
    met = await house.world.client().post("/v1/oauth/op1/exchange", json=body)
    assert met.status_code == 200, met.text


# --- linking ---


async def test_an_app_links_by_a_code_and_by_an_id_token(house: House) -> None:
    ada = await house.world.member()
    client = await app(house)
    for path, body in ((CODE, asked(house, "7")), (ID_TOKEN, signed(house.op1, "8"))):
        met = await client.post(path, json=body)
        assert (met.status_code, met.content) == (204, b""), met.text
        assert "Set-Cookie" not in met.headers
    assert await linked(ada) == ["op1", "op1"]
    assert (await house.world.mails("ada@example.org"))[-1].subject.endswith("with Op1")
    for subject in ("7", "8"):
        other = house.browser()
        await house.sign_in(other, subject)
        assert (await house.who(other) or {})["email"] == "ada@example.org"


@pytest.mark.attack("A-002")
async def test_an_id_token_links_or_signs_in_and_once(house: House) -> None:
    await house.world.member()
    client, body = await app(house), signed(house.op1)
    assert (await client.post(ID_TOKEN, json=body)).status_code == 204
    for path in (ID_TOKEN, "/v1/oauth/op1/id-token"):
        assert refused(await client.post(path, json=body)) == (400, "state_refused")
    used = signed(house.op1, "9", "another")
    assert (await house.world.client().post("/v1/oauth/op1/id-token", json=used)).is_success
    assert (await client.post(ID_TOKEN, json=used)).status_code == 400


@pytest.mark.attack("A-002")
async def test_an_identity_that_opens_another_account_stays_there(house: House) -> None:
    bob = house.browser()
    await house.sign_in(bob)
    theirs = await house.who(bob) or {}
    await house.world.member()
    client = await app(house)
    for path, body in ((CODE, asked(house)), (ID_TOKEN, signed(house.op1))):
        assert refused(await client.post(path, json=body)) == (409, "identity_taken")
    assert await linked(client) == []
    again = house.browser()
    await house.sign_in(again)
    assert (await house.who(again) or {})["id"] == theirs["id"]


@pytest.mark.attack("A-002")
async def test_who_did_not_log_in_lately_says_who_they_are_before_they_link(house: House) -> None:
    await house.world.member()
    entered = (await house.world.browser().log_in(deliver="tokens")).json()
    house.world.clock.move(timedelta(minutes=11))
    now = int(house.world.clock.now().timestamp())
    house.op1.claims = {"iat": now, "exp": now + 60}
    kept = {"refresh_token": entered["refresh_token"]}
    fresh = (await house.world.client().post("/v1/tokens/refresh", json=kept)).json()
    client = house.world.client(Authorization=f"Bearer {fresh['access_token']}")
    for path, body in ((CODE, asked(house)), (ID_TOKEN, signed(house.op1))):
        assert refused(await client.post(path, json=body)) == (403, "reauthentication_required")
    assert house.op1.calls == []
    assert (await client.post("/v1/me/confirm", json={"password": PASSWORD})).is_success
    assert (await client.post(CODE, json=asked(house))).status_code == 204


@pytest.mark.attack("A-002")
async def test_no_page_and_no_program_links_and_nobody_whose_session_ended(house: House) -> None:
    ada = await house.world.member()
    made = await ada.post("/v1/me/api-keys", json={"name": "x"})
    key = house.world.client(**{"X-API-Key": made.json()["key"]})
    foreign = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
    client = await app(house)
    for path, body in ((CODE, asked(house, "evil")), (ID_TOKEN, signed(house.op1, "evil"))):
        assert (await ada.post(path, json=body, headers=foreign)).status_code == 403
        assert refused(await key.post(path, json=body)) == (403, "session_required")
        assert (await house.world.client().post(path, json=body)).status_code == 401
        assert (await client.post(path, json=body | {"intent": "login"})).status_code == 422
    other = asked(house) | {"redirect_uri": "https://evil.test/cb"}
    assert refused(await client.post(CODE, json=other)) == (422, "invalid_fields")
    nameless = asked(house)
    del nameless["iss"]
    assert refused(await client.post(CODE, json=nameless)) == (422, "invalid_fields")
    assert (await client.post("/v1/logout")).is_success
    assert (await client.post(CODE, json=asked(house))).status_code == 401
    assert house.op1.to("/token") == []
    assert await linked(ada) == []
