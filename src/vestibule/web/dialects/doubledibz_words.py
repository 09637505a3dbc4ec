"""How DoubleDibz' server says yes and no: one envelope each, and what it asks of fields."""

import re
import sys
import traceback
from http import HTTPStatus

from quart import Response, json, request
from quart.typing import ResponseReturnValue

from vestibule.accounts import names, policy
from vestibule.accounts.models import Account
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import (
    BadCredentials,
    FieldError,
    InvalidAddress,
    InvalidFields,
    VestibuleError,
)
from vestibule.web import reading
from vestibule.web.answers import Answers, envelope_headers
from vestibule.web.dialects import words

NAME = "doubledibz"
RULE = policy.Rule(shortest=6, longest=30)
NO_TOKEN = "CSRF token missing or incorrect."

_FORM = "application/x-www-form-urlencoded"
_LOGIN, _PASSWORD, _PERSON = 400, 4096, 64  # characters
_USERNAME = re.compile(r"[a-zA-Z0-9]*", re.ASCII)
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_REQUIRED = "This field is required."
_TYPES = {"bad_credentials": "Wrong Authentication"}
_PHRASES = {422: "Unprocessable Entity"}  # Python 3.13 has another word
_FIELDS = {"invalid_address": "email", "invalid_username": "user_name", "weak_password": "password"}
_FORM_ERROR = "Form validation error"


class Refused(Exception):
    """What is not one of our errors: no good CSRF token came along."""


def _wrong(error: VestibuleError) -> str:
    unknown = isinstance(error, BadCredentials) and error.unknown
    return "Username does not exist" if unknown else "Invalid username or password"


def _weak(error: VestibuleError) -> str:
    assert isinstance(error, errors.WeakPassword)
    if error.reason in ("too_short", "too_long"):
        return _between(RULE.shortest, RULE.longest)
    return words.weak(error)


ANSWERS: Answers = {
    **words.COMMON,
    errors.BadCredentials: (422, _wrong),
    errors.NotSignedIn: (401, "You're not authorized!"),
    errors.UsernameTaken: (409, "This username is already taken!"),
    errors.AddressTaken: (409, "This email is already taken!"),
    errors.InvalidAddress: (422, "Invalid email address."),
    errors.WeakPassword: (422, _weak),
    errors.WrongMediaType: (415, "Send a form, or JSON in UTF-8."),
}


def success(message: str = "", account: Account | None = None) -> ResponseReturnValue:
    """Say yes, and whom it is about."""
    told = {"success": True, "message": message}
    return told if account is None else told | {"data": _public(account)}


def trouble(status: int, code: str, detail: str, error: VestibuleError | None = None) -> Response:
    """Say no: a sentence, or for a form's fields a list of sentences each."""
    said: object = detail
    kind = _TYPES.get(code) or _PHRASES.get(status) or HTTPStatus(status).phrase
    if isinstance(error, InvalidFields) and all(each.field for each in error.fields):
        said, kind = _by_field(error), _FORM_ERROR
    elif code in _FIELDS:
        said, kind = {_FIELDS[code]: [detail]}, _FORM_ERROR
    elif code == "internal_error":
        said = _unforeseen()
    content = {"errors": {"message": said, "type": kind, "more info": ""}}
    response = Response(json.dumps(content), status=status, content_type="application/json")
    return envelope_headers(response, error)


async def refused(_error: Refused) -> Response:
    return trouble(400, "csrf", NO_TOKEN)


async def login_form() -> tuple[str, str, bool]:
    """Read login, password and whether to remember, from a form or from JSON.

    Raises:
        InvalidFields: with what is wrong with each field.
    """
    said = await _said("login", "password", "remember_me")
    problems = _Problems(said)
    login = problems.needed("login", most=_LOGIN)
    password = problems.needed("password", most=_PASSWORD)
    problems.tell()
    return login, password, said["remember_me"] not in (None, False, "false", "")


async def sign_up_form() -> dict[str, str]:
    """Read what a person types who signs up, from a form or from JSON.

    Raises:
        InvalidFields: with what is wrong with each field.
    """
    fields = ("user_name", "first_name", "last_name", "email", "password", "confirm")
    said = await _said(*fields)
    problems = _Problems(said)
    username = problems.between("user_name", 4, 30)
    if not _USERNAME.fullmatch(username):
        problems.add("user_name", "Username can only contain letters and numbers")
    for name in ("first_name", "last_name"):
        if _CONTROLS.search(problems.needed(name, most=_PERSON)):
            problems.add(name, "Names have no control characters.")
    email = problems.needed("email", most=_LOGIN)
    if email.strip():
        try:
            names.address(email)
        except InvalidAddress:
            problems.add("email", "Invalid email address.")
    password = problems.between("password", RULE.shortest, RULE.longest)
    confirm = problems.needed("confirm", most=_PASSWORD)
    if confirm.strip() and confirm != password:
        problems.add("confirm", "Passwords must match")
    problems.tell()
    return {name: str(said[name]) for name in fields}


async def _said(*fields: str) -> dict[str, object]:
    if request.mimetype == _FORM:
        return dict(await reading.form(*fields))
    said = await words.json_object() if await request.get_data() else {}
    return {name: said.get(name) for name in fields}


class _Problems:
    """What is wrong with the fields of a form, all at once."""

    def __init__(self, said: dict[str, object]) -> None:
        self._said = said
        self._found: list[FieldError] = []

    def add(self, field: str, message: str) -> None:
        self._found.append(FieldError(field, "invalid", message))

    def needed(self, field: str, *, most: int) -> str:
        text = self._text(field)
        if text is not None and not text.strip():
            self.add(field, _REQUIRED)
        elif text is not None and len(text) > most:
            self.add(field, f"Field cannot be longer than {most} characters.")
        return text or ""

    def between(self, field: str, least: int, most: int) -> str:
        text = self._text(field)
        if text is not None and not least <= len(text) <= most:
            self.add(field, _between(least, most))
        return text or ""

    def tell(self) -> None:
        if self._found:
            raise InvalidFields(self._found)

    def _text(self, field: str) -> str | None:
        """Return a text, empty where there is none; None where it is something else, and told."""
        value = self._said[field]
        if value is None or isinstance(value, str):
            return value or ""
        self.add(field, "Not a text.")
        return None


def _between(least: int, most: int) -> str:
    return f"Field must be between {least} and {most} characters long."


def _by_field(error: InvalidFields) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for each in error.fields:
        told.setdefault(each.field, []).append(each.message)
    return told


def _unforeseen() -> str:
    if current_vestibule().settings.in_development:
        return "".join(traceback.format_exception(sys.exception()))
    return "Internal Server Error. Report this problem!"


def _public(account: Account) -> dict[str, object]:
    return {
        "id": words.id_of(account),
        "email": account.email,
        "user_name": account.username or account.email or str(account.id),
        "role": _role(account),
    }


def _role(account: Account) -> str:
    """Return the one role that it knows: `admin`, another that was given, or `user`."""
    given = sorted(
        {"user", *account.roles}, key=lambda role: (role == "user", role != "admin", role)
    )
    return given[0]
