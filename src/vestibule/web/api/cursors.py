"""Where a page of a list begins."""

from uuid import UUID

from vestibule.kernel.errors import FieldError, InvalidFields


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
