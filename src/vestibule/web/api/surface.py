"""The native API: its routes, and its words for every error."""

from typing import cast

from quart import Blueprint, Quart
from quart.blueprints import BlueprintSetupState
from quart_schema import QuartSchema

from vestibule.accounts import policy
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.web import cors, guard, identity, reading
from vestibule.web.answers import Answers, speak
from vestibule.web.api import (
    accounts,
    address,
    administration,
    api_keys,
    audit,
    closing,
    confirmation,
    identities,
    oauth,
    oversight,
    passwords,
    sessions,
    tokens,
    verification,
)

_WEAK = {
    "too_short": f"Choose a password of at least {policy.SHORTEST} characters.",
    "too_long": f"Choose a password of at most {policy.LONGEST} characters.",
    "common": "This password is among those that are tried first. Choose another.",
    "personal": "A name or an address is no password. Choose another.",
    "breached": "This password is known from a data breach. Choose another, here and elsewhere.",
}


def weak(error: VestibuleError) -> str:
    """Say what is wrong with a password that somebody chose."""
    assert isinstance(error, errors.WeakPassword)
    return _WEAK[error.reason]


def _wait(error: VestibuleError) -> str:
    assert isinstance(error, errors.TryLater)
    hours, seconds = divmod(error.retry_after, 3600)
    wait = f"{hours} h {seconds // 60} min" if hours else f"{seconds // 60} min {seconds % 60} s"
    return f"Too many attempts. Try again in {wait}."


ANSWERS: Answers = {
    errors.BadCredentials: (401, "Wrong e-mail address, username or password."),
    errors.ProofRefused: (400, "The code or link is wrong, used or out of date."),
    errors.TokenRefused: (401, "This refresh token is no longer good. Log in again."),
    errors.MalformedBody: (400, str),
    errors.WrongMediaType: (415, "Send application/json in UTF-8."),
    errors.InvalidFields: (422, "Some fields are not as they must be; see errors."),
    errors.IdentifierMissing: (422, "Send an email, a username, or both."),
    errors.InvalidAddress: (422, "Send one plain e-mail address, such as ada@example.org."),
    errors.InvalidUsername: (422, "Send 3 to 80 letters, digits, _, . or -."),
    errors.WeakPassword: (422, weak),
    errors.TooManyAttempts: (429, _wait),
    errors.Busy: (503, "Too many people are logging in at this moment. Try again."),
    errors.DatabaseUnavailable: (503, "The service cannot reach its database. Try again."),
    errors.UsernameTaken: (409, "This username is taken. Choose another."),
    errors.AddressTaken: (409, "An account has this address."),
    errors.NotSignedIn: (401, "Log in first."),
    errors.AddressNotProved: (403, "This is for accounts with a proved e-mail address."),
    errors.RoleRequired: (403, "This is for accounts with another role."),
    errors.BeyondPowers: (403, "This takes powers, or gives powers, that you do not have."),
    errors.NotOneself: (403, "It takes another administrator."),
    errors.ScopeRequired: (403, "This is for who has the scope that it asks for."),
    errors.ReauthenticationRequired: (
        403,
        "Say who you are once more: send your password to POST /v1/me/confirm, then try again.",
    ),
    errors.SessionRequired: (403, "This is for people who are signed in, not for API keys."),
    errors.NoCodeByLetter: (409, "Codes go to proved addresses of accounts without a password."),
    errors.ProviderUnknown: (
        404,
        "Nobody can sign in with a provider of that name; see /v1/oauth.",
    ),
    errors.StateRefused: (
        400,
        "This sign-in was begun elsewhere or too long ago, or is finished. Begin again.",
    ),
    errors.ProviderRefused: (400, "The provider did not sign anybody in. Begin again."),
    errors.ProviderFailed: (
        424,
        "The provider cannot be reached, or its answer is not to be believed. Try again later.",
    ),
    errors.NoAccount: (403, "No account that is open is signed in to by this."),
    errors.IdentityUnknown: (404, "Nobody of this provider signs in to your account."),
    errors.IdentityTaken: (409, "This opens another account."),
    errors.LastWayIn: (
        409,
        "Nobody could sign in to your account any more. Set a password, or link another one first.",
    ),
    errors.RoleUnknown: (404, "There is no such role."),
    errors.AccountUnknown: (404, "There is no such account."),
    errors.LetterUnknown: (404, "No letter that was given up and may still be sent has this id."),
    errors.SessionUnknown: (404, "You have no such session."),
    errors.ApiKeyUnknown: (404, "You have no such API key."),
    errors.TooManyApiKeys: (409, "You have as many API keys as you may. Remove one first."),
    errors.SigningKeyUnknown: (404, "No signing key in use has this id."),
    errors.CrossSite: (403, str),
    # RFC 9110, 15.5.20: not one of those that this server answers for.
    errors.WrongHost: (421, "Nothing here has this name. See VESTIBULE_ALLOWED_HOSTS."),
    errors.HttpsRequired: (403, "Send this over https."),
}


def blueprint() -> Blueprint:
    """Return the native API, to be registered under any prefix; the service uses `/v1`.

    `register_blueprint(blueprint(), url_prefix="/auth")` puts `/auth` in the place of `/v1`.
    """
    api = Blueprint("vestibule_api", __name__, url_prefix="/v1")
    api.register_blueprint(accounts.blueprint)
    api.register_blueprint(sessions.blueprint)
    api.register_blueprint(tokens.blueprint)
    api.register_blueprint(confirmation.blueprint)
    api.register_blueprint(passwords.blueprint)
    api.register_blueprint(address.blueprint)
    api.register_blueprint(closing.blueprint)
    api.register_blueprint(api_keys.blueprint)
    api.register_blueprint(oauth.blueprint)
    api.register_blueprint(identities.blueprint)
    api.register_blueprint(audit.blueprint)
    api.register_blueprint(verification.blueprint)
    api.register_blueprint(administration.blueprint)
    api.register_blueprint(oversight.blueprint)
    guard.protect(api)
    api.after_request(cors.open_to_listed_origins)
    api.before_request(reading.receive)
    api.before_request(reading.check_json)
    api.record_once(identity.needed)
    api.record_once(_read_bodies)
    speak(api, ANSWERS)
    return api


def _read_bodies(state: BlueprintSetupState) -> None:
    """Have quart-schema where the host has none: the routes need it.

    At the start: a host's own may come after us, and a second one would not be taken.
    """
    app = cast(Quart, state.app)

    @app.before_serving
    async def have_schema() -> None:
        if "QUART_SCHEMA" not in app.extensions:
            QuartSchema(
                app,
                openapi_path=None,
                swagger_ui_path=None,
                redoc_ui_path=None,
                scalar_ui_path=None,
            )
