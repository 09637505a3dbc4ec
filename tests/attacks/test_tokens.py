"""Access tokens that we did not write, or not like this, and refresh tokens in the wrong hands."""

import time
from collections.abc import Iterator

import pytest
from joserfc import jwt

from tests.attacks import forging
from tests.attacks.forging import Captured
from tests.attacks.looking import House, everything, face
from vestibule.kernel import opaque
from vestibule.tokens import keyring

V = "v@victim.test"
LOGS = ("counters",)


async def capture(world: House) -> Captured:
    await world.member(V)
    said = (await world.client().log_in(V, deliver="tokens")).json()
    pair = await world.vestibule.run(keyring.signing, reading=True)
    opened = jwt.decode(said["access_token"], pair.private, algorithms=["ES256"])
    return Captured(
        said["access_token"], said["refresh_token"], opened.header, dict(opened.claims), pair
    )


async def refused(world: House, tokens: Iterator[tuple[str, str | bytes]]) -> None:
    """Each token is nobody's, in the same words, and nothing is written."""
    client = world.client()
    nobody = face(await client.get("/v1/me"))
    before = await everything(world, but=LOGS)
    tried = 0
    for what, token in tokens:
        raw = token if isinstance(token, bytes) else token.encode("latin-1", "replace")
        answer = await client.get("/v1/me", headers=[(b"Authorization", b"Bearer " + raw)])
        assert face(answer) == nobody, what
        tried += 1
    assert tried
    assert await everything(world, but=LOGS) == before


async def accepted(world: House, token: str) -> None:
    answer = await world.client().get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.json()["email"] == V


@pytest.mark.attack("A-011")
async def test_a_token_without_a_signature_is_nobodys(world: House) -> None:
    held = await capture(world)
    await refused(world, forging.unsigned(held))
    await accepted(world, held.token)


@pytest.mark.attack("A-012")
async def test_our_public_key_is_no_secret_to_sign_with(world: House) -> None:
    held = await capture(world)
    [jwk] = [
        key
        for key in (await world.client().get("/.well-known/jwks.json")).json()["keys"]
        if key["kid"] == held.pair.kid
    ]
    await refused(world, forging.with_our_public_key(held, jwk))
    await accepted(world, held.token)


@pytest.mark.attack("A-013")
async def test_a_token_brings_no_key_along(world: House) -> None:
    held = await capture(world)
    await refused(world, forging.bringing_keys(held))
    await accepted(world, held.token)


@pytest.mark.attack("A-075")
async def test_a_token_that_demands_what_we_do_not_know_is_nobodys(world: House) -> None:
    held = await capture(world)
    await refused(world, forging.demanding(held))
    await accepted(world, held.signed())


@pytest.mark.attack("A-076")
async def test_every_claim_must_be_as_we_write_it(world: House) -> None:
    held = await capture(world)
    await refused(world, forging.with_wrong_claims(held))
    nobody = "018f3a9e-7d44-7000-8000-000000000000"
    await refused(world, iter([(each, held.signed(**{each: nobody})) for each in ("sub", "sid")]))
    await accepted(world, held.signed())
    await accepted(world, held.signed(exp=int(time.time()) - 5))


@pytest.mark.attack("A-076")
async def test_clocks_may_differ_by_half_a_minute_and_no_more(world: House) -> None:
    held = await capture(world)
    now = int(time.time())
    await accepted(world, held.signed(iat=now + 25, nbf=now + 25))
    await refused(
        world,
        iter(
            [
                ("issued later", held.signed(iat=now + 40)),
                ("not yet", held.signed(nbf=now + 40)),
                ("over", held.signed(exp=now - 31)),
            ]
        ),
    )


@pytest.mark.attack("A-077")
async def test_a_key_id_is_looked_up_and_nothing_else(world: House) -> None:
    held = await capture(world)
    await refused(world, forging.with_odd_key_ids(held))
    await accepted(world, held.token)


@pytest.mark.attack("A-078")
async def test_no_token_is_a_bomb(world: House) -> None:
    held = await capture(world)
    bombs = list(forging.bombs(held))
    await world.client().get("/v1/me", headers={"Authorization": "Bearer x"})  # warm
    began = time.process_time()
    await refused(world, iter(bombs))
    took = time.process_time() - began
    assert took / len(bombs) < 0.1, "of which most is asking like anybody else"
    await accepted(world, held.token)


async def test_no_token_is_longer_than_we_read(world: House) -> None:
    held = await capture(world)
    await accepted(world, held.signed(more="a" * 5_000))
    await refused(world, iter([("longer", held.signed(more="a" * 8_192))]))


async def test_every_bit_of_a_token_counts(world: House) -> None:
    held = await capture(world)
    await refused(world, forging.changed(held))
    await accepted(world, held.token)


async def test_a_malleable_spelling_of_an_ended_sessions_token_is_nobodys(world: House) -> None:
    held = await capture(world)
    client = world.client()
    ended = await client.post("/v1/logout", headers={"Authorization": f"Bearer {held.token}"})
    assert ended.status_code == 204
    await refused(
        world,
        iter(
            [
                ("as it was", held.token),
                ("padded", held.token + "="),
                ("signed again", held.signed()),
                ("another id", held.signed(jti="x")),
            ]
        ),
    )


async def test_only_our_own_refresh_tokens_refresh(world: House) -> None:
    held = await capture(world)
    client = world.client()
    coded = held.refresh_token.removeprefix("vref_")
    before = await everything(world, but=LOGS)
    for forged in (
        coded,
        f"vses_{coded}",
        held.refresh_token[:-1],
        held.refresh_token + "A",
        held.refresh_token.swapcase(),
        f"vref_{'A' * len(coded)}",
        f"vref_{coded[:21]}AAAAB{coded[26:]}",  # another generation
        f"vref_{coded[:-4]}AAAA",
        opaque.issue(opaque.Purpose.REFRESH)[0],
    ):
        answer = await client.post("/v1/tokens/refresh", json={"refresh_token": forged})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_refused"), forged
    longer = await client.post("/v1/tokens/refresh", json={"refresh_token": held.token})
    assert longer.status_code == 422
    assert await everything(world, but=LOGS) == before, "a forgery ends nothing"
    honest = await client.post("/v1/tokens/refresh", json={"refresh_token": held.refresh_token})
    assert honest.status_code == 200


async def test_a_cookies_session_has_no_tokens(world: House) -> None:
    """A token that names a session of a cookie is nobody's, whoever signed it."""
    held = await capture(world)
    victoria = world.client()
    session = (await victoria.log_in(V)).json()["session"]["id"]
    await refused(world, iter([("cookie's session", held.signed(sid=session))]))


async def test_a_refresh_token_outlives_no_change_of_the_secret(world: House) -> None:
    held = await capture(world)
    world.vestibule.means.seals.__init__(["another" * 8])  # type: ignore[misc]
    answer = await world.client().post(
        "/v1/tokens/refresh", json={"refresh_token": held.refresh_token}
    )
    assert answer.status_code == 401
