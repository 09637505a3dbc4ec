"""What a cell of another system says: yes or no, and when."""

from datetime import UTC, date, datetime

_YES = frozenset({"1", "t", "true", "y", "yes", "on", "active", "enabled", "verified", "confirmed"})
_NO = frozenset(
    {"", "0", "f", "false", "n", "no", "off", "none", "null", "disabled", "inactive", "closing"}
)


def is_yes(value: object) -> bool | None:
    """Read yes or no; None for what is neither."""
    word = "" if value is None else str(value).strip().casefold()
    if word in _YES:
        return True
    return False if word in _NO else None


def is_since(value: object) -> bool | None:
    """As `is_yes`, of what may be a time instead, or seconds: no, where that is before 1970."""
    found = moment(value)
    if found is not None:
        return found.timestamp() > 0  # some write a time before all others for none
    if isinstance(value, str) and value.strip().isdecimal() and value.isascii():
        return value.strip(" 0") != ""
    return is_yes(value)


def moment(value: object) -> datetime | None:
    """Read a time; without a zone it is UTC, and what is none is not known."""
    try:
        match value:
            case datetime():
                found = value
            case date():
                found = datetime(value.year, value.month, value.day, tzinfo=UTC)
            case bool():
                return None
            case int() | float():
                found = datetime.fromtimestamp(value, UTC)
            case str():
                found = datetime.fromisoformat(value.strip())
            case _:
                return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
