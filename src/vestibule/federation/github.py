"""GitHub, and GitHub Enterprise: OAuth 2.0 without ID tokens, and an API that says who it is."""

from dataclasses import dataclass

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from pydantic import SecretStr

from vestibule.federation.fetching import access_token, fetch, fetch_object, text
from vestibule.federation.openid import picture
from vestibule.federation.provider import Asked, Brought, Person
from vestibule.kernel.errors import ProviderFailed
from vestibule.kernel.means import Means

_SCOPE = "read:user user:email"
_LONGEST_ADDRESS, _LONGEST_NAME = 254, 100
_HIGHEST = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """`issuer` is its base URL: whom it tells of by number are its own people."""

    issuer: str
    api: str
    client_id: str
    secret: SecretStr
    name: str = "github"
    title: str = "GitHub"
    has_id_tokens: bool = False

    async def way_there(self, means: Means, asked: Asked) -> str:
        return str(
            prepare_grant_uri(
                f"{self.issuer}/login/oauth/authorize",
                self.client_id,
                "code",
                redirect_uri=asked.redirect_uri,
                scope=_SCOPE,
                state=asked.state,
                code_challenge=create_s256_code_challenge(asked.verifier),
                code_challenge_method="S256",
                login=asked.login_hint,
            )
        )

    async def tells_issuer(self, means: Means) -> bool:
        return False

    async def check_issuer(self, means: Means, told: str | None) -> None:
        if told is not None and told not in (self.issuer, f"{self.issuer}/login/oauth"):
            raise ProviderFailed("the answer is another issuer's")

    async def redeem(self, means: Means, brought: Brought) -> Person:
        answer = await fetch_object(
            means,
            "POST",
            f"{self.issuer}/login/oauth/access_token",
            form={
                "grant_type": "authorization_code",
                "client_id": self.client_id,
                "client_secret": self.secret.get_secret_value(),
                "code": brought.code,
                "redirect_uri": brought.redirect_uri,
                "code_verifier": brought.verifier,
            },
        )
        headers = {"authorization": f"Bearer {access_token(answer)}"}
        user = await fetch_object(means, "GET", f"{self.api}/user", headers=headers)
        number = user.get("id")
        if type(number) is not int or not 0 < number <= _HIGHEST:  # True is an int, too
            raise ProviderFailed("it tells of nobody")
        # Never the address of /user: that is what somebody shows, verified or not.
        emails = await fetch(means, "GET", f"{self.api}/user/emails", headers=headers)
        email = _primary(emails)
        given, _, family = (text(user.get("name"), most=2 * _LONGEST_NAME) or "").partition(" ")
        return Person(
            issuer=self.issuer,
            subject=str(number),
            email=email,
            vouched=email is not None,
            given_name=text(given, most=_LONGEST_NAME),
            family_name=text(family, most=_LONGEST_NAME),
            picture=picture(user.get("avatar_url")),
        )

    async def read(self, means: Means, id_token: str, nonce: str) -> Person:
        raise ProviderFailed("it has no ID tokens")


def _primary(emails: object) -> str | None:
    """Return the one address that is primary and verified; the others may be somebody else's."""
    if not isinstance(emails, list):
        raise ProviderFailed("it lists no addresses")
    for each in emails:
        if isinstance(each, dict) and each.get("primary") is True and each.get("verified") is True:
            return text(each.get("email"), most=_LONGEST_ADDRESS)
    return None
