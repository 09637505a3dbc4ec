"""Guards for Starlette, as middleware, and for FastAPI, as dependencies."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from vestibule.verify.refusals import MEDIA_TYPE, Refused
from vestibule.verify.verifier import Caller, Rule, Verifier


class Guard:
    """What stands before routes. A stranger is answered 401, whoever may not do this 403."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def signed_in(self, request: Request) -> Caller:
        """Return who sends a request: a dependency of FastAPI, and a call in an endpoint.

        Raises:
            HTTPException: nobody whom we know.
        """
        return await self.requires()(request)

    def requires(
        self, *roles: str, any_of: tuple[str, ...] = (), verified: bool = False
    ) -> Callable[[Request], Awaitable[Caller]]:
        """Return a dependency: `signed_in`, for who has each of `roles` and one of `any_of`."""
        rule = Rule(roles, any_of, verified)

        async def caller(request: Request) -> Caller:
            try:
                return await self._verifier.admit_async(_said(request), rule)
            except Refused as refused:
                headers = refused.headers(self._verifier.issuer)
                raise HTTPException(refused.status, refused.detail, headers) from None

        return caller

    def middleware(
        self, *roles: str, any_of: tuple[str, ...] = (), verified: bool = False
    ) -> Middleware:
        """Return what guards a `Route`, a `Mount` or an app; then `request.state.caller` is there.

        It answers in `application/problem+json`, and lets no stranger open a WebSocket either.
        """
        return Middleware(_Gate, self._verifier, Rule(roles, any_of, verified))


class _Gate:
    """ASGI middleware that lets nobody in whom a rule does not."""

    def __init__(self, app: ASGIApp, verifier: Verifier, rule: Rule) -> None:
        self._app = app
        self._verifier = verifier
        self._rule = rule

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            asks = await self._verifier.admit_async(_said(HTTPConnection(scope)), self._rule)
        except Refused as refused:
            await self._refuse(refused, scope, receive, send)
            return
        state = {**scope.get("state", {}), "caller": asks}
        await self._app({**scope, "state": state}, receive, send)

    async def _refuse(self, refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = refused.headers(self._verifier.issuer)
        answer = JSONResponse(refused.problem(), refused.status, headers, MEDIA_TYPE)
        await answer(scope, receive, send)


def _said(request: HTTPConnection) -> list[str]:
    return request.headers.getlist("Authorization")
