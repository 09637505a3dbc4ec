"""Access tokens that the service did not write, or not like this: each is nobody's, everywhere."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any  # Any: JSON

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from vestibule.tokens.keyring import Pair

Json = dict[str, Any]
Forged = Iterator[tuple[str, str]]  # what is wrong with it, and the token


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


def unsigned(held: Captured) -> Forged:
    """The signature is gone, or the algorithm says that there is none."""
    payload, signature = held.token.split(".")[1:]
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


def with_our_public_key(held: Captured, jwk: Json) -> Forged:
    """The published key is taken for a password, or another key for ours."""
    assert isinstance(held.pair.private, ECKey)
    public = held.pair.private.public_key
    secrets = [
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        json.dumps(jwk).encode(),
        jwk["x"].encode(),
        held.pair.kid.encode(),
    ]
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


def bringing_keys(held: Captured) -> Forged:
    """A key, or where one is, stands in the token."""
    own = ECKey.generate_key("P-256")
    public = own.as_dict(private=False)
    evil = "https://evil.test/keys"
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


def demanding(held: Captured) -> Forged:
    """The header holds what we neither write nor know, under our own signature."""
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


def with_wrong_claims(held: Captured) -> Forged:
    """One claim is not as we write it, under our own signature."""
    now, issuer = int(time.time()), held.claims["iss"]
    others: list[Any] = [
        *(issuer[:-1], issuer + "/", issuer + ".evil.test", issuer.upper(), "", None, ...),
        *([issuer, "https://evil.test"], ["https://evil.test"], []),
    ]
    nobodies: list[Any] = [1, [], "", None, ..., "x", {}]
    wrong: dict[str, list[Any]] = {
        "iss": others,
        "aud": others,
        "exp": ["9999999999", -1, True, None, ..., 0, now - 31, 1e400, [], 10**30, 1.5],
        "iat": [now + 3600, "0", None, ..., True, []],
        "nbf": [now + 3600, "0", None, True],
        "sub": nobodies,
        "sid": nobodies,
    }
    for claim, values in wrong.items():
        yield from ((f"{claim} {each}", held.signed(**{claim: each})) for each in values)
    for payload in (b"[]", b'"x"', b"null", b"1", b"{", b"\xff\xfe{}", b""):
        yield f"payload {payload!r}", held.signed_raw(payload)
    for typ in ("JWT", "at+JWT", "", None, 1, "vestibule"):
        yield f"typ {typ}", held.signed({"typ": typ})


def with_odd_key_ids(held: Captured) -> Forged:
    """The key id is none."""
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


def changed(held: Captured) -> Forged:
    """One sign is another one."""
    head, payload, signature = held.token.split(".")
    for part in range(3):
        whole = [head, payload, signature]
        for place in range(0, len(whole[part]) - 1, 5):
            old = whole[part][place]
            new = "A" if old != "A" else "B"
            other = whole.copy()
            other[part] = whole[part][:place] + new + whole[part][place + 1 :]
            yield f"{part} {place}", ".".join(other)


def bombs(held: Captured) -> Forged:
    """Reading it would take long."""
    deep = b"[" * 5000 + b"]" * 5000
    yield "long", "a" * 10_000
    yield "longer", "a" * 1_000_000
    yield "dots", "." * 10_000
    yield "deep header", f"{b64(deep)[:7000]}.x.y"
    yield "deep payload", held.signed_raw(b"[" * 2000 + b"]" * 2000)
    yield "a JWE", f"{b64({'alg': 'PBES2-HS256+A128KW', 'p2c': 10**9})}.a.b.c.d"
    yield "long numbers", held.signed_raw(b'{"exp":' + b"9" * 4000 + b"}")
