"""Requests that nobody's program would write: valid ones, bent at random, byte by byte."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.document import Promised
from tests.world import PASSWORD

_PATIENCE = 0.3  # seconds until a bent request that nobody answers counts as half sent
_LAST = 0.25  # seconds after which one gives up on what was half sent
_MOST = 20.0  # seconds in which every whole request must be answered
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI"]
_RIGHT = [
    *("POST /v1/accounts", "POST /v1/accounts/verification", "POST /v1/login", "POST /v1/logout"),
    *(
        "POST /v1/accounts/verification/letters",
        "GET /v1/me",
        "PATCH /v1/me",
        "GET /v1/me/sessions",
    ),
    *("DELETE /v1/me/sessions/019a0000-0000-7000-8000-000000000000", "POST /verify-email"),
]
_PATHS = [
    *("/v1/accounts", "/v1/accounts/verification", "/v1/accounts/verification/letters"),
    *("/v1/login", "/v1/logout", "/v1/logout-all", "/v1/me", "/v1/me/sessions"),
    "/v1/me/sessions/019a0000-0000-7000-8000-000000000000",
    *("/verify-email", "/verify-email?token=x", "/healthz", "/readyz", "/openapi.json", "/docs"),
    *(
        "/",
        "*",
        "?",
        "?x=/",
        "http://[/v1/me",
        "v1/me",
        "//v1/me",
        "/v1/me/",
        "/v1/%6de",
        "/v1/me?limit=9",
        "/nowhere",
        "/v1/../v1/me",
    ),
    *("/%", "/%ff", "/%00", "/\xe9", "/v1/me%0d%0ax:y", "http://evil.test/v1/me", "/v1/me;x=y"),
    *("/v1/me/sessions?limit=1e9", "/v1/me/sessions?cursor=%ff", "/?" + "a=b&" * 200, "/" * 900),
]
_HEADERS = [
    *("Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Transfer-Encoding : chunked"),
    *("Transfer-Encoding: chunked, chunked", "Transfer-Encoding: \x0bchunked", "TE: trailers"),
    *("Content-Length: 0", "Content-Length: -1", "Content-Length: +5", "Content-Length: 5, 5"),
    *("Content-Length: 5, 6", "Content-Length: 0x10", "Content-Length: 99999999999999999999"),
    *(
        "Connection: close",
        "Connection: upgrade",
        "Connection: keep-alive, x",
        "Expect: 100-continue",
    ),
    *("Upgrade: h2c", "Upgrade: websocket", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"),
    *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    *("Host: evil.test", "Host:", "Host: a, b", "Host: [::1", "Host: \xff", "Origin: null"),
    *("X-HTTP-Method-Override: DELETE", "X-Original-URL: /v1/me", "X-Rewrite-URL: /v1/me"),
    *("Forwarded: for=1;host=evil.test", "X-Forwarded-For: 1, x", "X-Forwarded-Proto: gopher"),
    *("Cookie: __Host-vestibule=\xff", "Cookie: ;;=;", "Cookie: " + "a=b; " * 300),
    *("Authorization: Bearer", "Authorization: Bearer \xff", "Authorization: Basic !!"),
    *("Range: bytes=0-1", "If-None-Match: *", "If-Modified-Since: x", "Accept: \xff"),
    *("Content-Type: text/plain", "Content-Type: application/json; charset=\xff", "Content-Type:"),
    *("Content-Encoding: gzip", "Accept-Encoding: gzip, \xff", "X: " + "y" * 5_000, " folded: x"),
    *(":authority: evil.test", "\x00: x", "no colon here", "Referer: http://[", "User-Agent: \xff"),
]
_BITS = [
    *(b"\r\n", b"\n", b"\r", b"\x00", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b" ", b"\t", b":"),
    *(b"\r\n\r\n", b"%00", b"%0d%0a", b"../", b'"', b"{", b"[" * 3_000, b'{"a":' * 3_000, b"}"),
    *(b"1e309", b"9" * 5_000, b"-0", b"NaN", b"null", b"true", b"\\u0000", b"\\ud800", b"\\"),
    *(b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.0", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"\xf0\x9f\x98\x80"),
    *(
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"5;x=y\r\nhello\r\n",
        b"-1\r\n",
        b"GET / HTTP/1.1\r\n",
    ),
]
_FRAMES = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")


@dataclass
class Found:
    """How the service took it."""

    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    wrong: list[tuple[str, bytes]] = field(default_factory=list)


class Wire:
    """A service that is spoken to in raw bytes."""

    def __init__(self, port: int, *, host: str, cookie: str, promised: Promised) -> None:
        self._port = port
        self._host, self._cookie, self._promised = host, cookie, promised

    async def storm(self, requests: int, *, seed: int, connections: int = 32) -> Found:
        """Send so many, over so many connections at once; the same for the same seed."""
        found = Found()
        waiting = iter([seed * 1_000_000 + number for number in range(requests)])
        await asyncio.gather(*(self._talk(waiting, found) for _ in range(connections)))
        return found

    async def _talk(self, waiting: Iterator[int], found: Found) -> None:
        streams = None
        for number in waiting:
            sent, bent = self.request(Random(number))
            if streams is None:
                streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = streams
            try:
                came, whole = await _exchange(reader, writer, sent, bent=bent)
            except TimeoutError:
                found.wrong.append(("no answer", sent))
                came, whole = b"", False
            self._judge(sent, came, found)
            if not whole:
                writer.close()
                streams = None
        if streams is not None:
            streams[1].close()

    def _judge(self, sent: bytes, came: bytes, found: Found) -> None:
        method, _, rest = sent.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
        answered = list(_answers(came, head=method.upper() == b"HEAD"))
        found.unanswered += not answered
        for number, (status, headers, body) in enumerate(answered):
            found.statuses[status] += 1
            if status in (101, 408, 431) or (status in (400, 501) and not body):
                continue  # the server's own, before the request is one
            # What comes second answers a request that a cut made: which, nobody knows.
            asked = method.decode("latin-1").upper() if number == 0 else "?"
            if asked == "?" and status < 400:
                continue
            if wrong := self._promised.judge(asked, path, status, headers, body):
                found.wrong.append((wrong, sent))

    def request(self, random: Random) -> tuple[bytes, bool]:
        """Return a request, and whether it was bent anywhere."""
        made = self._plain(random)
        bends: list[Callable[[Random, bytes], bytes]] = [
            *(_cut, _flip, _remove, _repeat, _insert, _insert, _chunk, _second, _frames),
        ]
        times = random.choice([0, 0, 0, 1, 1, 1, 2, 4])
        for _ in range(times):
            made = random.choice(bends)(random, made)
        return made or b"\r\n\r\n", times > 0

    def _plain(self, random: Random) -> bytes:
        body = b"" if random.random() < 0.3 else _body(random)
        asked = random.choice(_RIGHT)
        if random.random() < 0.4:
            asked = f"{random.choice(_METHODS)} {random.choice(_PATHS)}"
        headers = [f"Host: {self._host}", f"Origin: https://{self._host}"]
        if random.random() < 0.5:
            headers.append(f"Cookie: {self._cookie}")
        if body:
            headers += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        for _ in range(random.choice([0, 0, 0, 0, 1, 1, 3])):
            headers.insert(random.randrange(len(headers) + 1), random.choice(_HEADERS))
        head = "\r\n".join([f"{asked} HTTP/1.1", *headers])
        return head.encode("latin-1") + b"\r\n\r\n" + body


def _body(random: Random) -> bytes:
    values = ["ada", PASSWORD, f"{random.random()}@victim.test", "vlnk_" + "A" * 43, "2345-6789"]
    odd: list[object] = [
        None,
        True,
        0,
        -1,
        2**70,
        1.5,
        [],
        {},
        ["a"],
        "",
        "\x7f",
        "\u202e",
        "a" * 500,
    ]
    names = ["email", "password", "identifier", "username", "sign_up", "code", "token", "remember"]
    names += ["given_name", "picture", "profile", "one_too_many"]
    written = {
        name: random.choice(values if random.random() < 0.8 else odd)
        for name in random.sample(names, random.choice([0, 1, 2, 2, 3]))
    }
    if random.random() < 0.3:
        written = {"identifier": "ada", "password": random.choice(values)}
    return json.dumps(written, ensure_ascii=random.random() < 0.5).encode()


def _cut(random: Random, made: bytes) -> bytes:
    return made[: random.randrange(len(made) + 1)]


def _flip(random: Random, made: bytes) -> bytes:
    bent = bytearray(made)
    for _ in range(random.choice([1, 1, 3, 20])):
        if bent:
            bent[random.randrange(len(bent))] ^= 1 << random.randrange(8)
    return bytes(bent)


def _remove(random: Random, made: bytes) -> bytes:
    start = random.randrange(len(made) + 1)
    return made[:start] + made[start + random.choice([1, 2, 10, 100]) :]


def _repeat(random: Random, made: bytes) -> bytes:
    start = random.randrange(len(made) + 1)
    return made[:start] + made[start : start + random.choice([5, 50, 500])] * 2 + made[start:]


def _insert(random: Random, made: bytes) -> bytes:
    start = random.randrange(len(made) + 1)
    return made[:start] + random.choice([*_BITS, random.randbytes(20)]) + made[start:]


def _chunk(random: Random, made: bytes) -> bytes:
    head, blank, body = made.partition(b"\r\n\r\n")
    size = random.choice([b"%x" % len(body), b"%x" % (len(body) + 1), b"0", b"", b"g", b"f" * 20])
    end = random.choice([b"\r\n0\r\n\r\n", b"\r\n0\r\nX: y\r\n\r\n", b"\n0\n\n", b""])
    coded = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    return coded + blank + size + random.choice([b"\r\n", b"\n", b";x\r\n"]) + body + end


def _second(random: Random, made: bytes) -> bytes:
    return made + random.choice([made, b"GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01"])


def _frames(random: Random, made: bytes) -> bytes:
    return made if random.random() < 0.8 else _FRAMES + random.randbytes(60)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes, *, bent: bool
) -> tuple[bytes, bool]:
    """Return what came, and whether the connection is good for another request.

    Raises:
        TimeoutError: nothing, though there was nothing to wait for.
    """
    came = b""
    patience = _PATIENCE if bent or b": upgrade" in sent or b"Expect" in sent else _MOST
    try:
        writer.write(sent)
        while not _is_whole(came, sent):
            try:
                async with asyncio.timeout(patience):
                    more = await reader.read(65_536)
            except TimeoutError:
                if patience == _MOST:
                    raise
                if patience == _LAST:
                    break
                patience = _LAST
                writer.write_eof()
                continue
            if not more:
                return came, False
            came += more
    except (ConnectionError, RuntimeError):  # it let go of us while we were writing
        return came, False
    # What was left over of a bent request must not meet the next one.
    return came, not bent and came[9:12] in (b"200", b"202", b"204", b"401", b"404", b"422")


def _is_whole(came: bytes, sent: bytes) -> bool:
    found = _HEAD.match(came)
    if found is None:
        return False
    length = re.search(rb"(?i)content-length: (\d+)", found[2])
    if sent[:4].upper() == b"HEAD" or int(found[1]) in (101, 204):
        return True
    return length is not None and len(came) >= found.end() + int(length[1])


def _answers(came: bytes, *, head: bool) -> Iterator[tuple[int, dict[str, str], bytes]]:
    while found := _HEAD.match(came):
        lines = [line.partition(":") for line in found[2].decode("latin-1").split("\r\n")[:-1]]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        status = int(found[1])
        silent = head or status in (101, 204)
        end = found.end() + (0 if silent else int(headers.get("content-length", 0)))
        if end > len(came):
            return  # cut off, because we had not been listened to until the end
        head = False  # of the first one only: what a cut made of the rest, nobody knows
        if status != 100:
            yield status, headers, came[found.end() : end]
        came = came[end:]
