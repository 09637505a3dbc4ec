"""Who one is: `GET /v1/me` before Quart, for who is remembered here; on SQLite, for who is found.

Everybody else goes the long way, to the route of the same path (`web/api/accounts`), and so does
whatever asks for more than the plain answer: API keys, queries, pages of other origins.
"""

import json
from typing import Any
from uuid import UUID
from weakref import ref

from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.extension import Vestibule
from vestibule.web import guard
from vestibule.web.api.models import MeAnswer
from vestibule.web.arrival import ASGI
from vestibule.web.guard import Headers
from vestibule.web.recognition import Recognition
from vestibule.web.seen import KEY, Seen

PATH = "/v1/me"

_MOST = 5_000  # answers that are kept


class Myself:
    """ASGI middleware between the request log and the service."""

    def __init__(self, app: ASGI, vestibule: Vestibule) -> None:
        self._app = app
        self._recognition = Recognition(vestibule)
        self._remembers = not vestibule.means.database.is_sqlite
        self._always = guard.raw_headers(vestibule.settings)
        self._always.append((b"content-type", b"application/json"))
        self._notes_addresses = vestibule.settings.log_addresses
        # By account: what it was made of, the headers, and the body.
        self._made: dict[UUID, tuple[ref[Account], Headers, bytes]] = {}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # Any: as ASGI has them
        known = await self._known(scope)
        if known is None:
            await self._app(scope, receive, send)
            return
        seen: Seen = scope[KEY]
        seen.route, seen.account_id = PATH, known.account.id
        headers, body = self._answer(known.account)
        named = (b"x-request-id", seen.request_id.encode())
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, named]})
        await send({"type": "http.response.body", "body": body})

    async def _known(self, scope: Any) -> SignedIn | None:  # Any: the same
        """Return who asks for no more than the plain answer, and is known without Quart."""
        if (
            scope["type"] != "http"
            or scope["path"] != PATH
            or scope["method"] != "GET"
            or scope["query_string"]
            or self._notes_addresses
        ):
            return None
        if self._remembers:
            known = self._recognition.of(scope["headers"])
            return known if isinstance(known, SignedIn) else None
        try:
            return await self._recognition.person(scope["headers"])
        except Exception:  # noqa: BLE001 - whatever it is, the long way meets it and answers it
            return None

    def _answer(self, account: Account) -> tuple[Headers, bytes]:
        """Return headers and body, made once for an account as it is remembered."""
        made = self._made.get(account.id)
        if made is not None and made[0]() is account:
            return made[1], made[2]
        if len(self._made) >= _MOST:
            self._made.clear()
        told = MeAnswer.of(account).model_dump(mode="json")
        body = f"{json.dumps(told, separators=(',', ':'), sort_keys=True)}\n".encode()  # as Quart
        headers = [*self._always, (b"content-length", str(len(body)).encode())]
        self._made[account.id] = ref(account), headers, body
        return headers, body
