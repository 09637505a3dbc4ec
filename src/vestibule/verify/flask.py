"""Guards for Flask: views behind which the caller is known."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast  # Any: a view returns what Flask takes

from flask import Response, current_app, json, request

from vestibule.verify.refusals import MEDIA_TYPE, Refused
from vestibule.verify.verifier import Caller, Rule, Verifier

View = TypeVar("View", bound=Callable[..., Any])  # Any: the same

_CALLER = "vestibule.caller"


class Guard:
    """Decorators for views; each stands below the route's own, or it guards nothing.

    A stranger is answered 401, whoever may not do this 403, and both are told why in
    `application/problem+json`.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    @property
    def caller(self) -> Caller:
        """Who sends this request, in a view behind this guard; KeyError in any other."""
        return cast(Caller, request.environ[_CALLER])

    def signed_in(self, view: View) -> Callable[..., Any]:  # Any: the same
        """Let only those in who are signed in."""
        return self.requires()(view)

    def requires(
        self, *roles: str, any_of: tuple[str, ...] = (), verified: bool = False
    ) -> Callable[[View], Callable[..., Any]]:  # Any: the same
        """Let only those in who have each of `roles`, one of `any_of`, and a proved address."""
        rule = Rule(roles, any_of, verified)

        def guarding(view: View) -> Callable[..., Any]:  # Any: the same
            @wraps(view)
            def guarded(*args: Any, **named: Any) -> Any:  # Any: whatever the view takes
                try:
                    asks = self._verifier.admit(request.headers.getlist("Authorization"), rule)
                except Refused as refused:
                    return self._answer(refused)
                request.environ[_CALLER] = asks
                return current_app.ensure_sync(view)(*args, **named)

            return guarded

        return guarding

    def _answer(self, refused: Refused) -> Response:
        return Response(
            json.dumps(refused.problem()),
            refused.status,
            refused.headers(self._verifier.issuer),
            content_type=MEDIA_TYPE,
        )
