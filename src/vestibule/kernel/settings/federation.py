"""Which providers people can sign in with."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr
from pydantic_settings import NoDecode

from vestibule.kernel.settings.group import PREFIX, Group
from vestibule.kernel.settings.values import CommaSeparated, PlainUrl, Problems, is_loopback

_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_LONGEST, _LONGEST_NAME = 255, 40  # characters; a name has to fit into the audit log
_OWN = frozenset({"google", "github", "demo"})
NAMED = re.compile(
    f"{PREFIX}OIDC_([A-Z0-9_]+?)_(ISSUER|CLIENT_ID|CLIENT_SECRET|TRUST_EMAIL|TITLE|AUDIENCES)"
)


def _issuer(url: str) -> str:
    """Keep an issuer to the byte: what it calls itself is compared with it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be a URL such as https://login.example.com")
    if parts.query or parts.fragment or len(url) > _LONGEST:
        raise ValueError("must be scheme, host and path alone, in 255 characters")
    return url


Issuer = Annotated[str, AfterValidator(_issuer)]


class Oidc(BaseModel):
    """One OpenID provider, of the variables that begin with its name."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    issuer: Issuer
    client_id: str
    client_secret: SecretStr | None = None
    trust_email: bool = False
    title: str = ""
    audiences: Annotated[tuple[str, ...], CommaSeparated] = ()


class Federation(Group):
    title: ClassVar = "Signing in with providers"

    google_client_id: str = ""
    """The client id of Google's console; with it people can sign in with Google."""

    google_client_secret: SecretStr | None = None
    """The client's secret."""

    google_audiences: Annotated[tuple[str, ...], NoDecode, CommaSeparated] = ()
    """Client ids of your native apps, separated by commas, whose ID tokens are taken at
    `/v1/oauth/google/id-token` as well."""

    google_issuer: Issuer = "https://accounts.google.com"
    """Where Google is discovered; another one for tests."""

    github_client_id: str = ""
    """The client id of an OAuth app at GitHub; with its secret people can sign in with GitHub."""

    github_client_secret: SecretStr | None = None
    """The client's secret."""

    github_url: PlainUrl = "https://github.com"
    """Where people sign in; for GitHub Enterprise the address of your server. Changing it later
    makes everybody who signed in with the former one a stranger."""

    github_api_url: PlainUrl = "https://api.github.com"
    """Where GitHub's API answers; for GitHub Enterprise `https://…/api/v3`."""

    oidc: Annotated[Mapping[str, Oidc], NoDecode] = {}
    """Any other OpenID provider, by a name of your choice in each of its variables:
    `VESTIBULE_OIDC_KEYCLOAK_ISSUER`, `…_CLIENT_ID`, `…_CLIENT_SECRET`, and if you like `…_TITLE`,
    `…_AUDIENCES` (as Google's). `…_TRUST_EMAIL=true` believes it that an address which it calls
    verified belongs to the person: whoever runs the provider can enter every account by its
    address, so set it for your own alone."""

    oauth_redirect_uris: Annotated[tuple[str, ...], NoDecode, CommaSeparated] = ()
    """Redirect URIs of clients that run the redirect themselves and send the code to
    `/v1/oauth/{provider}/exchange`, separated by commas, to the letter."""

    signed_in_url: PlainUrl = ""
    """Where a browser goes after signing in with a provider, if it did not say: a page of the
    service's own origin, or of `VESTIBULE_ALLOWED_ORIGINS`. Default: a page of ours."""

    def problems(self) -> Problems:
        if self.google_client_id and self.google_client_secret is None:
            yield "google_client_secret", "set it beside the client id"
        if bool(self.github_client_id) != (self.github_client_secret is not None):
            yield "github_client_secret", "set client id and secret, or neither"
        yield from self._named_wrongly()
        if self.in_development:
            return
        for field in ("google_issuer", "github_url", "github_api_url"):
            if urlsplit(getattr(self, field)).scheme != "https":
                yield field, "is http; production needs https"

    def _named_wrongly(self) -> Iterator[tuple[str, str]]:
        for name, each in self.oidc.items():
            if name in _OWN or not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
                yield (
                    "oidc",
                    f"{name}: choose another name, of letters, digits and single _, at most 40",
                )
            parts = urlsplit(each.issuer)
            if parts.scheme != "https" and not self.in_development:
                yield "oidc", f"{name}: its issuer is http; production needs https"
        issuers = [each.issuer for each in self.oidc.values()]
        issuers += [self.google_issuer] if self.google_client_id else []
        issuers += [self.github_url] if self.github_client_id else []
        if len(set(issuers)) < len(issuers):
            yield "oidc", "two providers have the same issuer"
        for uri in self.oauth_redirect_uris:
            parts = urlsplit(uri)
            loopback = parts.scheme == "http" and is_loopback(parts.hostname or "")
            if parts.scheme in ("", "http") and not loopback:
                yield "oauth_redirect_uris", "each must be https, or an app's own scheme"


def gathered(variables: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what `VESTIBULE_OIDC_<NAME>_…` variables say, by name."""
    found: dict[str, dict[str, Any]] = {}
    for variable, value in variables.items():
        if value and (parts := NAMED.fullmatch(variable.upper())):
            found.setdefault(parts[1].lower(), {})[parts[2].lower()] = value
    return found
