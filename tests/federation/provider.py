"""A provider that does what a test tells it, on loopback: OpenID and GitHub's API in one."""

import asyncio
import json
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Any  # Any: JSON
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey

CLIENT, SECRET = "our client", "a%b:c d+"
MISSING = object()  # in place of a claim: take it out


@cache  # made once: it takes longer than most tests
def rsa(kid: str, *, whose: str = "theirs") -> Key:
    return RSAKey.generate_key(2048, {"kid": kid})


@dataclass(frozen=True)
class Call:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str]

    @property
    def basic(self) -> tuple[str, str] | None:
        """Client id and secret of a header, as RFC 6749 has them."""
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        if scheme != "Basic":
            return None
        name, _, secret = b64decode(rest).decode().partition(":")
        return unquote_plus(name), unquote_plus(secret)


@dataclass(frozen=True)
class Raw:
    """An answer as it is sent."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Provider:
    """`claims`, `header` and `more` change ID token and userinfo; `said` answers a path instead."""

    issuer: str = ""
    keys: list[Key] = field(default_factory=lambda: [rsa("first")])
    signs_with: Key | None = None  # other than the first that it publishes
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    said: dict[str, Raw] = field(default_factory=dict)
    enforces_pkce: bool = True
    tells_issuer: bool = True
    calls: list[Call] = field(default_factory=list)
    agreed: dict[str, dict[str, Any]] = field(default_factory=dict)
    holding: asyncio.Event | None = None
    dawdles: float = 0  # seconds before each answer

    def agree(self, url: str, subject: str = "1000", **claims: Any) -> dict[str, str]:
        """Sign somebody in at the URL that a browser was sent to; return what it brings back."""
        asked = dict(parse_qsl(urlsplit(url).query))
        code = f"code {len(self.agreed)}"
        self.agreed[code] = asked | {"subject": subject, "claims": claims}
        brought = {"code": code, "state": asked["state"]}
        return brought | ({"iss": self.issuer} if self.tells_issuer else {})

    def to(self, path: str) -> list[Call]:
        return [each for each in self.calls if each.path == path]

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks",
            "authorization_response_iss_parameter_supported": self.tells_issuer,
        } | self.published

    def id_token(self, *, nonce: str | None, subject: str = "1000", **claims: Any) -> str:
        """Sign an ID token, with what the test changes in it."""
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 300}
        said |= {"nonce": nonce} | claims | self.claims
        said = {name: value for name, value in said.items() if value is not MISSING}
        key = self.signs_with or self.keys[0]
        header = {"typ": "JWT", "alg": self.algorithm, "kid": key.kid} | self.header
        header = {name: value for name, value in header.items() if value is not MISSING}
        claims_set = json.dumps(said).encode()  # escaped, so that any text can be written
        return str(jws.serialize_compact(header, claims_set, key, algorithms=[self.algorithm]))

    def answer(self, call: Call) -> Raw:
        if call.path in self.said:
            return self.said[call.path]
        match call.path:
            case "/.well-known/openid-configuration":
                return _json(self.metadata())
            case "/jwks":
                return _json({"keys": [_public(each) for each in self.keys]})
            case "/token" | "/login/oauth/access_token":
                return self._token(call)
            case "/userinfo" | "/user" | "/user/emails":
                return self._told(call)
        return Raw(b"nothing here", 404)

    def _token(self, call: Call) -> Raw:
        asked = self.agreed.pop(call.form["code"], None)  # once
        if asked is None or call.form["redirect_uri"] != asked["redirect_uri"]:
            return _json({"error": "invalid_grant"}, 400)
        if self.enforces_pkce:
            proof = urlsafe_b64encode(sha256(call.form["code_verifier"].encode()).digest())
            if proof.rstrip(b"=").decode() != asked["code_challenge"]:
                return _json({"error": "invalid_grant"}, 400)
        token = f"token-of-{asked['subject']}"
        self._people[token] = {"sub": asked["subject"]} | asked["claims"]
        answer = {"access_token": token, "token_type": "bearer", "expires_in": 60}
        if call.path == "/token":
            made = self.id_token(nonce=asked.get("nonce"), subject=asked["subject"])
            answer["id_token"] = made
        return _json(answer)

    def _told(self, call: Call) -> Raw:
        told = self._people.get(call.headers.get("authorization", "").partition(" ")[2])
        if told is None:
            return _json({"error": "invalid_token"}, 401)
        told = told | self.more
        if call.path == "/user/emails":
            return _json(told.get("emails", []))
        return _json({name: value for name, value in told.items() if value is not MISSING})

    def __post_init__(self) -> None:
        self._people: dict[str, dict[str, Any]] = {}

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            call = await _read(reader)
            self.calls.append(call)
            if self.holding is not None:
                await self.holding.wait()
            await asyncio.sleep(self.dawdles)
            raw = self.answer(call)
            said = {"content-type": "application/json", "content-length": str(len(raw.body))}
            lines = "".join(
                f"{name}: {value}\r\n" for name, value in {**said, **raw.headers}.items()
            )
            writer.write(f"HTTP/1.1 {raw.status} Said\r\n{lines}\r\n".encode() + raw.body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def providing(**given: Any) -> AsyncIterator[Provider]:
    """A provider on a port of its own."""
    made = Provider(**given)
    server = await asyncio.start_server(made.converse, "127.0.0.1", 0)
    made.issuer = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield made


def elliptic(kid: str) -> Key:
    return ECKey.generate_key("P-256", {"kid": kid})


def _public(key: Key) -> dict[str, Any]:
    return dict(key.as_dict(private=False)) | {"use": "sig"}


def _json(content: object, status: int = 200) -> Raw:
    return Raw(json.dumps(content).encode(), status)


def query(url: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}


def with_query(path: str, **said: str) -> str:
    return f"{path}?{urlencode(said)}"


async def _read(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().strip()
    request, *lines = head.split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = request.split()
    return Call(method, path, headers, dict(parse_qsl(body.decode(), keep_blank_values=True)))
