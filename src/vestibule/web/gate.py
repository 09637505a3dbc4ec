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
from vestibule.web import arrival, identity
from vestibule.web.arrival import ASGI

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
        self._hosts = {name.encode() for name in arrival.own_names(vestibule.settings) if name}
        # By session: whom it was made of, and the answer.
        self._answers: dict[UUID, tuple[SignedIn, dict[str, Any]]] = {}  # Any: as ASGI has it

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # Any: the same
        answer = None
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "GET":
            answer = self._answer(scope["headers"], scope["query_string"])
        if answer is None:
            await self._app(scope, receive, send)
            return
        self._means.metrics.let_in()
        await send(answer)
        await send(_BODY)

    def _answer(self, headers: Any, query: bytes) -> dict[str, Any] | None:
        """Return the answer for who is remembered and may pass; None for the long way."""
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
        return self._made(known) if isinstance(known, SignedIn) else _answer(known)

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

    def _made(self, known: SignedIn) -> dict[str, Any]:
        """Return the answer, made once for a session and an account as they are remembered."""
        made = self._answers.get(known.session.id)
        if made is not None:
            former, answer = made
            if former.session is known.session and former.account is known.account:
                return answer
        if len(self._answers) >= _MOST:
            self._answers.clear()
        answer = _answer(known)
        self._answers[known.session.id] = known, answer
        return answer


def _answer(known: SignedIn | Program) -> dict[str, Any]:  # Any: as ASGI has it
    headers = [(b"cache-control", b"no-store"), (b"content-length", b"0"), *told(known)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _has_role(account: Account, query: bytes) -> bool:
    role = query.removeprefix(_ROLE)
    plain = query.startswith(_ROLE) and _PLAIN.isdisjoint(role)
    return plain and role.decode("latin-1") in account.roles
