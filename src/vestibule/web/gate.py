"""Who is let in, for reverse proxies: `GET /v1/verify` before Quart, for who is remembered here.

Everybody else goes the long way, to the route of the same path (`web/api/verification`): strangers,
whoever has to be looked up, whoever lacks what is asked for, other hosts. So each rule stands once,
and nothing is let in here that would not be let in there.
"""

from typing import Any
from uuid import UUID
from weakref import ref

from vestibule.accounts.models import Account
from vestibule.accounts.programs import Program
from vestibule.accounts.queries import SignedIn
from vestibule.extension import Vestibule
from vestibule.sessions.models import Session
from vestibule.web import guard
from vestibule.web.arrival import ASGI
from vestibule.web.guard import Headers
from vestibule.web.recognition import Recognition
from vestibule.web.seen import Seen

PATH = "/v1/verify"

_MOST = 5_000  # answers that are kept
_ROLE, _PLAIN = b"role=", frozenset(b"&%+;=")
_BODY = {"type": "http.response.body", "body": b""}


def told(known: SignedIn | Program) -> Headers:
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
        self._metrics = vestibule.means.metrics
        self._recognition = Recognition(vestibule)
        self._always = [*guard.raw_headers(vestibule.settings), (b"content-length", b"0")]
        # By session: whom they were made of, and the headers.
        self._made: dict[UUID, tuple[ref[Session], ref[Account], Headers]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # Any: the same
        headers = None
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "GET":
            headers = self._answer(scope["headers"], scope["query_string"])
        if headers is None:
            await self._app(scope, receive, send)
            return
        self._metrics.let_in()
        named = (b"x-request-id", Seen().request_id.encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, named]})
        await send(_BODY)

    def _answer(self, headers: Any, query: bytes) -> Headers | None:
        """Return what to say of who is remembered and may pass; None for the long way."""
        known = self._recognition.of(headers)
        if known is None or (query and not _has_role(known.account, query)):
            return None
        if isinstance(known, SignedIn):
            return self._of_person(known)
        return [*self._always, *told(known)]

    def _of_person(self, known: SignedIn) -> Headers:
        """Return the headers, made once for a session and an account as they are remembered."""
        made = self._made.get(known.session.id)
        if made is not None:
            session, account, headers = made
            if session() is known.session and account() is known.account:
                return headers
        if len(self._made) >= _MOST:
            self._made.clear()
        headers = [*self._always, *told(known)]
        self._made[known.session.id] = ref(known.session), ref(known.account), headers
        return headers


def _has_role(account: Account, query: bytes) -> bool:
    role = query.removeprefix(_ROLE)
    plain = query.startswith(_ROLE) and _PLAIN.isdisjoint(role)
    return plain and role.decode("latin-1") in account.roles
