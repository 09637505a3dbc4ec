"""What people say about themselves: names, picture, and a host's own fields."""

import json
import re
from typing import Any, TypedDict
from urllib.parse import urlsplit

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from vestibule.accounts import names
from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.errors import FieldError, InvalidFields, NotSignedIn, UsernameTaken
from vestibule.kernel.memory import Fact
from vestibule.kernel.settings import origin_of
from vestibule.kernel.unit import Unit

NAME_MOST = 100  # characters
NAME = r"^[^\u0000-\u001f\u007f-\u009f]*$"
_PROFILE_MOST = 8192  # bytes of JSON, in UTF-8 and without blanks
_PICTURE_MOST = 2000
# Nothing in it may end an attribute or a style sheet's url() that somebody puts it into.
_PLAIN = re.compile(r"""[^\s"'<>()\\^`{|}\x00-\x20\x7f-\x9f\ud800-\udfff]+""")
_HALVES = re.compile(r"[\ud800-\udfff]")  # of surrogate pairs: no database takes them


class Changes(TypedDict, total=False):
    """What to change: a field that is absent stays as it is, None clears it."""

    username: str | None
    given_name: str | None
    family_name: str | None
    picture: str | None
    profile: dict[str, Any] | None  # Any: a host's own fields; replaced as a whole


async def change(unit: Unit, owner: SignedIn, changes: Changes) -> Account:
    """Change what the owner of an account may say about themselves; return the account.

    Raises:
        InvalidFields: a picture that is no http(s) URL, a profile above 8 KiB; a username where
            the settings fix it, or the only name that one could log in by taken away.
        InvalidUsername: not 3 to 80 letters, digits, `_`, `.` or `-`.
        UsernameTaken: somebody has it; nothing was changed.
        NotSignedIn: the account was shut meanwhile.
    """
    _check(unit, changes)
    if not changes:
        return owner.account
    statement = update(Account).where(Account.id == owner.account.id, Account.state == "active")
    values: dict[str, object] = {**changes, "updated_at": unit.now}
    if "profile" in changes:
        values["profile"] = changes["profile"] or {}
    if "username" in changes:
        username = changes["username"]
        values["username_key"] = None if username is None else names.username(username)
        if username is None:
            statement = statement.where(Account.email_key.is_not(None))
    try:
        account: Account | None = await unit.session.scalar(
            statement.values(values).returning(Account).execution_options(synchronize_session=False)
        )
    except IntegrityError:  # of what may be changed, the username alone is unique
        raise UsernameTaken from None
    if account is None:
        raise InvalidFields([LAST_NAME]) if _is_last_name(owner, changes) else NotSignedIn()
    await unit.session.refresh(account, ["granted"])
    unit.forget(Fact.ACCOUNT, account.id)
    await log.record(
        unit, Event.ACCOUNT_CHANGED, account_id=account.id, session_id=owner.session.id
    )
    return account


def _check(unit: Unit, changes: Changes) -> None:
    wrong = wrong_fields(changes)
    if "username" in changes and not unit.settings.username_change:
        wrong.insert(0, _FIXED)
    if wrong:
        raise InvalidFields(wrong)


def wrong_fields(changes: Changes) -> list[FieldError]:
    """Return what cannot be said about anybody, whoever says it."""
    wrong = []
    if (picture := changes.get("picture")) is not None and not is_picture(picture):
        wrong.append(_NO_PICTURE)
    if (profile := changes.get("profile")) is not None and not fits(profile):
        wrong.append(_TOO_LARGE)
    return wrong


def is_name(text: str) -> bool:
    """Tell whether somebody may be called that: a line of at most 100 characters."""
    plain = re.fullmatch(NAME, text) is not None and _HALVES.search(text) is None
    return plain and len(text) <= NAME_MOST


def is_picture(url: str) -> bool:
    """Tell whether it is an http or https URL that can be put into a page."""
    whole = len(url) <= _PICTURE_MOST and _PLAIN.fullmatch(url) is not None
    return whole and origin_of(url) != "" and "@" not in urlsplit(url).netloc


def fits(profile: dict[str, Any]) -> bool:  # Any: a host's own fields
    """Tell whether JSON can write it, and in how much."""
    try:
        written = json.dumps(
            profile, allow_nan=False, ensure_ascii=False, separators=(",", ":")
        ).encode()
    except ValueError:  # a number that JSON has no way to write, half a surrogate pair
        return False
    return len(written) <= _PROFILE_MOST


def _is_last_name(owner: SignedIn, changes: Changes) -> bool:
    return owner.account.email_key is None and changes.get("username", "") is None


_FIXED = FieldError("username", "not_changeable", "A username stays as it is.")
LAST_NAME = FieldError("username", "last_name", "Nothing would be left to log in by.")
_NO_PICTURE = FieldError("picture", "url", "Send an http or https URL of at most 2000 characters.")
_TOO_LARGE = FieldError("profile", "too_large", "Send at most 8 KiB of JSON.")
