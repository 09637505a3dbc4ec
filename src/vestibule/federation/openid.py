"""OpenID providers: Google, and any other that can be discovered."""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any  # Any: JSON
from urllib.parse import quote_plus

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from pydantic import SecretStr

from vestibule.accounts import profile
from vestibule.federation import discovery, id_tokens
from vestibule.federation.fetching import access_token, fetch_object, text
from vestibule.federation.provider import Asked, Brought, Person
from vestibule.kernel.errors import ProviderFailed
from vestibule.kernel.means import Means

GOOGLE = "google"
_SCOPE = "openid email profile"
_BASIC, _POST = "client_secret_basic", "client_secret_post"
_LONGEST_ADDRESS, _LONGEST_NAME, _LONGEST_PICTURE = 254, 100, 2000


@dataclass(frozen=True, kw_only=True)
class OpenId:
    """`trusted`: it is believed whose an address is. For Google there is a rule of its own."""

    name: str
    title: str
    issuer: str
    client_id: str
    secret: SecretStr | None
    trusted: bool = False
    audiences: tuple[str, ...] = ()  # further clients of ours, whose ID tokens are taken
    has_id_tokens: bool = True

    async def way_there(self, means: Means, asked: Asked) -> str:
        published = await discovery.metadata(means, self.issuer)
        return str(
            prepare_grant_uri(
                published["authorization_endpoint"],
                self.client_id,
                "code",
                redirect_uri=asked.redirect_uri,
                scope=_SCOPE,
                state=asked.state,
                nonce=asked.nonce,
                code_challenge=create_s256_code_challenge(asked.verifier),
                code_challenge_method="S256",
                login_hint=asked.login_hint,
            )
        )

    async def tells_issuer(self, means: Means) -> bool:
        published = await discovery.metadata(means, self.issuer)
        return published.get("authorization_response_iss_parameter_supported") is True

    async def check_issuer(self, means: Means, told: str | None) -> None:
        if told is None and not await self.tells_issuer(means):
            return
        if told != self.issuer:
            raise ProviderFailed("the answer is another issuer's")

    async def redeem(self, means: Means, brought: Brought) -> Person:
        if brought.nonce is None:
            raise ProviderFailed("there is no nonce")
        published = await discovery.metadata(means, self.issuer)
        form = {
            "grant_type": "authorization_code",
            "code": brought.code,
            "redirect_uri": brought.redirect_uri,
            "code_verifier": brought.verifier,
        }
        headers, more = self._credentials(published)
        answer = await fetch_object(
            means, "POST", published["token_endpoint"], headers=headers, form=form | more
        )
        token = access_token(answer)
        said = await id_tokens.verify(
            means,
            answer.get("id_token"),
            issuer=self.issuer,
            audiences=[self.client_id],
            nonce=brought.nonce,
            access_token=token,
        )
        return self._person(said, await self._more(means, published, said, token))

    async def read(self, means: Means, id_token: str, nonce: str) -> Person:
        said = await id_tokens.verify(
            means,
            id_token,
            issuer=self.issuer,
            audiences=[self.client_id, *self.audiences],
            nonce=nonce,
        )
        return self._person(said, said)

    def _credentials(self, published: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Return how we say who we are: in a header, or in the form (OpenID Connect Core, 9)."""
        if self.secret is None:
            return {}, {"client_id": self.client_id}
        secret = self.secret.get_secret_value()
        methods = published.get("token_endpoint_auth_methods_supported", [_BASIC])
        if isinstance(methods, list) and _BASIC not in methods and _POST in methods:
            return {}, {"client_id": self.client_id, "client_secret": secret}
        # Each part as a form would have it: RFC 6749, 2.3.1.
        pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}"
        return {"authorization": f"Basic {b64encode(pair.encode()).decode()}"}, {}

    async def _more(
        self, means: Means, published: Mapping[str, Any], said: Mapping[str, Any], token: str
    ) -> Mapping[str, Any]:
        """Return what there is to know of somebody, asked for where the ID token does not say."""
        endpoint = published.get("userinfo_endpoint")
        if "email" in said or endpoint is None:
            return said
        found = await fetch_object(
            means, "GET", endpoint, headers={"authorization": f"Bearer {token}"}
        )
        if found.get("sub") != said["sub"]:  # OpenID Connect Core, 5.3.2
            raise ProviderFailed("it tells of somebody else")
        return found

    def _person(self, said: Mapping[str, Any], more: Mapping[str, Any]) -> Person:
        email = text(more.get("email"), most=_LONGEST_ADDRESS)
        verified = email is not None and more.get("email_verified") is True
        return Person(
            issuer=self.issuer,
            subject=id_tokens.subject(said),
            email=email,
            vouched=verified and (self.trusted or self._is_googles(email, said)),
            given_name=text(more.get("given_name"), most=_LONGEST_NAME),
            family_name=text(more.get("family_name"), most=_LONGEST_NAME),
            picture=picture(more.get("picture")),
        )

    def _is_googles(self, email: str | None, said: Mapping[str, Any]) -> bool:
        """Whether Google gives the address out itself: of its own domain, or of a Workspace."""
        if self.name != GOOGLE or email is None:
            return False
        return email.lower().endswith("@gmail.com") or bool(text(said.get("hd"), most=253))


def picture(value: object) -> str | None:
    """Return where a picture is, if somebody could say so here; it is never fetched."""
    found = text(value, most=_LONGEST_PICTURE)
    return found if found and profile.is_picture(found) else None
