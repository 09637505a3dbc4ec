"""Where a page of a list begins, and where the next one does."""

from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from vestibule.kernel.errors import FieldError, InvalidFields


class _Row(Protocol):
    @property
    def id(self) -> UUID: ...


R = TypeVar("R", bound=_Row)


def cut(found: Sequence[R], limit: int) -> tuple[Sequence[R], str | None]:
    """Return a page of what was found, one more than `limit` at most, and the next one's cursor."""
    shown = found[:limit]
    return shown, str(shown[-1].id) if len(found) > limit else None


def read(text: str | None) -> UUID | None:
    """Return the id that a cursor names.

    Raises:
        InvalidFields: it is none of ours.
    """
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidFields(
            [FieldError("cursor", "cursor", "Send the `next` of a page before.")]
        ) from None
