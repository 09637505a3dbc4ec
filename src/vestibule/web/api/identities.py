"""The accounts elsewhere by which somebody signs in."""

from quart import Blueprint
from quart_schema import tag, validate_request, validate_response

from vestibule.extension import current_vestibule
from vestibule.federation import handing_in, identities, signing_in
from vestibule.web import destinations, identity, reading, returning
from vestibule.web.access import requires
from vestibule.web.api.oauth import SURFACE, callback_of, code_of, named
from vestibule.web.api.oauth_models import (
    CodeBody,
    IdentitiesAnswer,
    IdentityAnswer,
    LinkAnswer,
    LinkBody,
    SignedBody,
)

blueprint = Blueprint("identities", __name__)


@blueprint.get("/me/identities")
@tag(["Providers"])
@requires
@validate_response(IdentitiesAnswer)
async def list_identities() -> IdentitiesAnswer:
    """List the accounts elsewhere by which one signs in"""
    known = await identity.signed_in()
    found = await current_vestibule().run(
        lambda unit: identities.of_account(unit, known.account.id), reading=True
    )
    means = current_vestibule().means
    return IdentitiesAnswer(
        identities=[
            IdentityAnswer(
                provider=identities.name_of(means, each.issuer),
                issuer=each.issuer,
                email=each.email,
                linked_at=each.linked_at,
            )
            for each in found
        ]
    )


@blueprint.post("/me/identities/<provider>/link")
@tag(["Providers"])
@requires(recent=True)
@validate_request(LinkBody)
@validate_response(LinkAnswer)
async def link(provider: str, data: LinkBody) -> LinkAnswer:
    """Begin to link an account elsewhere

    The answer says where to send this browser, which has to be the one that comes back.
    """
    chosen, vestibule = named(provider), current_vestibule()
    begun = await signing_in.begin(
        vestibule.means,
        chosen,
        redirect_uri=callback_of(chosen),
        surface=SURFACE,
        next=destinations.read(vestibule.settings, data.next),
        linking=await identity.signed_in(),
    )
    returning.remember(begun)
    return LinkAnswer(url=begun.url)


@blueprint.post("/me/identities/<provider>/exchange")
@tag(["Providers"])
@requires(recent=True)
@validate_request(CodeBody)
async def link_by_code(provider: str, data: CodeBody) -> tuple[str, int]:
    """Link an account elsewhere by a provider's code

    For clients that ran the redirect themselves, with PKCE (S256).
    """
    await handing_in.link_by_code(
        current_vestibule().means,
        named(provider),
        code_of(data),
        issuer=data.iss,
        caller=identity.caller(),
        known=await identity.signed_in(),
    )
    return "", 204


@blueprint.post("/me/identities/<provider>/id-token")
@tag(["Providers"])
@requires(recent=True)
@validate_request(SignedBody)
async def link_by_id_token(provider: str, data: SignedBody) -> tuple[str, int]:
    """Link an account elsewhere by a provider's ID token

    For native apps whose platform signs in by itself. Each works once, for this or for signing in.
    """
    await handing_in.link_by_id_token(
        current_vestibule().means,
        named(provider),
        id_token=data.id_token,
        nonce=data.nonce,
        caller=identity.caller(),
        known=await identity.signed_in(),
    )
    return "", 204


@blueprint.delete("/me/identities/<provider>")
@tag(["Providers"])
@requires(recent=True)
@reading.takes_no_fields
async def unlink(provider: str) -> tuple[str, int]:
    """Sign in with a provider no longer

    By its name, as the list has it: one that is not set up any more goes by its host.
    """
    known = await identity.signed_in()
    await current_vestibule().run(
        lambda unit: identities.unlink(unit, caller=known, provider=provider),
        caller=identity.caller(),
    )
    return "", 204
