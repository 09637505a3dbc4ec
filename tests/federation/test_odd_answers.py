"""Answers of providers that no encoder or database takes: refused like any other, never a 5xx."""

import json
import time
from base64 import urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any  # Any: JSON

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.federation.conftest import House
from tests.federation.provider import CLIENT, Provider, Raw, rsa
from tests.federation.test_signing_in import VERIFIED
from vestibule.federation import discovery, github, id_tokens, openid
from vestibule.federation.discovery import PublicKey
from vestibule.kernel.errors import ProviderFailed

NUL, HALF, LONG = "a\0b", "\ud800", "x" * 100_000
DEEP: Any = json.loads("[" * 500 + "]" * 500)
AT = "http://127.0.0.1"
NO_URLS = [f"{AT}:99999/x", f"{AT}:0/x", f"{AT}:-1/", f"{AT}/a b", f"{AT}/a\nb", f"{AT}/{NUL}"]
NO_URLS += [f"{AT}/{LONG}", HALF, "http://[::1", "http://a@127.0.0.1/", "ftp://127.0.0.1/", ""]
SHAPES = [NUL, HALF, LONG, "", 7, 2**64, 1e308, True, None, [], ["a"], {}, {"a": NUL}, DEEP]


def failed(answer: httpx.Response) -> bool:
    return answer.status_code == 424 and answer.json()["code"] == "provider_failed"


@pytest.mark.fault("F-25")
@pytest.mark.attack("A-020")
async def test_a_subject_is_printable_ascii_of_at_most_255(house: House) -> None:
    for said in (NUL, HALF, "ü", "a\nb", "a\x7f", "x" * 256):
        house.op1.claims["sub"] = house.op1.more["sub"] = said
        assert failed(await house.sign_in(house.browser(), **VERIFIED)), said
    house.op1.claims["sub"] = house.op1.more["sub"] = "~" * 255
    assert (await house.sign_in(house.browser(), **VERIFIED)).status_code == 303


@pytest.mark.fault("F-25")
@pytest.mark.parametrize("claim", ["nonce", "at_hash", "iss", "aud", "azp", "iat", "exp"])
async def test_a_claim_of_any_shape_is_a_failure_of_the_provider(house: House, claim: str) -> None:
    for said in SHAPES:
        house.op1.claims = {claim: said}
        assert failed(await house.sign_in(house.browser())), (claim, said)


@pytest.mark.fault("F-25")
@pytest.mark.parametrize("name", ["email", "given_name", "family_name", "picture", "hd"])
async def test_what_is_told_in_any_shape_is_left_out(house: House, name: str) -> None:
    for number, said in enumerate([NUL, HALF, LONG, 7, 2**64, ["a"], {"a": NUL}, DEEP]):
        ada = house.browser()
        told = {"email": "ada@example.org"} | {name: said}
        entered = await house.sign_in(ada, f"{name} {number}", name="op2", **told)
        assert entered.status_code == 303, said
        assert ((await house.who(ada)) or {}).get(name) is None


@pytest.mark.fault("F-25")
async def test_a_picture_is_one_that_somebody_could_choose_here(house: House) -> None:
    urls = ["javascript:alert(1)", "https://a@b.test/", "https://a.test/')", 'https://a.test/"x']
    for number, url in enumerate([*urls, "https://", "https://a.test/ü.png?s=1"]):
        for name, field in (("op1", "picture"), ("github", "avatar_url")):
            ada = house.browser()
            told: dict[str, Any] = {field: url, "id": number + 1}
            assert (await house.sign_in(ada, str(number), name, **told)).status_code == 303
            kept = ((await house.who(ada)) or {})["picture"]
            assert kept == (url if url.endswith("s=1") else None), (name, url)


@pytest.mark.fault("F-25")
async def test_somebody_of_github_is_a_number_that_can_be(house: House) -> None:
    numbers: list[object] = [2**63, 10**4000, -1, 0, "7", 7.0, NUL, [], None]
    for number in numbers:
        assert failed(await house.sign_in(house.browser(), "7", "github", id=number)), number
    assert (await house.sign_in(house.browser(), "8", "github", id=2**63 - 1)).status_code == 303


@pytest.mark.fault("F-25")
@pytest.mark.parametrize(
    "name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"]
)
async def test_an_endpoint_that_is_no_url_is_never_asked(house: House, name: str) -> None:
    for url in NO_URLS:
        house.op1.published[name] = url
        assert failed(await house.browser().get("/v1/oauth/op1/start")), url
    assert {each.path for each in house.op1.calls} == {"/.well-known/openid-configuration"}


@pytest.mark.fault("F-25")
async def test_a_header_of_any_shape_is_a_failure(house: House) -> None:
    algorithms: list[object] = [[], {}, None, 7, "none", NUL, HALF]
    for algorithm in algorithms:
        header = urlsafe_b64encode(json.dumps({"alg": algorithm}).encode()).decode()
        body = {"id_token": f"{header}.e30.e30", "nonce": "n"}
        answer = await house.world.client().post("/v1/oauth/op1/id-token", json=body)
        assert failed(answer), algorithm


@pytest.mark.fault("F-25")
async def test_a_token_of_any_shape_is_a_failure(house: House) -> None:
    for name in ("access_token", "token_type", "id_token"):
        for said in SHAPES:
            answer = {"access_token": "t", "token_type": "bearer", "id_token": "a.b.c"}
            house.op1.said["/token"] = Raw(json.dumps(answer | {name: said}).encode())
            assert failed(await house.sign_in(house.browser())), (name, said)


_TEXTS = st.sampled_from(["alg", "kty", "RSA", "EC", "OKP", "P-256", "Ed25519", "AQAB", NUL, HALF])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS | st.text(), inner),
    max_leaves=8,
)
_FIELDS = ("kty", "n", "e", "crv", "x", "y", "kid", "alg", "use", "key_ops", "k", "x5c", "d")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(jwk=_JSON | st.dictionaries(st.sampled_from(_FIELDS), _JSON))
def test_a_key_of_any_shape_is_one_or_none(jwk: object) -> None:
    for known in ({}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256"}, {"kty": "OKP"}):
        whole = {**known, **jwk} if isinstance(jwk, dict) else jwk
        assert isinstance(discovery._read_key(whole), PublicKey | None)


@settings(max_examples=150, deadline=None)
@given(said=_JSON)
def test_whatever_is_signed_is_read_or_refused(said: Any) -> None:
    """Each step that reads what came over the wire raises nothing but the provider's failure."""
    provider = Provider(issuer="https://op.test")
    for claim in ("sub", "nonce", "aud", "azp", "iat", "exp", "nbf"):
        token: dict[str, Any] = {"iss": "https://op.test", "aud": CLIENT, "sub": "1", "nonce": "n"}
        token |= {"iat": int(time.time()), "exp": int(time.time()) + 60, claim: said}
        found = [PublicKey("first", "RS256", rsa("first"))]
        signed = provider.id_token(**token)
        told = id_tokens._signed(signed, "RS256", found)
        assert told is not None
        with suppress(ProviderFailed):
            id_tokens._check(told, provider.issuer, [CLIENT], "n", datetime.now(UTC))
    openid.picture(said)
    with suppress(ProviderFailed):
        github._primary(said)
