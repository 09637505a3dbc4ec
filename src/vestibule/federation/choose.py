"""The providers that the settings name."""

from collections.abc import Mapping

from vestibule.federation.github import GitHub
from vestibule.federation.openid import GOOGLE, OpenId
from vestibule.federation.provider import Provider
from vestibule.kernel.settings import Settings


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
    return chosen


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
