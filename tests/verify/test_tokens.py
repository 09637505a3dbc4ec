"""The forgeries that the service meets, sent to who verifies by themselves."""

import time
from collections.abc import Iterator

import pytest

from tests.attacks import forging
from tests.attacks.forging import Captured
from tests.verify.issuer import Issuer
from vestibule.verify import TokenMissing, TokenRefused, Verifier
from vestibule.verify.verifier import Rule

ANYBODY = Rule()


@pytest.fixture
def held(issuer: Issuer) -> Captured:
    return issuer.capture(issuer.key())


@pytest.fixture
def relying(issuer: Issuer, held: Captured) -> Verifier:
    made = Verifier(issuer.url)
    assert str(made.verify(held.token).account_id) == held.claims["sub"]
    return made


def refused(relying: Verifier, tokens: Iterator[tuple[str, str]]) -> None:
    tried = 0
    for _what, token in tokens:
        tried += 1
        with pytest.raises(TokenRefused):
            relying.verify(token)
    assert tried


@pytest.mark.attack("A-011")
def test_a_token_without_a_signature_is_nobodys(relying: Verifier, held: Captured) -> None:
    refused(relying, forging.unsigned(held))


@pytest.mark.attack("A-012")
def test_a_public_key_is_no_secret_to_sign_with(
    relying: Verifier, held: Captured, issuer: Issuer
) -> None:
    refused(relying, forging.with_our_public_key(held, issuer.keys[0]))


@pytest.mark.attack("A-013")
def test_a_token_brings_no_key_along(relying: Verifier, held: Captured, issuer: Issuer) -> None:
    refused(relying, forging.bringing_keys(held))
    assert issuer.asked == 1


@pytest.mark.attack("A-075")
def test_a_token_that_demands_what_nobody_knows_is_nobodys(
    relying: Verifier, held: Captured
) -> None:
    refused(relying, forging.demanding(held))


@pytest.mark.attack("A-076")
def test_every_claim_must_be_as_the_service_writes_it(relying: Verifier, held: Captured) -> None:
    refused(relying, forging.with_wrong_claims(held))
    wrong: dict[str, list[object]] = {
        "roles": [None, ..., "admin", [1], {"admin": 1}],
        "email_verified": [None, ..., 1, "true"],
        "amr": [None, ..., "pwd", [None]],
        "auth_time": [None, ..., True, "0", 10**30],
    }
    refused(
        relying,
        (
            (f"{claim} {value}", held.signed(**{claim: value}))
            for claim, values in wrong.items()
            for value in values
        ),
    )
    relying.verify(held.signed(exp=int(time.time()) - 5))


@pytest.mark.attack("A-077")
def test_a_key_id_is_looked_up_and_nothing_else(
    relying: Verifier, held: Captured, issuer: Issuer
) -> None:
    refused(relying, forging.with_odd_key_ids(held))
    assert issuer.asked == 1


@pytest.mark.attack("A-078")
def test_no_token_is_a_bomb(relying: Verifier, held: Captured) -> None:
    bombs = list(forging.bombs(held))
    began = time.process_time()
    refused(relying, iter(bombs))
    assert (time.process_time() - began) / len(bombs) < 0.05


def test_every_sign_of_a_token_counts(relying: Verifier, held: Captured) -> None:
    refused(relying, forging.changed(held))


def test_there_is_one_authorization_and_it_is_a_bearers(relying: Verifier, held: Captured) -> None:
    good = f"Bearer {held.token}"
    assert relying.admit([good], ANYBODY) == relying.admit([f"bearer  {held.token} "], ANYBODY)
    for missing in ([], [""], ["Basic eDp5"], [held.token], [f"Bearer{held.token}"]):
        with pytest.raises(TokenMissing):
            relying.admit(missing, ANYBODY)
    for wrong in (["Bearer"], ["Bearer "], [good, good], [f"{good}, {good}"], [f"{good} x"]):
        with pytest.raises(TokenRefused):
            relying.admit(wrong, ANYBODY)


@pytest.mark.parametrize(
    "issuer_name",
    ["", "auth.example.com", "http://auth.example.com", "https://", "ftp://localhost", "http://"],
)
def test_an_issuer_is_reached_by_https_or_on_this_machine(issuer_name: str) -> None:
    with pytest.raises(ValueError, match="not an https URL"):
        Verifier(issuer_name)
    assert Verifier("https://auth.example.com").issuer == "https://auth.example.com"
    assert Verifier("http://localhost:8000").issuer == "http://localhost:8000"


def test_keys_may_be_fetched_by_another_name(issuer: Issuer) -> None:
    pair = issuer.key()
    inside = Verifier("https://auth.test", keys_at=f"{issuer.url}/.well-known/jwks.json")
    named = {"iss": "https://auth.test", "aud": "https://auth.test"}
    assert inside.verify(issuer.token(pair, **named)).roles == {"user"}
    with pytest.raises(TokenRefused):
        inside.verify(issuer.token(pair))
