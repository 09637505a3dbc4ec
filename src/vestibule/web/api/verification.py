"""Who is let in, for reverse proxies; most of them are answered before, by `web/gate`."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from quart import Blueprint, Response
from quart_schema import tag, validate_querystring

from vestibule.kernel.errors import NotSignedIn
from vestibule.web import gate, identity
from vestibule.web.conditions import Conditions

blueprint = Blueprint("verification", __name__)

_Name = Annotated[str, Field(min_length=1, max_length=80)]


class VerifyQuery(BaseModel):
    """A parameter with another name is refused: it was meant as a condition."""

    model_config = ConfigDict(extra="forbid")

    role: _Name | None = None
    scope: _Name | None = None


@blueprint.get("/verify")
@tag(["Proxies"])
@validate_querystring(VerifyQuery)
async def verify(query_args: VerifyQuery) -> Response:
    """Tell a reverse proxy who asks

    By cookie, access token or API key. The answer is empty, with `X-Auth-Account`, `X-Auth-Email`
    (if it is proved), `X-Auth-Roles` (with commas between), `X-Auth-Session` and, for API keys,
    `X-Auth-Scopes` (with blanks between); each is there, empty where there is nothing. With `role`
    or `scope`, only those pass who have it; API keys have scopes and no roles. From which site a
    request was sent is not looked at: that is for the app behind the proxy.
    """
    known = await identity.known()
    if known is None:
        raise NotSignedIn
    if query_args.role is not None or query_args.scope is not None:
        Conditions.of(
            query_args.role, any_of=(), scope=query_args.scope, verified=False, recent=False
        ).check(known)
    answer = Response(b"")
    for name, value in gate.told(known):
        answer.headers[name.decode()] = value.decode("latin-1")
    return answer
