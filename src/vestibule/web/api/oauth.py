"""Signing in with a provider: by a browser, by a code, by an ID token."""

import re

from quart import Blueprint, redirect, request
from quart.typing import ResponseReturnValue
from quart_schema import tag, validate_querystring, validate_request, validate_response

from vestibule.accounts.login import LoggedIn
from vestibule.extension import current_vestibule
from vestibule.federation import handing_in, signing_in
from vestibule.federation.choose import Providers
from vestibule.federation.provider import Brought, Provider
from vestibule.federation.signing_in import Begun
from vestibule.kernel.errors import (
    FieldError,
    InvalidFields,
    ProviderUnknown,
    TryLater,
    VestibuleError,
)
from vestibule.web import destinations, identity, returning
from vestibule.web.api.models import AccountAnswer, LoginAnswer, SessionAnswer, TokensAnswer
from vestibule.web.api.oauth_models import (
    CodeBody,
    ExchangeBody,
    IdTokenBody,
    ProviderAnswer,
    ProvidersAnswer,
    StartQuery,
)

blueprint = Blueprint("oauth", __name__)

SURFACE = "api"
_OURS = re.compile(r"/oauth(/<provider>/\w+)?$|/me/identities/<provider>/link$")


@blueprint.get("/oauth")
@tag(["Providers"])
@validate_response(ProvidersAnswer)
async def list_providers() -> ProvidersAnswer:
    """List whom one can sign in with"""
    return ProvidersAnswer(
        providers=[
            ProviderAnswer(name=each.name, title=each.title, start=_url(each, "start"))
            for each in _providers().values()
        ]
    )


@blueprint.get("/oauth/<provider>/start")
@tag(["Providers"])
@validate_querystring(StartQuery)
async def start(provider: str, query_args: StartQuery) -> ResponseReturnValue:
    """Send a browser to a provider

    It comes back to our callback, which opens a session with a cookie and sends it to `next`.
    """
    chosen, settings = named(provider), current_vestibule().settings
    begun = await signing_in.begin(
        current_vestibule().means,
        chosen,
        redirect_uri=_url(chosen, "callback"),
        surface=SURFACE,
        next=destinations.read(settings, query_args.next),
        intent=query_args.intent,
        remember=query_args.remember,
        login_hint=query_args.login_hint,
    )
    return leave(begun)


@blueprint.get("/oauth/<provider>/callback")
@tag(["Providers"])
async def callback(provider: str) -> ResponseReturnValue:
    """Take a browser back from a provider

    Signs it in, or links what it brought, and sends it to the `next` of its beginning. What went
    wrong is told to programs here, and to people on a page without what stands in this URL.
    """
    state = returning.state()
    try:
        where = await _come_back(named(provider), state)
    except TryLater:
        raise
    except VestibuleError as error:
        returning.forget(state)
        if not _wants_page():
            raise
        # Without what stands in this URL.
        where = f"{current_vestibule().settings.base_url}/sign-in-failed?error={error.code}"
    returning.forget(state)
    return redirect(where, 303)


@blueprint.post("/oauth/<provider>/exchange")
@tag(["Providers"])
@validate_request(ExchangeBody)
@validate_response(LoginAnswer)
async def exchange(provider: str, data: ExchangeBody) -> LoginAnswer:
    """Sign in by a provider's code

    For clients that ran the redirect themselves, with PKCE (S256). Answers tokens, never a cookie.
    """
    entered = await handing_in.exchange(
        current_vestibule().means,
        named(provider),
        code_of(data),
        issuer=data.iss,
        intent=data.intent,
        caller=identity.caller(),
    )
    return _answer(entered)


@blueprint.post("/oauth/<provider>/id-token")
@tag(["Providers"])
@validate_request(IdTokenBody)
@validate_response(LoginAnswer)
async def id_token(provider: str, data: IdTokenBody) -> LoginAnswer:
    """Sign in by a provider's ID token

    For native apps whose platform signs in by itself. With the nonce that it was asked with; each
    works once, within ten minutes of its making. Answers tokens, never a cookie.
    """
    entered = await handing_in.by_id_token(
        current_vestibule().means,
        named(provider),
        id_token=data.id_token,
        nonce=data.nonce,
        intent=data.intent,
        caller=identity.caller(),
    )
    return _answer(entered)


def code_of(body: CodeBody) -> Brought:
    """Return the code of a client that ran the redirect itself.

    Raises:
        InvalidFields: to a place that the settings do not list.
    """
    if body.redirect_uri not in current_vestibule().settings.oauth_redirect_uris:
        raise InvalidFields([_NOT_LISTED])
    return Brought(
        code=body.code,
        redirect_uri=body.redirect_uri,
        verifier=body.code_verifier,
        nonce=body.nonce,
    )


def named(provider: str) -> Provider:
    """Return a provider by the name in our paths.

    Raises:
        ProviderUnknown: the settings name none of that name.
    """
    try:
        return _providers()[provider]
    except KeyError:
        raise ProviderUnknown from None


def leave(begun: Begun) -> ResponseReturnValue:
    """Send a browser to its provider, and have it remember what it left for."""
    returning.remember(begun)
    return redirect(begun.url, 303)


def callback_of(provider: Provider) -> str:
    """Return where a provider sends browsers back to: never built from a request."""
    return _url(provider, "callback")


async def _come_back(provider: Provider, state: str) -> str:
    pending = returning.brought(state, surface=SURFACE)
    entered = await signing_in.come_back(
        current_vestibule().means,
        provider,
        pending,
        state=state,
        returned=returning.returned(),
        redirect_uri=_url(provider, "callback"),
        caller=identity.caller(),
        known=await identity.somebody(),
    )
    if entered is not None:
        identity.sign_in(entered.opened)
    assert pending is not None, "nothing else is finished"
    return pending.next


def _wants_page() -> bool:
    """Whether a person looks at this, and no program."""
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    return best == "text/html"


def _answer(entered: LoggedIn) -> LoginAnswer:
    assert entered.tokens is not None
    return LoginAnswer(
        account=AccountAnswer.of(entered.account),
        session=SessionAnswer.of(entered.opened.session, current=True),
        **TokensAnswer.of(entered.tokens).model_dump(),
    )


def _providers() -> Providers:
    return current_vestibule().means.part(Providers)


def _url(provider: Provider, what: str) -> str:
    assert request.url_rule is not None
    # What is ours of the path; a host may have mounted us below anything.
    ours = _OURS.search(request.url_rule.rule)
    assert ours is not None
    prefix = request.path.rsplit("/", ours[0].count("/"))[0]
    return f"{current_vestibule().settings.base_url}{prefix}/oauth/{provider.name}/{what}"


_NOT_LISTED = FieldError(
    "redirect_uri", "not_listed", "Send a redirect URI of VESTIBULE_OAUTH_REDIRECT_URIS."
)
