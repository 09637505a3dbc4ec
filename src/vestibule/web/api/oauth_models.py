"""What goes in and out where somebody signs in with a provider."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from vestibule.web.api.models import Body, Moment, Typed

Intents = Literal["login", "signup", "either"]
Given = Annotated[str, Field(min_length=1, max_length=2000)]


class ProviderAnswer(BaseModel):
    """Somebody to sign in with. `start` is where a browser goes for it."""

    name: str
    title: str
    start: str


class ProvidersAnswer(BaseModel):
    """Whom the settings name."""

    providers: list[ProviderAnswer]


class StartQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    intent: Intents = Field(
        "either",
        description="`login` opens no new account; `signup` and `either` do for whoever has none.",
    )
    next: str | None = Field(
        None, description="Where to go afterwards: a path, or a URL of an origin that is allowed."
    )
    remember: bool = False
    login_hint: Typed | None = Field(None, description="Who is expected, if that is known.")


class CodeBody(Body):
    """A code, and what it was asked for with."""

    code: Given
    code_verifier: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-._~]{43,128}$")]
    redirect_uri: Given = Field(description="One of `VESTIBULE_OAUTH_REDIRECT_URIS`.")
    nonce: Given | None = Field(None, description="For every provider that has ID tokens.")
    iss: Given | None = Field(
        None,
        description="What came with the code (RFC 9207). Send it wherever there is one: it is "
        "needed where the provider announces it and there are several providers.",
    )


class ExchangeBody(CodeBody):
    """A code, what it was asked for with, and what for."""

    intent: Intents = "either"


class SignedBody(Body):
    """An ID token, and the nonce that it was asked for with."""

    id_token: Annotated[str, Field(min_length=1, max_length=16_384)]
    nonce: Given


class IdTokenBody(SignedBody):
    """An ID token, the nonce that it was asked for with, and what for."""

    intent: Intents = "either"


class IdentityAnswer(BaseModel):
    """An account elsewhere. `provider` is empty where nobody can sign in with it any more."""

    provider: str
    issuer: str
    email: str | None = Field(description="As it was when it was linked.")
    linked_at: Moment


class IdentitiesAnswer(BaseModel):
    """In the order in which they were linked."""

    identities: list[IdentityAnswer]


class LinkBody(Body):
    """Where to go afterwards."""

    next: str | None = Field(
        None, description="Where to go afterwards: a path, or a URL of an origin that is allowed."
    )


class LinkAnswer(BaseModel):
    """Where to send the browser. It comes back to our callback, which links what it brings."""

    url: str
