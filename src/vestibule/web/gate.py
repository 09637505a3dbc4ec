"""Who is let in, for reverse proxies: `GET /v1/verify` before Quart, for who is remembered here.

Everybody else goes the long way, to the route of the same path (`web/api/verification`): strangers,
whoever has to be looked up, whoever lacks what is asked for, other hosts. So each rule stands once,
and nothing is let in here that would not be let in there.
"""

from typing import Any
from uuid import UUID

from vestibule.accounts import presence
from vestibule.accounts.models import Account
from vestibule.accounts.programs import Program
from vestibule.accounts.queries import SignedIn
from vestibule.extension import Vestibule
from vestibule.kernel.opaque import Purpose
from vestibule.web import arrival, guard, identity
from vestibule.web.arrival import ASGI
from vestibule.web.seen import Seen

PATH = "/v1/verify"

_MOST = 5_000  # answers that are kept
_READ = frozenset({b"host", b"x-forwarded-proto", b"authorization", b"x-api-key", b"cookie"})
_ROLE, _PLAIN = b"role=", frozenset(b"&%+;=")
_BODY = {"type": "http.response.body", "body": b""}
_Headers = list[tuple[bytes, bytes]]


def told(known: SignedIn | Program) -> _Headers:
    """Return what a proxy hands on, in UTF-8: each header always, empty where there is nothing.

    A proxy that copies only what is there would let a client's own header through. An address that
    is not proved is none: whoever asks for it would believe it.
    """
    account = known.account
    proved = account.email if account.email_verified_at is not None else None
    said = {
        "x-auth-account": str(account.id),
        "x-auth-email": proved or "",
        "x-auth-roles": ",".join(account.roles),
        "x-auth-scopes": " ".join(sorted(known.scopes)) if isinstance(known, Program) else "",
        "x-auth-session": str(known.session.id) if isinstance(known, SignedIn) else "",
    }
    return [(name.encode(), value.encode()) for name, value in said.items()]


class Gate:
    """ASGI middleware around the service."""

    def __init__(self, app: ASGI, vestibule: Vestibule) -> None:
        self._app = app
        self._means = vestibule.means
        self._cookie = f"{identity.cookie_name(vestibule.settings)}=".encode()
        said = {**guard.headers(vestibule.settings), "Content-Length": "0"}
        self._always = [(name.lower().encode(), value.encode()) for name, value in said.items()]
        self._hosts = {name.encode() for name in arrival.own_names(vestibule.settings) if name}
        # By session: whom they were made of, and the headers.
        self._made: dict[UUID, tuple[SignedIn, _Headers]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # Any: the same
        headers = None
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "GET":
            headers = self._answer(scope["headers"], scope["query_string"])
        if headers is None:
            await self._app(scope, receive, send)
            return
        self._means.metrics.let_in()
        named = (b"x-request-id", Seen().request_id.encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, named]})
        await send(_BODY)

    def _answer(self, headers: Any, query: bytes) -> _Headers | None:
        """Return what to say of who is remembered and may pass; None for the long way."""
        read: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in _READ:
                if name in read:
                    return None
                read[name] = value
        if read.get(b"host", b"").partition(b":")[0] not in self._hosts:
            return None
        if read.get(b"x-forwarded-proto", b"https") != b"https":
            return None
        known = self._known(read)
        if known is None or (query and not _has_role(known.account, query)):
            return None
        if isinstance(known, SignedIn):
            return self._of_person(known)
        return [*self._always, *told(known)]

    def _known(self, read: dict[bytes, bytes]) -> SignedIn | Program | None:
        """Return who is remembered: by the token or key that came along, and else by the cookie."""
        authorization = read.get(b"authorization")
        if authorization is not None:
            scheme, _, token = authorization.decode("latin-1").partition(" ")
            if scheme.lower() != "bearer":
                return None
            if token.startswith(Purpose.API_KEY):
                return presence.recalled_by_api_key(self._means, token)
            return presence.recalled_by_access_token(self._means, token.strip())
        key = read.get(b"x-api-key")
        if key is not None:
            return presence.recalled_by_api_key(self._means, key.decode("latin-1"))
        for each in read.get(b"cookie", b"").split(b";"):
            pair = each.strip()
            if pair.startswith(self._cookie):
                secret = pair[len(self._cookie) :].decode("latin-1")
                return presence.recalled_by_session(self._means, secret)
        return None

    def _of_person(self, known: SignedIn) -> _Headers:
        """Return the headers, made once for a session and an account as they are remembered."""
        made = self._made.get(known.session.id)
        if made is not None:
            former, headers = made
            if former.session is known.session and former.account is known.account:
                return headers
        if len(self._made) >= _MOST:
            self._made.clear()
        headers = [*self._always, *told(known)]
        self._made[known.session.id] = known, headers
        return headers


def _has_role(account: Account, query: bytes) -> bool:
    role = query.removeprefix(_ROLE)
    plain = query.startswith(_ROLE) and _PLAIN.isdisjoint(role)
    return plain and role.decode("latin-1") in account.roles
