"""Renewing tokens, giving them back, and the keys that others verify them with."""

from quart import Blueprint
from quart.typing import ResponseReturnValue
from quart_schema import document_request, tag, validate_request, validate_response

from vestibule.accounts import credentials
from vestibule.extension import current_vestibule
from vestibule.web import identity, reading
from vestibule.web.api.models import RefreshBody, RevokeBody, TokensAnswer

blueprint = Blueprint("tokens", __name__)


@blueprint.post("/tokens/refresh")
@tag(["Tokens"])
@validate_request(RefreshBody)
@validate_response(TokensAnswer)
async def refresh(data: RefreshBody) -> TokensAnswer:
    """Renew tokens

    The refresh token is replaced; for a short while the one before works too, so that tabs and
    lost answers throw nobody out. Later than that it ends the session, for somebody has copied it.
    """
    renewed = await current_vestibule().run(
        lambda unit: credentials.renew(unit, data.refresh_token), caller=identity.caller()
    )
    return TokensAnswer.of(renewed)


@blueprint.post("/tokens/revoke")
@tag(["Tokens"])
@reading.takes_form
@document_request(RevokeBody)
async def revoke() -> ResponseReturnValue:
    """Give a token back (RFC 7009)

    Ends the session of a refresh or an access token. A form does as well as JSON, and a token that
    is unknown or over is answered alike.
    """
    said = await reading.form_or_json(RevokeBody)
    await current_vestibule().run(
        lambda unit: credentials.give_back(unit, said.token), caller=identity.caller()
    )
    return "", 200
