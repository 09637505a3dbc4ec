"""When a verifier asks for keys, how it goes on without an answer, and when it stops to."""

import asyncio
import json
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from tests.verify.issuer import Issuer
from vestibule.tokens.keyring import Pair
from vestibule.verify import Caller, KeysUnavailable, TokenRefused, Verifier
from vestibule.verify import keys as publishing


class Time:
    """Seconds that a test may let pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Relying(Verifier):
    """A service that relies on the issuer, and its time."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__(issuer.url)
        self.time = Time()
        self._keys = publishing.Keys(f"{issuer.url}/.well-known/jwks.json", self.time)

    def after(self, seconds: float) -> "Relying":
        self.time.now += seconds
        return self


@pytest.fixture
def relying(issuer: Issuer) -> Relying:
    return Relying(issuer)


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "vestibule.verify")
    return caplog


def unknown() -> Pair:
    key = ECKey.generate_key("P-256")
    return Pair(key.thumbprint(), "ES256", key)


async def test_keys_are_fetched_once_for_all_who_ask_at_the_same_moment(
    issuer: Issuer, relying: Relying
) -> None:
    token = issuer.token(issuer.key())
    issuer.may_answer.clear()
    with ThreadPoolExecutor(10) as threads:
        loop = asyncio.get_running_loop()
        blocking = [loop.run_in_executor(threads, relying.verify, token) for _ in range(10)]
        waiting = [asyncio.create_task(relying.verify_async(token)) for _ in range(10)]
        await asyncio.sleep(0.2)
        issuer.may_answer.set()
        callers = await asyncio.gather(*blocking, *waiting)
    assert len(callers) == 20
    assert all(isinstance(each, Caller) for each in callers)
    assert issuer.asked == 1


async def test_who_gives_up_takes_nobody_elses_fetch_along(
    issuer: Issuer, relying: Relying
) -> None:
    token = issuer.token(issuer.key())
    issuer.may_answer.clear()
    first, second = (asyncio.create_task(relying.verify_async(token)) for _ in range(2))
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.wait([first])
    issuer.may_answer.set()
    assert (await second).roles == {"user"}
    assert issuer.asked == 1


async def test_an_unknown_key_is_asked_for_once_a_minute(issuer: Issuer, relying: Relying) -> None:
    token = issuer.token(issuer.key())
    await relying.verify_async(token)
    for _ in range(5):
        with pytest.raises(TokenRefused):
            await relying.verify_async(issuer.token(unknown()))
    assert issuer.asked == 1, "they had just been fetched"
    relying.after(publishing.REST)
    for _ in range(5):
        with pytest.raises(TokenRefused):
            await relying.verify_async(issuer.token(unknown()))
    assert issuer.asked == 2
    await relying.verify_async(token)


async def test_a_new_key_is_found_when_its_first_token_comes(
    issuer: Issuer, relying: Relying
) -> None:
    await relying.verify_async(issuer.token(issuer.key()))
    new = issuer.key()
    relying.after(publishing.REST)
    assert (await relying.verify_async(issuer.token(new))).roles == {"user"}
    assert relying.verify(issuer.token(new)).roles == {"user"}


async def test_a_retired_key_is_gone_within_five_minutes(issuer: Issuer, relying: Relying) -> None:
    retired = issuer.key()
    token = issuer.token(retired)
    await relying.verify_async(token)
    issuer.keys.clear()
    issuer.key()
    await relying.after(299).verify_async(token)
    with pytest.raises(TokenRefused):
        await relying.after(1).verify_async(token)


async def test_with_the_issuer_away_the_keys_at_hand_serve_for_a_day(
    issuer: Issuer, relying: Relying, told: pytest.LogCaptureFixture
) -> None:
    token = issuer.token(issuer.key())
    await relying.verify_async(token)
    issuer.status = 500
    await relying.after(publishing.FRESH).verify_async(token)
    assert issuer.asked == 2
    await relying.after(publishing.REST - 1).verify_async(token)
    assert issuer.asked == 2
    issuer.may_answer.clear()
    async with asyncio.timeout(1):  # the third is under way, and nobody waits for it
        await relying.after(1).verify_async(token)
    issuer.may_answer.set()
    await relying.after(publishing.KEPT - publishing.FRESH - publishing.REST - 1).verify_async(
        token
    )
    with pytest.raises(KeysUnavailable):
        await relying.after(1).verify_async(token)
    assert "the answer is 500" in told.text
    issuer.status = 200
    await relying.after(KeysUnavailable.retry_after).verify_async(token)


async def test_without_any_keys_nobody_can_know_and_it_asks_again_in_seconds(
    issuer: Issuer, relying: Relying, told: pytest.LogCaptureFixture
) -> None:
    token = issuer.token(issuer.key())
    issuer.status = 503
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await relying.verify_async(token)
        with pytest.raises(KeysUnavailable):
            relying.verify(token)
    assert issuer.asked == 1
    issuer.status = 200
    await relying.after(KeysUnavailable.retry_after).verify_async(token)
    assert issuer.asked == 2


async def test_an_issuer_that_answers_nothing_is_given_up(
    issuer: Issuer,
    relying: Relying,
    told: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publishing, "_WITHIN", 0.2)
    issuer.may_answer.clear()
    async with asyncio.timeout(2):
        with pytest.raises(KeysUnavailable):
            await relying.verify_async(issuer.token(issuer.key()))
    assert "no answer within 0.2 s" in told.text


async def test_without_a_thread_to_fetch_in_nobody_can_know(
    issuer: Issuer, relying: Relying, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token(issuer.key())

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        with pytest.raises(KeysUnavailable):
            await relying.verify_async(token)
    await relying.after(KeysUnavailable.retry_after).verify_async(token)


async def test_an_answer_has_a_size(
    issuer: Issuer, relying: Relying, told: pytest.LogCaptureFixture
) -> None:
    token = issuer.token(issuer.key())
    issuer.answer = json.dumps({"keys": issuer.keys}).encode() + b" " * 70_000
    with pytest.raises(KeysUnavailable):
        await relying.verify_async(token)
    assert "longer than 65536 bytes" in told.text


@pytest.mark.parametrize(
    "answer, headers, status",
    [
        (b"<html>", {}, 200),
        (b"[]", {}, 200),
        (b'{"keys": {}}', {}, 200),
        (b'{"keys": [1]}', {}, 200),
        (b'{"keys": []}', {}, 200),
        (b"[" * 50_000, {}, 200),
        (b"\xff", {}, 200),
        (b"", {"Location": "/elsewhere"}, 302),
        (b"", {"Content-Encoding": "gzip"}, 200),
    ],
    ids=["page", "list", "map", "number", "none", "deep", "bytes", "redirect", "packed"],
)
async def test_what_is_no_set_of_keys_replaces_none(
    issuer: Issuer,
    relying: Relying,
    told: pytest.LogCaptureFixture,
    answer: bytes,
    headers: dict[str, str],
    status: int,
) -> None:
    token = issuer.token(issuer.key())
    await relying.verify_async(token)
    issuer.answer, issuer.headers, issuer.status = answer, headers, status
    await relying.after(publishing.FRESH).verify_async(token)
    assert issuer.asked == 2
    assert "no keys from" in told.text


@pytest.mark.parametrize(
    "algorithm, key",
    [
        ("ES256", ECKey.generate_key("P-256")),
        ("EdDSA", OKPKey.generate_key("Ed25519")),
        ("RS256", RSAKey.generate_key(2048)),
    ],
    ids=["ES256", "EdDSA", "RS256"],
)
@pytest.mark.filterwarnings("ignore:EdDSA")
def test_every_kind_that_may_sign_verifies(
    issuer: Issuer, relying: Relying, algorithm: str, key: ECKey | OKPKey | RSAKey
) -> None:
    token = issuer.token(issuer.key(key, algorithm))
    assert relying.verify(token).amr == ("pwd",)


@pytest.mark.attack("A-012")
async def test_a_published_key_has_one_use_and_one_algorithm(
    issuer: Issuer, relying: Relying
) -> None:
    good = issuer.key()
    secret = OctKey.generate_key(256)
    odd = [
        issuer.key(secret, "HS256", kty="oct", k=secret.as_dict(private=True)["k"]),
        issuer.key(use="enc"),
        issuer.key(crv="P-384"),
        issuer.key(alg="RS256"),
        issuer.key(alg=None),
        issuer.key(alg=["ES256"]),
        issuer.key(x="AAAA"),
        issuer.key(y=1),
    ]
    await relying.verify_async(issuer.token(good))
    for pair in odd:
        with pytest.raises(TokenRefused):
            await relying.verify_async(issuer.token(pair))
