"""Another address, and the way back to the former one."""

from functools import partial

from pydantic import SecretStr
from quart import Blueprint
from quart_schema import tag, validate_request, validate_response

from vestibule.accounts.address import ask_to_change, change_by_code, change_by_link
from vestibule.accounts.undoing import undo_change
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import FieldError, InvalidFields
from vestibule.web import identity
from vestibule.web.access import requires
from vestibule.web.api.address_models import AddressBody, AddressProofBody, UndoBody
from vestibule.web.api.models import AccountAnswer, LetterAnswer

blueprint = Blueprint("address", __name__)


@blueprint.post("/me/email")
@tag(["Addresses"])
@requires(recent=True)
@validate_request(AddressBody)
@validate_response(LetterAnswer, 202)
async def ask_for_address(data: AddressBody) -> tuple[LetterAnswer, int]:
    """Ask for another address

    Wants a recent log-in. A letter with a link and a code leaves for the new address, and another
    one, with a way to stop it, for the present one; nothing changes before the proof. Of an address
    that has an account its owner is told, and the answer is the same.
    """
    known = await identity.signed_in()
    await current_vestibule().run(
        lambda unit: ask_to_change(unit, caller=known, email=data.email), caller=identity.caller()
    )
    return LetterAnswer(), 202


@blueprint.post("/email/confirmation")
@tag(["Addresses"])
@validate_request(AddressProofBody)
@validate_response(AccountAnswer)
async def prove_address(data: AddressProofBody) -> AccountAnswer:
    """Prove the new address

    Signed in, with the letter's `code` or the link's `token`. Anywhere else, with `token` and the
    account's `password`.
    """
    known = await identity.somebody()
    match data.code, data.token, data.password:
        case str(code), None, None:
            known = await identity.signed_in()
            flow = partial(change_by_code, caller=known, code=code)
        case None, str(token), (SecretStr() | None) as password:
            flow = partial(
                change_by_link,
                token=token,
                password=None if password is None else password.get_secret_value(),
                caller=known,
            )
        case _:
            raise InvalidFields([_EITHER])
    return AccountAnswer.of(await current_vestibule().run(flow, caller=identity.caller()))


@blueprint.post("/email/undo")
@tag(["Addresses"])
@validate_request(UndoBody)
@validate_response(LetterAnswer)
async def undo_address(data: UndoBody) -> LetterAnswer:
    """Take the account back from its former address

    With the `token` of the letter to that address. Every session and API key ends, the password is
    worth nothing, and a letter for a new one leaves for the address.
    """
    await current_vestibule().run(
        lambda unit: undo_change(unit, token=data.token), caller=identity.caller()
    )
    return LetterAnswer()


_EITHER = FieldError("", "either_or", "Send code, or token, which may need the password.")
