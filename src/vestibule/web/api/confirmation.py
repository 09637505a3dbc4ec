"""Saying once more who one is, for what wants a recent log-in."""

from functools import partial

from pydantic import SecretStr
from quart import Blueprint
from quart_schema import tag, validate_request, validate_response

from vestibule.accounts.confirmation import ask_for_code, confirm_by_code, confirm_by_password
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import FieldError, InvalidFields
from vestibule.sessions import confirming
from vestibule.web import identity, reading
from vestibule.web.access import signed_in
from vestibule.web.api.models import ConfirmationAnswer, ConfirmBody, LetterAnswer

blueprint = Blueprint("confirmation", __name__)


@blueprint.post("/me/confirm")
@tag(["Sessions"])
@signed_in
@validate_request(ConfirmBody)
@validate_response(ConfirmationAnswer)
async def confirm(data: ConfirmBody) -> ConfirmationAnswer:
    """Say once more who you are

    For routes that answer 403 `reauthentication_required`. With the `password`; an account that has
    none asks for a `code` by letter. A session of a cookie gets a new cookie, and the former one is
    worth nothing from then on. A wrong password counts as a wrong log-in.
    """
    known = await identity.signed_in()
    match data.password, data.code:
        case SecretStr() as password, None:
            flow = partial(confirm_by_password, caller=known, password=password.get_secret_value())
        case None, str(code):
            flow = partial(confirm_by_code, caller=known, code=code)
        case _:
            raise InvalidFields([_EITHER])
    opened = await current_vestibule().run(flow, caller=identity.caller())
    if opened.secret is not None:
        identity.sign_in(opened)
    until = confirming.recent_until(current_vestibule().settings, opened.session)
    return ConfirmationAnswer(recent_until=until)


@blueprint.post("/me/confirm/letters")
@tag(["Sessions"])
@signed_in
@reading.takes_no_fields
@validate_response(LetterAnswer, 202)
async def write() -> tuple[LetterAnswer, int]:
    """Ask for a code by letter

    For accounts that have a proved address and no password. The code works in this session alone,
    for ten minutes at most, and that of an earlier letter no more.
    """
    known = await identity.signed_in()
    await current_vestibule().run(
        lambda unit: ask_for_code(unit, caller=known), caller=identity.caller()
    )
    return LetterAnswer(), 202


_EITHER = FieldError("", "either_or", "Send password, or code: one of them.")
