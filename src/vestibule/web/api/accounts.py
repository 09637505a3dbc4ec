"""Signing up, proving the address, and who one is."""

from functools import partial
from typing import cast

from pydantic import SecretStr
from quart import Blueprint
from quart_schema import tag, validate_request, validate_response

from vestibule.accounts.profile import Changes, change
from vestibule.accounts.programs import Program
from vestibule.accounts.signup import Person, send_again, sign_up
from vestibule.accounts.verification import prove_by_code, prove_by_link
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import FieldError, InvalidFields, NotSignedIn
from vestibule.web import identity
from vestibule.web.access import signed_in
from vestibule.web.api.models import (
    AccountAnswer,
    AskedAnswer,
    ChangeBody,
    LetterAnswer,
    LetterBody,
    MeAnswer,
    ProofBody,
    SignUpBody,
)

blueprint = Blueprint("accounts", __name__)


@blueprint.post("/accounts")
@tag(["Accounts"])
@validate_request(SignUpBody)
@validate_response(AskedAnswer, 202)
@validate_response(AccountAnswer, 201)
async def create(data: SignUpBody) -> tuple[AskedAnswer | AccountAnswer, int]:
    """Sign up

    With an address: 202, and a letter with a link and a code; the answer is the same whether or
    not the address has an account. Without one: 201 and the account.
    """
    vestibule = current_vestibule()
    person = Person(
        email=data.email,
        username=data.username,
        password=data.password.get_secret_value(),
        given_name=data.given_name,
        family_name=data.family_name,
    )
    signed_up = await vestibule.run(
        lambda unit: sign_up(unit, person, open_now=vestibule.settings.login_before_proof),
        caller=identity.caller(),
    )
    if signed_up.sign_up is not None:
        return AskedAnswer(sign_up=signed_up.sign_up), 202
    assert signed_up.account is not None
    return AccountAnswer.of(signed_up.account), 201


@blueprint.post("/accounts/verification")
@tag(["Accounts"])
@validate_request(ProofBody)
@validate_response(AccountAnswer)
async def prove(data: ProofBody) -> AccountAnswer:
    """Prove the address

    With `sign_up` and the letter's `code`, or with the link's `token` and the `password` chosen at
    sign-up. If the username was taken meanwhile, the answer is 409 and nothing is spent: send the
    same again with another `username`.
    """
    known = await identity.somebody()
    match data.sign_up, data.code, data.token, data.password:
        case None, None, str(token), SecretStr() as password:
            flow = partial(
                prove_by_link,
                token=token,
                password=password.get_secret_value(),
                username=data.username,
                caller=known,
            )
        case str(handle), str(code), None, None:
            flow = partial(
                prove_by_code, handle=handle, code=code, username=data.username, caller=known
            )
        case _:
            raise InvalidFields([_EITHER])
    account = await current_vestibule().run(flow, caller=identity.caller())
    return AccountAnswer.of(account)


@blueprint.post("/accounts/verification/letters")
@tag(["Accounts"])
@validate_request(LetterBody)
@validate_response(LetterAnswer, 202)
async def write_again(data: LetterBody) -> tuple[LetterAnswer, int]:
    """Send the letter again

    With a new link and code; those of earlier letters stop working.
    """
    await current_vestibule().run(
        lambda unit: send_again(unit, data.sign_up), caller=identity.caller()
    )
    return LetterAnswer(), 202


@blueprint.get("/me")
@tag(["Accounts"])
@validate_response(MeAnswer)
async def me() -> MeAnswer:
    """Show who asks

    Whoever is signed in, or whose API key came along; with a key, its `scopes` and no roles.
    """
    known = await identity.known()
    if known is None:
        raise NotSignedIn
    answer = MeAnswer.of(known.account)
    if isinstance(known, Program):
        answer.scopes = sorted(known.scopes)
    return answer


@blueprint.patch("/me")
@tag(["Accounts"])
@signed_in
@validate_request(ChangeBody)
@validate_response(AccountAnswer)
async def change_me(data: ChangeBody) -> AccountAnswer:
    """Change what one says about oneself

    A JSON merge patch: a field that is absent stays as it is, `null` clears it. `profile` is the
    exception: it is a host's own object, taken as a whole, and what it held before is gone.
    `username` can be changed only where the service allows it.
    """
    known = await identity.signed_in()
    changes = cast(Changes, data.model_dump(exclude_unset=True))
    account = await current_vestibule().run(
        lambda unit: change(unit, known, changes), caller=identity.caller()
    )
    return AccountAnswer.of(account)


_EITHER = FieldError(
    "", "either_or", "Send sign_up and code, or token and password: one pair, whole."
)
