"""Changing the password, and a new one where it is forgotten."""

from functools import partial

from quart import Blueprint
from quart_schema import tag, validate_request, validate_response

from vestibule.accounts.passwords import change_password
from vestibule.accounts.resetting import forget_password, reset_by_code, reset_by_link
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import FieldError, InvalidFields
from vestibule.web import device, identity
from vestibule.web.access import requires
from vestibule.web.api.models import AccountAnswer, LoginAnswer, SessionAnswer, TokensAnswer
from vestibule.web.api.password_models import (
    ForgottenAnswer,
    ForgottenBody,
    NewPasswordBody,
    PasswordBody,
)

blueprint = Blueprint("passwords", __name__)


@blueprint.post("/password/forgot")
@tag(["Passwords"])
@validate_request(ForgottenBody)
@validate_response(ForgottenAnswer, 202)
async def forget(data: ForgottenBody) -> tuple[ForgottenAnswer, int]:
    """Say that the password is forgotten

    A letter leaves with a link and a code; for an address without an account one that says so. The
    answer is the same. Those of an earlier letter stop working.
    """
    await current_vestibule().run(
        lambda unit: forget_password(unit, email=data.email), caller=identity.caller()
    )
    return ForgottenAnswer(), 202


@blueprint.post("/password/reset")
@tag(["Passwords"])
@validate_request(NewPasswordBody)
async def reset(data: NewPasswordBody) -> tuple[str, int]:
    """Set a new password by a letter

    With the link's `token`, or with `email` and `code`. Every session of the account ends; log in
    with the new password afterwards. The device is known from then on, as after a log-in.
    """
    password = data.password.get_secret_value()
    match data.token, data.email, data.code:
        case str(token), None, None:
            flow = partial(reset_by_link, token=token, password=password)
        case None, str(email), str(code):
            flow = partial(reset_by_code, email=email, code=code, password=password)
        case _:
            raise InvalidFields([_EITHER])
    done = await current_vestibule().run(flow, caller=identity.caller())
    device.leave(done.device)
    return "", 204


@blueprint.post("/me/password")
@tag(["Passwords"])
@requires(recent=True)
@validate_request(PasswordBody)
@validate_response(LoginAnswer)
async def change(data: PasswordBody) -> LoginAnswer:
    """Change the password

    Wants a recent log-in. Every session of the account ends, and refresh tokens with them; the
    caller gets a new session of the same kind: a cookie, or tokens in the answer.
    """
    known = await identity.signed_in()
    entered = await current_vestibule().run(
        lambda unit: change_password(
            unit,
            caller=known,
            current=data.current_password.get_secret_value(),
            new=data.new_password.get_secret_value(),
        ),
        caller=identity.caller(),
    )
    if entered.tokens is None:
        identity.sign_in(entered.opened)
    device.leave(entered.device)
    tokens = TokensAnswer.of(entered.tokens).model_dump() if entered.tokens else {}
    return LoginAnswer(
        account=AccountAnswer.of(entered.account),
        session=SessionAnswer.of(entered.opened.session, current=True),
        **tokens,
    )


_EITHER = FieldError("", "either_or", "Send token, or email and code: one of them, whole.")
