"""Reading a body as strictly as everybody behind us would, before anybody else looks at it.

JSON parsers disagree about keys that stand twice, NaN and broken Unicode; what they disagree
about, an attacker can use. Here such a body is refused, whatever the route.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from quart import current_app, request
from quart_schema import RequestSchemaValidationError
from quart_schema.validation import QUART_SCHEMA_REQUEST_ATTRIBUTE
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from vestibule.kernel.errors import FieldError, InvalidFields, MalformedBody, WrongMediaType

View = TypeVar("View", bound=Callable[..., Awaitable[object]])
Model = TypeVar("Model", bound=BaseModel)

_UNKNOWN = ("unknown_field", "This field is not known here.")
_NO_OBJECT = FieldError("", "object_expected", "Send one JSON object.")
_WORDS = {
    "missing": "This field is missing.",
    "string_type": "Send a text.",
    "bool_type": "Send true or false.",
    "bool_parsing": "Send true or false.",
    "int_type": "Send a whole number.",
    "int_parsing": "Send a whole number.",
    "int_from_float": "Send a whole number.",
    "greater_than_equal": "At least {ge}.",
    "less_than_equal": "At most {le}.",
    "too_long": "At most {max_length} characters.",
    "string_too_long": "At most {max_length} characters.",
    "string_pattern_mismatch": "Holds characters that are not allowed here.",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM = "application/x-www-form-urlencoded"
_TAKES_FORM = "_vestibule_takes_form"
# Our bodies are flat. Whoever parses after us starts deeper in the stack and would fail first.
_DEEPEST = 32
_LONGEST_FIELD = 4096
BODY_LIMIT = 64 * 1024
BODY_TIMEOUT = 10  # seconds


async def receive() -> None:
    """Read the body here, within our limits: those of the app that we are in may be wider.

    Raises:
        RequestEntityTooLarge, RequestTimeout: more than `BODY_LIMIT`, longer than `BODY_TIMEOUT`.
    """
    if request.method in _SAFE:
        return
    if (request.content_length or 0) > BODY_LIMIT:
        raise RequestEntityTooLarge
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for part in request.body:
                read += part
                if len(read) > BODY_LIMIT:
                    raise RequestEntityTooLarge
    except TimeoutError:
        raise RequestTimeout from None
    request.body.append(bytes(read))  # for whoever reads it next


async def check_json() -> None:
    """Refuse a body that is not plain JSON; what is left is for the route's model.

    Raises:
        WrongMediaType: it says that it is something else.
        MalformedBody: empty, not UTF-8, not JSON, a key twice, NaN, NUL, half a surrogate pair.
    """
    if request.method in _SAFE:
        return
    raw = cast(bytes, await request.get_data())  # cached: quart-schema reads it again
    if not raw:
        if request.mimetype == "application/json" and _reads_a_body():
            raise MalformedBody("Send a JSON object as the body.")
        return
    if request.mimetype == _FORM and _takes_a_form():
        return
    read_json(raw)


def read_json(raw: bytes, *, whatever_its_type: bool = False) -> object:
    """Read a body that says it is JSON, or one that is whatever it says.

    Raises:
        As `check_json`.
    """
    if not whatever_its_type:
        _check_type()
    try:
        read: object = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_refuse)
        _clean(read)
    except UnicodeError:
        raise MalformedBody("The body holds text that is not UTF-8.") from None
    except RecursionError:
        raise MalformedBody("The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBody(f"The body is not JSON ({where}).") from None
    except ValueError as error:
        raise MalformedBody(f"The body is not plain JSON: {error}.") from None
    return read


def _check_type() -> None:
    if request.mimetype != "application/json":
        raise WrongMediaType("send application/json")
    charset = request.mimetype_params.get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8"):
        raise WrongMediaType("send JSON in UTF-8")


def _reads_a_body() -> bool:
    view = current_app.view_functions[str(request.endpoint)]
    return hasattr(view, QUART_SCHEMA_REQUEST_ATTRIBUTE)


def takes_form(view: View) -> View:
    """Let a route of JSON read a form as well; it reads by `form_or_json`."""
    setattr(view, _TAKES_FORM, True)
    return view


def _takes_a_form() -> bool:
    return hasattr(current_app.view_functions.get(str(request.endpoint)), _TAKES_FORM)


async def form_or_json(model: type[Model]) -> Model:
    """Read a body of either type into `model`; of a form, fields that are not known are left out.

    Raises:
        RequestSchemaValidationError: a field is missing, or not as it must be.
        MalformedBody: as `form`.
    """
    if request.mimetype == _FORM:
        posted = await form(*model.model_fields)
        said: object = {name: value for name, value in posted.items() if value}
    else:
        said = await request.get_json() if await request.get_data() else {}
    try:
        return model.model_validate(said)
    except ValidationError as error:
        raise RequestSchemaValidationError(error) from None


def takes_no_fields(view: View) -> View:
    """Have a route refuse a body that says anything: there is nothing that it would listen to.

    Raises:
        InvalidFields: the body is neither missing nor `{}`.
    """

    @wraps(view)
    async def checked(*args: object, **named: object) -> object:
        said = await request.get_json() if await request.get_data() else {}
        if not isinstance(said, dict):
            raise InvalidFields([_NO_OBJECT])
        if said:
            raise InvalidFields([FieldError(name[:80], *_UNKNOWN) for name in said])
        return await view(*args, **named)

    return cast(View, checked)


async def form(*fields: str) -> dict[str, str]:
    """Return the fields of a posted form, each once; those that are missing are empty.

    Raises:
        WrongMediaType: not a form.
        MalformedBody: a field twice, NUL, or longer than any password may be.
    """
    if request.mimetype != _FORM:
        raise WrongMediaType(f"send {_FORM}")
    posted = await request.form
    found = {}
    for name in fields:
        values = posted.getlist(name)
        if len(values) > 1 or any("\0" in one or len(one) > _LONGEST_FIELD for one in values):
            raise MalformedBody("The form holds a field twice, NUL, or too long a text.")
        found[name] = values[0] if values else ""
    return found


def shape_errors(error: RequestSchemaValidationError) -> InvalidFields:
    """Turn what pydantic found into our words, which never repeat what was sent."""
    cause = error.validation_error
    if not isinstance(cause, ValidationError):
        return InvalidFields([_NO_OBJECT])
    found = cause.errors(include_input=False, include_url=False)[:20]
    return InvalidFields([_field_error(each) for each in found])


def _field_error(found: ErrorDetails) -> FieldError:
    kind, field = found["type"], ".".join(str(part)[:80] for part in found["loc"])
    if kind == "extra_forbidden":
        return FieldError(field, *_UNKNOWN)
    if not field:
        return _NO_OBJECT
    words = _WORDS.get(kind, "This field is not as it must be.")
    return FieldError(field, kind, words.format_map(found.get("ctx", {})))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _refuse(_word: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _clean(value: object, room: int = _DEEPEST) -> None:
    if room == 0:
        raise RecursionError
    if isinstance(value, str):
        value.encode()  # half a surrogate pair fails here
        if "\0" in value:
            raise ValueError("NUL in a text")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _clean(key)
            _clean(inner, room - 1)
    elif isinstance(value, list):
        for inner in value:
            _clean(inner, room - 1)


def brings_bearer() -> bool:
    """Tell whether a token came along, a broken one too. Other schemes are a proxy's in front."""
    said = request.headers.getlist("Authorization")
    return any(each.lower().startswith("bearer") for each in said)
