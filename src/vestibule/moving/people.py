"""One person of another system: read from a row, or what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vestibule.accounts import names, profile
from vestibule.accounts.names import Address
from vestibule.kernel.errors import InvalidAddress, InvalidUsername
from vestibule.kernel.foreign import Unreadable
from vestibule.moving import values
from vestibule.moving.formats import recognise

# What a column is often called that holds a field of ours; the first one that is there is taken.
USUAL: Mapping[str, Sequence[str]] = {
    "id": ("id", "user_id", "pk", "uuid"),
    "email": ("email", "email_address", "mail"),
    "username": ("username", "user_name", "login", "nickname"),
    "password": (
        "password_hash",
        "password",
        "hashed_password",
        "pw_hash",
        "passwd",
        "encrypted_password",
    ),
    "given_name": ("given_name", "first_name", "firstname"),
    "family_name": ("family_name", "last_name", "lastname", "surname"),
    "picture": ("picture", "avatar_url", "avatar"),
    "verified": (
        "email_verified_at",
        "email_verified",
        "confirmed_at",
        "confirmed",
        "is_verified",
        "verified",
    ),
    "active": ("state", "is_active", "active", "enabled"),
    "created_at": ("created_at", "date_joined", "created", "registered_at", "created_on"),
    "last_login_at": ("last_login_at", "last_login", "current_login_at"),
    "roles": ("roles", "role"),
}
_LONGEST_ID = 255


@dataclass(frozen=True)
class Row:
    """What a source holds about one person, and where that stands."""

    place: str
    values: Mapping[str, Any]  # Any: whatever the driver or JSON makes of it


@dataclass(frozen=True)
class Problem:
    """Why somebody does not come, or comes without something; never the value itself."""

    place: str
    external_id: str
    field: str
    reason: str
    left_out: bool = True


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """Somebody who may move in."""

    place: str
    external_id: str
    address: Address | None
    username: str | None
    username_key: str | None
    password_hash: str | None
    names: Mapping[str, str | None]
    proved: bool
    active: bool
    created_at: datetime | None
    last_login_at: datetime | None
    roles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How rows are read.

    Args:
        columns: our fields to the columns that hold them.
        all_proved: every address counts as its owner's; None: what the column says.
        renamed: roles of theirs that are called otherwise with us.
    """

    columns: Mapping[str, str]
    all_proved: bool | None = None
    double_hash: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)


def usual_columns(there: Sequence[str]) -> dict[str, str]:
    """Guess which columns hold what."""
    lower = {each.lower(): each for each in there}
    found = {
        of: next((lower[each] for each in usual if each in lower), None)
        for of, usual in USUAL.items()
    }
    return {of: column for of, column in found.items() if column is not None}


class _LeftOut(Exception):
    """Somebody cannot come: the field, and what is wrong with it."""


def read(row: Row, reading: Reading) -> tuple[Newcomer | None, list[Problem]]:
    """Read one person; None for who cannot come."""
    external_id = _text(row, reading, "id")
    shown = "".join(each for each in external_id[:80] if each.isprintable())
    lacks: dict[str, str] = {}
    try:
        newcomer = _read(row, reading, external_id, lacks)
    except _LeftOut as error:
        return None, [Problem(row.place, shown, *error.args)]
    return newcomer, [
        Problem(row.place, shown, of, reason, left_out=False) for of, reason in lacks.items()
    ]


def _read(row: Row, reading: Reading, external_id: str, lacks: dict[str, str]) -> Newcomer:
    if not external_id or len(external_id) > _LONGEST_ID:
        raise _LeftOut("id", "is missing, or longer than 255 signs")
    if not _is_plain(external_id):
        raise _LeftOut("id", "holds signs that are none")
    address = _address(_text(row, reading, "email"))
    username, username_key = _username(_text(row, reading, "username"), address, lacks)
    if address is None and username is None:
        raise _LeftOut("email", "is missing, and so is a username")
    return Newcomer(
        place=row.place,
        external_id=external_id,
        address=address,
        username=username,
        username_key=username_key,
        password_hash=_password(_text(row, reading, "password"), reading, lacks),
        names={of: _called(row, reading, of, lacks) for of in _RULES},
        proved=_is_proved(row, reading, lacks),
        active=_is_active(row, reading, lacks),
        created_at=values.moment(_value(row, reading, "created_at")),
        last_login_at=values.moment(_value(row, reading, "last_login_at")),
        roles=_roles(_value(row, reading, "roles"), reading.renamed),
    )


def _address(text: str) -> Address | None:
    if not text:
        return None
    try:
        return names.address(text)
    except InvalidAddress:
        raise _LeftOut("email", "is no address that we can write to") from None


def _username(
    text: str, address: Address | None, lacks: dict[str, str]
) -> tuple[str | None, str | None]:
    if not text:
        return None, None
    try:
        return text, names.username(text)
    except InvalidUsername:
        if address is None:
            raise _LeftOut("username", "is no username of ours") from None
        if text.casefold() != address.typed.casefold():  # else nothing is lost
            lacks["username"] = "is no username of ours"
        return None, None


def _password(text: str, reading: Reading, lacks: dict[str, str]) -> str | None:
    if not text or text.startswith(("!", "*")):  # how Django and Unix say that there is none
        return None
    try:
        return recognise(text, double_hash=reading.double_hash)
    except Unreadable as error:
        lacks["password"] = str(error)
        return None


def _value(row: Row, reading: Reading, of: str) -> Any:  # Any: as in `Row`
    column = reading.columns.get(of)
    return None if column is None else row.values.get(column)


def _text(row: Row, reading: Reading, of: str) -> str:
    value = _value(row, reading, of)
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return "" if value is None else str(value).strip()


def _called(row: Row, reading: Reading, of: str, lacks: dict[str, str]) -> str | None:
    """Read what somebody may say about themselves by our API as well."""
    text = _text(row, reading, of)
    if text and not _RULES[of](text):
        lacks[of] = "is none that somebody could choose here"
        return None
    return text or None


def _is_plain(text: str) -> bool:
    """Tell whether PostgreSQL takes it: no NUL, no half of a pair."""
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _is_proved(row: Row, reading: Reading, lacks: dict[str, str]) -> bool:
    if reading.all_proved is not None:
        return reading.all_proved
    return _known("verified", lacks, said=values.is_since(_value(row, reading, "verified")))


def _is_active(row: Row, reading: Reading, lacks: dict[str, str]) -> bool:
    if "active" not in reading.columns:
        return True
    return _known("active", lacks, said=values.is_yes(_value(row, reading, "active")))


def _known(of: str, lacks: dict[str, str], *, said: bool | None) -> bool:
    """Take what is neither yes nor no for no, and tell it."""
    if said is None:
        lacks[of] = "says neither yes nor no, as far as we know"
    return said is True


def _roles(value: object, renamed: Mapping[str, str]) -> tuple[str, ...]:
    """Read one role, a list of them, or several between commas."""
    text = "" if value is None else str(value)  # some count theirs from 0
    several = value if isinstance(value, (list, tuple)) else text.split(",")
    called = (str(each).strip() for each in several)
    return tuple(dict.fromkeys(renamed.get(each, each) for each in called if each))


_RULES = {
    "given_name": profile.is_name,
    "family_name": profile.is_name,
    "picture": profile.is_picture,
}
