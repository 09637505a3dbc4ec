"""Keys for one's programs."""

from datetime import timedelta
from uuid import UUID

from quart import Blueprint
from quart_schema import tag, validate_querystring, validate_request, validate_response

from vestibule.accounts.programs import make_key
from vestibule.api_keys import keys
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import ApiKeyUnknown
from vestibule.web import identity, reading
from vestibule.web.access import requires, signed_in
from vestibule.web.api import cursors
from vestibule.web.api.key_models import (
    ApiKeyAnswer,
    ApiKeyBody,
    ApiKeysAnswer,
    MadeApiKeyAnswer,
)
from vestibule.web.api.models import PageQuery

blueprint = Blueprint("api_keys", __name__)


@blueprint.get("/me/api-keys")
@tag(["API keys"])
@signed_in
@validate_querystring(PageQuery)
@validate_response(ApiKeysAnswer)
async def list_keys(query_args: PageQuery) -> ApiKeysAnswer:
    """List one's API keys

    Newest first, expired ones too for a while; `next` is the cursor of the next page.
    """
    known = await identity.signed_in()
    before, most = cursors.read(query_args.cursor), query_args.limit + 1
    found = await current_vestibule().run(
        lambda unit: keys.page(unit, known.account.id, before=before, most=most), reading=True
    )
    shown, next_ = cursors.cut(found, query_args.limit)
    return ApiKeysAnswer(api_keys=[ApiKeyAnswer.of(each) for each in shown], next=next_)


@blueprint.post("/me/api-keys")
@tag(["API keys"])
@requires(recent=True)
@validate_request(ApiKeyBody)
@validate_response(MadeApiKeyAnswer, 201)
async def create_key(data: ApiKeyBody) -> tuple[MadeApiKeyAnswer, int]:
    """Make an API key

    `key` is shown this once. It does what its `scopes` say, as far as one's roles give that at the
    moment of use, and nothing else. One's address is told by letter. Wants a recent log-in.
    """
    known = await identity.signed_in()
    expires_in = None if data.expires_in is None else timedelta(seconds=data.expires_in)
    made = await current_vestibule().run(
        lambda unit: make_key(
            unit, caller=known, name=data.name, wanted=data.scopes, expires_in=expires_in
        ),
        caller=identity.caller(),
    )
    return MadeApiKeyAnswer.made(made), 201


@blueprint.delete("/me/api-keys/<key_id>")
@tag(["API keys"])
@requires(recent=True)
@reading.takes_no_fields
async def remove_key(key_id: str) -> tuple[str, int]:
    """Remove an API key

    It opens nothing from then on. Wants a recent log-in.
    """
    known = await identity.signed_in()
    try:
        named = UUID(key_id)
    except ValueError:
        raise ApiKeyUnknown from None
    await current_vestibule().run(
        lambda unit: keys.remove(unit, known.account.id, named), caller=identity.caller()
    )
    return "", 204
