"""`/dev/provider`: an OpenID provider for whoever sits at this machine, to see the whole way.

Whoever says an address has it. So it is there in development alone, under the rules of
`/dev/mailbox`, and only where nobody has set up another provider. Everything is in this process.
"""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey
from quart import Blueprint, abort, jsonify, redirect, request
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts import names
from vestibule.extension import current_vestibule
from vestibule.federation.choose import DEMO, Providers
from vestibule.federation.openid import OpenId
from vestibule.kernel.errors import InvalidAddress
from vestibule.web import guard, reading
from vestibule.web.mailbox import only_from_here
from vestibule.web.pages.rendering import page

_ALGORITHM = "ES256"
_MOST = 100  # codes that nobody has brought back
_LIFETIME = 60  # seconds of an ID token
_ASKED = ("client_id", "redirect_uri", "state", "nonce", "code_challenge")


@dataclass(frozen=True)
class _Agreed:
    """What a code stands for."""

    email: str
    given_name: str
    redirect_uri: str
    nonce: str
    challenge: str


def blueprint() -> Blueprint:
    provider = Blueprint("vestibule_demo", __name__, url_prefix="/dev/provider")
    guard.protect(provider)
    provider.before_request(only_from_here)
    key = ECKey.generate_key("P-256", {"kid": token_urlsafe(8), "use": "sig", "alg": _ALGORITHM})
    agreed: OrderedDict[str, _Agreed] = OrderedDict()

    @provider.get("/.well-known/openid-configuration")
    @hide
    async def metadata() -> ResponseReturnValue:
        """Say what there is, as every OpenID provider does."""
        issuer = _demo().issuer
        return jsonify(
            issuer=issuer,
            authorization_endpoint=f"{issuer}/authorize",
            token_endpoint=f"{issuer}/token",
            jwks_uri=f"{issuer}/keys",
            authorization_response_iss_parameter_supported=True,
            id_token_signing_alg_values_supported=[_ALGORITHM],
            code_challenge_methods_supported=["S256"],
        )

    @provider.get("/keys")
    @hide
    async def keys() -> ResponseReturnValue:
        """Publish the key that signs."""
        return jsonify(keys=[key.as_dict(private=False)])

    @provider.get("/authorize")
    @hide
    async def ask() -> ResponseReturnValue:
        """Ask who somebody wants to be."""
        return page("demo_provider.html", asked=_asked(), wrong=None)

    @provider.post("/authorize")
    @hide
    async def agree() -> ResponseReturnValue:
        """Send them back as who they say they are."""
        asked = _asked()
        fields = await reading.form("email", "given_name")
        try:
            email = names.address(fields["email"]).typed
        except InvalidAddress:
            wrong = "Type one plain e-mail address."
            return page("demo_provider.html", 422, asked=asked, wrong=wrong)
        while len(agreed) >= _MOST:
            agreed.popitem(last=False)
        code = token_urlsafe(16)
        agreed[code] = _Agreed(
            email,
            fields["given_name"],
            asked["redirect_uri"],
            asked["nonce"],
            asked["code_challenge"],
        )
        brought = {"code": code, "state": asked["state"], "iss": _demo().issuer}
        return redirect(f"{asked['redirect_uri']}?{urlencode(brought)}", 303)

    @provider.post("/token")
    @hide
    async def exchange() -> ResponseReturnValue:
        """Say who a code stands for, once, to whoever asked for it."""
        fields = await reading.form("code", "code_verifier", "redirect_uri", "client_id")
        found = agreed.pop(fields["code"], None)
        verifier, brought = fields["code_verifier"], fields["redirect_uri"]
        proof = create_s256_code_challenge(verifier) if verifier.isascii() else ""
        if found is None or (proof, brought) != (found.challenge, found.redirect_uri):
            return jsonify(error="invalid_grant"), 400
        now = int(current_vestibule().means.clock.now().timestamp())
        said = {
            "iss": _demo().issuer,
            "aud": _demo().client_id,
            "sub": sha256(names.address(found.email).key.encode()).hexdigest(),
            "iat": now,
            "exp": now + _LIFETIME,
            "nonce": found.nonce,
            "email": found.email,
            "email_verified": True,
            "given_name": found.given_name,
        }
        token = jwt.encode({"alg": _ALGORITHM, "kid": key.kid}, said, key)
        return jsonify(access_token=token_urlsafe(16), token_type="Bearer", id_token=token)

    return provider


def _demo() -> OpenId:
    """Return the provider as the service knows it."""
    found = current_vestibule().means.part(Providers).get(DEMO)
    if not isinstance(found, OpenId):
        abort(404)
    return found


def _asked() -> dict[str, str]:
    """Return what our own service asked for; nobody else is sent back anywhere."""
    asked = {name: request.args.get(name, "") for name in _ASKED}
    is_ours = asked["redirect_uri"].startswith(f"{current_vestibule().settings.base_url}/")
    if asked["client_id"] != _demo().client_id or not is_ours:
        abort(404)
    return asked
