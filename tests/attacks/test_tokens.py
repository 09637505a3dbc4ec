"""Access tokens that we did not write, or not like this, and refresh tokens in the wrong hands."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any  # Any: JSON

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tests.attacks.looking import House, everything, face
from vestibule.kernel import opaque
from vestibule.tokens import keyring
from vestibule.tokens.keyring import Pair

V = "v@victim.test"
LOGS = ("counters",)
Json = dict[str, Any]


def b64(content: bytes | object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True)
class Captured:
    """A token of the victim's, taken apart, and the key that signs."""

    token: str
    refresh_token: str
    header: Json
    claims: Json
    pair: Pair

    def signed(self, header: Json | None = None, /, **changes: Any) -> str:
        """Sign with the service's own key: nothing but what was changed is wrong."""
        claims = {**self.claims, **changes}
        kept = {name: value for name, value in claims.items() if value is not ...}
        return self.signed_raw(json.dumps(kept).encode(), header)

    def signed_raw(self, payload: bytes, header: Json | None = None) -> str:
        head = b64({**self.header, **(header or {})})
        message = f"{head}.{b64(payload)}"
        # joserfc signs what it encodes: sign a claim set, and take another's place.
        algorithm = self.pair.algorithm
        from joserfc._rfc7518.jws_algs import JWS_ALGORITHMS  # noqa: PLC0415 - to sign any bytes

        model = next(each for each in JWS_ALGORITHMS if each.name == algorithm)
        return f"{message}.{b64(model.sign(message.encode(), self.pair.private))}"


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
    payload, signature = held.token.split(".")[1:]

    def forged() -> Iterator[tuple[str, str]]:
        names: list[Any] = ["none", "None", "NONE", "nOnE", "", None, "none ", "HS256", 0, [], {}]
        for name in names:
            for left in ("", signature):
                yield f"{name} {left[:3]}", f"{b64({**held.header, 'alg': name})}.{payload}.{left}"
        without = {name: value for name, value in held.header.items() if name != "alg"}
        yield "no alg", f"{b64(without)}.{payload}.{signature}"
        yield "dots", ".."
        yield "no signature", f"{held.token.rpartition('.')[0]}."
        yield "two parts", held.token.rpartition(".")[0]
        yield "four parts", f"{held.token}.x"
        protected = held.token.split(".")[0]
        yield (
            "as JSON",
            json.dumps({"payload": payload, "protected": protected, "signature": signature}),
        )

    await refused(world, forged())
    await accepted(world, held.token)


@pytest.mark.attack("A-012")
async def test_our_public_key_is_no_secret_to_sign_with(world: House) -> None:
    held = await capture(world)
    assert isinstance(held.pair.private, ECKey)
    public = held.pair.private.public_key
    [jwk] = [
        key
        for key in (await world.client().get("/.well-known/jwks.json")).json()["keys"]
        if key["kid"] == held.pair.kid
    ]
    secrets = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        json.dumps(jwk).encode(),
        jwk["x"].encode(),
        held.pair.kid.encode(),
    ]

    def forged() -> Iterator[tuple[str, str]]:
        for secret in {*secrets, *(each.strip() for each in secrets)}:
            for alg, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
                message = f"{b64({**held.header, 'alg': alg})}.{b64(held.claims)}"
                mac = hmac.digest(secret, message.encode(), digest)
                yield f"{alg} {secret[:20]!r}", f"{message}.{b64(mac)}"
        for alg, key in (
            ("ES384", ECKey.generate_key("P-384")),
            ("RS256", RSAKey.generate_key(2048)),
            ("PS256", RSAKey.generate_key(2048)),
            ("Ed25519", OKPKey.generate_key("Ed25519")),
            ("ES256", ECKey.generate_key("P-256")),
        ):
            yield alg, jwt.encode({**held.header, "alg": alg}, held.claims, key, algorithms=[alg])

    await refused(world, forged())
    await accepted(world, held.token)


@pytest.mark.attack("A-013")
async def test_a_token_brings_no_key_along(world: House) -> None:
    held = await capture(world)
    own = ECKey.generate_key("P-256")
    public = own.as_dict(private=False)
    evil = "https://evil.test/keys"

    def forged() -> Iterator[tuple[str, str]]:
        for more in (
            {"jwk": public},
            {"jku": evil},
            {"x5u": evil},
            {"x5c": ["MIIB"]},
            {"kid": evil},
            {"kid": own.thumbprint(), "jwk": public},
        ):
            header = {**held.header, **more}
            yield str(more)[:40], jwt.encode(header, held.claims, own, algorithms=["ES256"])
            if "kid" not in more:  # also signed by us: what we do not write, we do not read
                yield f"ours {more}"[:40], held.signed(more)

    await refused(world, forged())
    await accepted(world, held.token)


@pytest.mark.attack("A-075")
async def test_a_token_that_demands_what_we_do_not_know_is_nobodys(world: House) -> None:
    held = await capture(world)

    def forged() -> Iterator[tuple[str, str]]:
        demands: list[Json] = [
            {"crit": ["x"], "x": 1},
            {"crit": ["b64"], "b64": False},
            {"crit": []},
            {"crit": "exp"},
            {"crit": ["x"]},
            {"crit": ["exp"], "exp": 1},
            {"zip": "DEF"},
            {"b64": False},
            {"cty": "JWT"},
        ]
        for more in demands:
            yield str(more), held.signed(more)

    await refused(world, forged())
    await accepted(world, held.signed())


@pytest.mark.attack("A-076")
async def test_every_claim_must_be_as_we_write_it(world: House) -> None:
    held = await capture(world)
    now, issuer = int(time.time()), held.claims["iss"]

    others: list[Any] = [
        *(issuer[:-1], issuer + "/", issuer + ".evil.test", issuer.upper(), "", None, ...),
        *([issuer, "https://evil.test"], ["https://evil.test"], []),
    ]
    nobodies: list[Any] = [1, [], "", None, ..., "x", "018f3a9e-7d44-7000-8000-000000000000", {}]
    wrong: dict[str, list[Any]] = {
        "iss": others,
        "aud": others,
        "exp": ["9999999999", -1, True, None, ..., 0, now - 31, 1e400, [], 10**30, 1.5],
        "iat": [now + 3600, "0", None, ..., True, []],
        "nbf": [now + 3600, "0", None, True],
        "sub": nobodies,
        "sid": nobodies,
    }

    def forged() -> Iterator[tuple[str, str]]:
        for claim, values in wrong.items():
            yield from ((f"{claim} {each}", held.signed(**{claim: each})) for each in values)
        for payload in (b"[]", b'"x"', b"null", b"1", b"{", b"\xff\xfe{}", b""):
            yield f"payload {payload!r}", held.signed_raw(payload)
        for typ in ("JWT", "at+JWT", "", None, 1, "vestibule"):
            yield f"typ {typ}", held.signed({"typ": typ})

    await refused(world, forged())
    await accepted(world, held.signed())
    await accepted(world, held.signed(exp=now - 5))


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

    def forged() -> Iterator[tuple[str, str]]:
        ids: list[Any] = [
            "../../etc/passwd",
            "'; DROP TABLE signing_keys; --",
            "x" * 10_000,
            "x\0y",
            "\ud800",
            [held.pair.kid],
            {},
            None,
            1,
            "",
            held.pair.kid.lower(),
            held.pair.kid + " ",
            "unknown",
        ]
        for kid in ids:
            yield f"kid {kid!r}"[:40], held.signed({"kid": kid})

    await refused(world, forged())
    await accepted(world, held.token)


@pytest.mark.attack("A-078")
async def test_no_token_is_a_bomb(world: House) -> None:
    held = await capture(world)
    await world.client().get("/v1/me", headers={"Authorization": "Bearer x"})  # warm
    began = time.process_time()
    tried = 0

    def forged() -> Iterator[tuple[str, str]]:
        nonlocal tried
        deep = b"[" * 5000 + b"]" * 5000
        for what, token in (
            ("long", "a" * 10_000),
            ("longer", "a" * 1_000_000),
            ("dots", "." * 10_000),
            ("deep header", f"{b64(deep)[:7000]}.x.y"),
            ("deep payload", held.signed_raw(b"[" * 2000 + b"]" * 2000)),
            ("a JWE", f"{b64({'alg': 'PBES2-HS256+A128KW', 'p2c': 10**9})}.a.b.c.d"),
            ("long numbers", held.signed_raw(b'{"exp":' + b"9" * 4000 + b"}")),
        ):
            tried += 1
            yield what, token

    await refused(world, forged())
    assert (time.process_time() - began) / tried < 0.1, "of which most is asking like anybody else"
    await accepted(world, held.token)


async def test_no_token_is_longer_than_we_read(world: House) -> None:
    held = await capture(world)
    await accepted(world, held.signed(more="a" * 5_000))
    await refused(world, iter([("longer", held.signed(more="a" * 8_192))]))


async def test_every_bit_of_a_token_counts(world: House) -> None:
    held = await capture(world)
    head, payload, signature = held.token.split(".")

    def forged() -> Iterator[tuple[str, str]]:
        for part in range(3):
            whole = [head, payload, signature]
            for place in range(0, len(whole[part]) - 1, 5):
                old = whole[part][place]
                new = "A" if old != "A" else "B"
                changed = whole.copy()
                changed[part] = whole[part][:place] + new + whole[part][place + 1 :]
                yield f"{part} {place}", ".".join(changed)

    await refused(world, forged())
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
        f"vref_{coded[:24]}AB{coded[26:]}",  # another generation
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
