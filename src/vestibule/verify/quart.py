"""Guards for Quart: views behind which the caller is known."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast  # Any: a view returns what Quart takes

from quart import Response, current_app, json, request

from vestibule.verify.refusals import MEDIA_TYPE, Refused
from vestibule.verify.verifier import Caller, Rule, Verifier

View = TypeVar("View", bound=Callable[..., Any])  # Any: the same
Guarded = Callable[..., Awaitable[Any]]  # Any: the same

_CALLER = "vestibule.caller"


class Guard:
    """Decorators for views; each stands below the route's own, or it guards nothing.

    A stranger is answered 401, whoever may not do this 403, and both are told why in
    `application/problem+json`. An app that has a Vestibule in it has decorators that know more.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    @property
    def caller(self) -> Caller:
        """Who sends this request, in a view behind this guard; KeyError in any other."""
        return cast(Caller, request.scope[_CALLER])  # type: ignore[literal-required]

    def signed_in(self, view: View) -> Guarded:
        """Let only those in who are signed in."""
        return self.requires()(view)

    def requires(
        self, *roles: str, any_of: tuple[str, ...] = (), verified: bool = False
    ) -> Callable[[View], Guarded]:
        """Let only those in who have each of `roles`, one of `any_of`, and a proved address."""
        rule = Rule(roles, any_of, verified)

        def guarding(view: View) -> Guarded:
            @wraps(view)
            async def guarded(*args: Any, **named: Any) -> Any:  # Any: whatever the view takes
                said = request.headers.getlist("Authorization")
                try:
                    asks = await self._verifier.admit_async(said, rule)
                except Refused as refused:
                    return self._answer(refused)
                request.scope[_CALLER] = asks  # type: ignore[literal-required]
                return await current_app.ensure_async(view)(*args, **named)

            return guarded

        return guarding

    def _answer(self, refused: Refused) -> Response:
        return Response(
            json.dumps(refused.problem()),
            refused.status,
            refused.headers(self._verifier.issuer),
            content_type=MEDIA_TYPE,
        )
