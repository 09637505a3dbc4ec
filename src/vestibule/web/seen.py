"""What is known of the request under way: for its answer, its log line, its span, its numbers."""

from dataclasses import dataclass, field
from typing import cast
from uuid import UUID, uuid4

from quart import request

KEY = "vestibule.seen"


@dataclass
class Seen:
    """`route` is the rule, such as `/v1/me/sessions/<session_id>`; None where no route was met."""

    request_id: str = field(default_factory=lambda: uuid4().hex)
    route: str | None = None
    account_id: UUID | None = None
    address: str | None = None


def seen() -> Seen:
    """Return what is known of this request; it travels with the request itself."""
    scope = cast(dict[str, object], request.scope)
    known = scope.get(KEY)
    if not isinstance(known, Seen):
        known = scope[KEY] = Seen()
    return known
