"""The providers that the settings name."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from vestibule.federation.github import GitHub
from vestibule.federation.openid import GOOGLE, OpenId
from vestibule.federation.provider import Provider
from vestibule.kernel.settings import Settings
from vestibule.kernel.settings.values import is_loopback

DEMO = "demo"


class Providers(dict[str, Provider]):
    """By the name that they have in our paths, in the order in which they are offered."""


def choose(settings: Settings) -> Providers:
    """Return the providers that somebody can sign in with."""
    chosen = Providers()
    if settings.google_client_id:
        chosen[GOOGLE] = OpenId(
            name=GOOGLE,
            title="Google",
            issuer=settings.google_issuer,
            client_id=settings.google_client_id,
            secret=settings.google_client_secret,
            audiences=settings.google_audiences,
        )
    if settings.github_client_id and settings.github_client_secret:
        chosen["github"] = GitHub(
            issuer=settings.github_url,
            api=settings.github_api_url,
            client_id=settings.github_client_id,
            secret=settings.github_client_secret,
        )
    chosen.update(_named(settings))
    if not chosen and settings.in_development and is_loopback(_host(settings.base_url)):
        issuer = f"{settings.base_url}/dev/provider"
        chosen[DEMO] = OpenId(
            name=DEMO,
            title="the demo provider",
            issuer=issuer,
            client_id="vestibule",
            secret=None,
            trusted=True,
        )
    return chosen


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _named(settings: Settings) -> Mapping[str, Provider]:
    return {
        name: OpenId(
            name=name,
            title=each.title or name.replace("_", " ").title(),
            issuer=each.issuer,
            client_id=each.client_id,
            secret=each.client_secret,
            trusted=each.trust_email,
            audiences=each.audiences,
        )
        for name, each in settings.oidc.items()
    }
