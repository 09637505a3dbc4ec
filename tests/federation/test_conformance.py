"""The modules that certify a relying party (OpenID Foundation: Basic, and Config), replayed.

What the foundation's suite does to a client is done here by our own provider, one switch a module.
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any  # Any: claims

import pytest

from tests.federation.conftest import House, opened
from tests.federation.provider import CLIENT, MISSING, SECRET, Provider, Raw, query, rsa

Change = Callable[[Provider], None]


@pytest.fixture
async def one(sqlite_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened(sqlite_url, tmp_path) as made:
        yield made


def nothing(_op: Provider) -> None:
    """An honest provider."""


def claims(**said: object) -> Change:
    return lambda op: op.claims.update(said)


def without_kid(op: Provider) -> None:
    op.header["kid"] = MISSING


def without_kid_among_two(op: Provider) -> None:
    op.header["kid"] = MISSING
    op.keys = [*op.keys, rsa("second")]


def another_key(op: Provider) -> None:
    op.signs_with = rsa("first", whose="ours")


def another_person(op: Provider) -> None:
    op.more["sub"] = "somebody else"


BASIC: dict[str, tuple[Change, bool]] = {
    "oidcc-client-test": (nothing, True),
    "oidcc-client-test-invalid-iss": (claims(iss="https://other.example"), False),
    "oidcc-client-test-missing-sub": (claims(sub=MISSING), False),
    "oidcc-client-test-invalid-aud": (claims(aud="another client"), False),
    "oidcc-client-test-missing-iat": (claims(iat=MISSING), False),
    "oidcc-client-test-kid-absent-single-jwks": (without_kid, True),
    "oidcc-client-test-kid-absent-multiple-jwks": (without_kid_among_two, False),
    "oidcc-client-test-idtoken-sig-rs256": (nothing, True),
    "oidcc-client-test-invalid-sig-rs256": (another_key, False),
    "oidcc-client-test-userinfo-invalid-sub": (another_person, False),
    "oidcc-client-test-nonce-invalid": (claims(nonce="another"), False),
}


@pytest.mark.parametrize("module", BASIC)
async def test_basic(one: House, module: str) -> None:
    change, taken = BASIC[module]
    change(one.op1)
    ada = one.browser()
    done = await one.sign_in(ada)
    assert done.status_code == (303 if taken else 424)
    assert (await one.who(ada) is not None) is taken


@pytest.mark.parametrize("plan", ["basic", "config"])
async def test_idtoken_sig_none(one: House, plan: str) -> None:
    """Either may be done with it; ours is refused, in both plans."""
    ada = one.browser()
    url = await one.begin(ada)
    brought = one.op1.agree(url)
    body = one.op1.id_token(nonce=query(url)["nonce"]).split(".")[1]
    token = f'"eyJhbGciOiJub25lIn0.{body}."'.encode()
    one.op1.said["/token"] = Raw(
        b'{"access_token": "x", "token_type": "Bearer", "id_token": ' + token + b"}"
    )
    assert (await one.come_back(ada, brought)).status_code == 424


async def test_scope_userinfo_claims(one: House) -> None:
    ada = one.browser()
    url = await one.begin(ada)
    assert query(url)["scope"].split() == ["openid", "email", "profile"]
    told: dict[str, Any] = {"email": "ada@example.org", "email_verified": True, "given_name": "Ada"}
    await one.come_back(ada, one.op1.agree(url, **told))
    me = await one.who(ada) or {}
    assert (me["email"], me["given_name"]) == ("ada@example.org", "Ada")


async def test_client_secret_basic(one: House) -> None:
    assert (await one.sign_in(one.browser())).status_code == 303
    [call] = one.op1.to("/token")
    assert call.basic == (CLIENT, SECRET)
    assert not {"client_id", "client_secret"} & call.form.keys()


async def test_discovery_openid_config(one: House) -> None:
    one.op1.published["authorization_endpoint"] = f"{one.op1.issuer}/somewhere/else"
    url = await one.begin(one.browser())
    assert url.startswith(f"{one.op1.issuer}/somewhere/else?")
    assert len(one.op1.to("/.well-known/openid-configuration")) == 1
    await one.begin(one.browser())
    assert len(one.op1.to("/.well-known/openid-configuration")) == 1


async def test_discovery_jwks_uri_keys(one: House) -> None:
    one.op1.published["jwks_uri"] = f"{one.op1.issuer}/nowhere"
    assert (await one.sign_in(one.browser())).status_code == 424
    assert len(one.op1.to("/nowhere")) == 1


@pytest.mark.parametrize("said", ["https://other.example", "{issuer}/", "HTTP{rest}", "", None])
async def test_discovery_that_names_another_issuer(one: House, said: str | None) -> None:
    issuer = one.op1.issuer
    told = said.format(issuer=issuer, rest=issuer[4:]) if said else said
    one.op1.published["issuer"] = told
    left = await one.browser().get("/v1/oauth/op1/start")
    assert (left.status_code, left.json()["code"]) == (424, "provider_failed")


async def test_signing_key_rotation_just_before_signing(one: House) -> None:
    ada = one.browser()
    brought = one.op1.agree(await one.begin(ada))
    one.op1.keys = [rsa("second")]
    assert (await one.come_back(ada, brought)).status_code == 303


async def test_signing_key_rotation(one: House) -> None:
    assert (await one.sign_in(one.browser())).status_code == 303
    one.op1.keys = [rsa("second"), rsa("first")]
    assert (await one.sign_in(one.browser())).status_code == 303
    assert len(one.op1.to("/jwks")) == 2
    # Who makes up names of keys does not make us ask again and again.
    for number in range(5):
        one.op1.header["kid"] = f"made up {number}"
        assert (await one.sign_in(one.browser())).status_code == 424
    assert len(one.op1.to("/jwks")) == 2
