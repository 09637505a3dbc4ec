"""Who sends a request, read from its headers before Quart.

It knows whoever the long way would know, or nobody: whatever is odd is left to the long way.
"""

import re
from collections.abc import Iterable
from enum import Enum, auto

from vestibule.accounts import presence
from vestibule.accounts.programs import Program
from vestibule.accounts.queries import SignedIn
from vestibule.extension import Vestibule
from vestibule.kernel.opaque import Purpose
from vestibule.web import arrival, identity

_PORT = re.compile(rb"[1-9][0-9]{0,3}|[1-5][0-9]{4}")  # others are the long way's
_PLAIN = frozenset(range(0x20, 0x7F))
_READ = frozenset({b"host", b"x-forwarded-proto", b"authorization", b"x-api-key", b"cookie"})

Headers = Iterable[tuple[bytes, bytes]]


class _Kind(Enum):
    KEY = auto()
    TOKEN = auto()
    COOKIE = auto()


class Recognition:
    """Recognises by the token or key that came along, and else by the cookie.

    Where pages of other origins may read answers, what they send is left to the long way, too.
    """

    def __init__(self, vestibule: Vestibule) -> None:
        self._means = vestibule.means
        self._cookie = f"{identity.cookie_name(vestibule.settings)}=".encode()
        self._hosts = {name.encode() for name in arrival.own_names(vestibule.settings) if name}
        self._unread = frozenset([b"origin"] if vestibule.settings.allowed_origins else [])
        self._watched = _READ | self._unread

    def of(self, headers: Headers) -> SignedIn | Program | None:
        """Return who is remembered and came to us, over https; None for the long way."""
        match self._credential(headers):
            case (_Kind.KEY, sent):
                return presence.recalled_by_api_key(self._means, sent)
            case (_Kind.TOKEN, token):
                return presence.recalled_by_access_token(self._means, token)
            case (_Kind.COOKIE, secret):
                return presence.recalled_by_session(self._means, secret)
        return None

    async def person(self, headers: Headers) -> SignedIn | None:
        """As `of`, asking the database; None also for programs.

        Raises:
            DatabaseUnavailable: it cannot be asked.
        """
        match self._credential(headers):
            case (_Kind.TOKEN, token):
                return await presence.by_access_token(self._means, token)
            case (_Kind.COOKIE, secret):
                return await presence.by_session(self._means, secret)
        return None

    def _credential(self, headers: Headers) -> tuple[_Kind, str] | None:
        read = self._read(headers)
        return None if read is None else self._first(read)

    def _read(self, headers: Headers) -> dict[bytes, bytes] | None:
        """Return what counts of a request that came to us, over https."""
        read: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in self._watched:
                if name in read or name in self._unread:
                    return None
                read[name] = value
        host, _, port = read.get(b"host", b"").partition(b":")
        if host not in self._hosts or not (_PORT.fullmatch(port) or b":" not in read[b"host"]):
            return None
        if read.get(b"x-forwarded-proto", b"https") != b"https":
            return None
        return read

    def _first(self, read: dict[bytes, bytes]) -> tuple[_Kind, str] | None:
        authorization = read.get(b"authorization")
        if authorization is not None:
            scheme, _, token = authorization.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer":
                return None
            if token.startswith(Purpose.API_KEY):
                return _Kind.KEY, token
            return _Kind.TOKEN, token.strip()
        key = read.get(b"x-api-key")
        if key is not None:
            return _Kind.KEY, key.decode("latin-1")
        return self._in_cookie(read.get(b"cookie", b""))

    def _in_cookie(self, cookies: bytes) -> tuple[_Kind, str] | None:
        if not _PLAIN.issuperset(cookies):
            return None
        for each in cookies.split(b";"):
            pair = each.strip(b" ")
            if pair.partition(b"=")[0].strip(b" ") != self._cookie[:-1]:
                continue
            if not pair.startswith(self._cookie):
                return None  # nobody writes it so; which one counts, the long way decides
            return _Kind.COOKIE, pair[len(self._cookie) :].decode("latin-1")
        return None
