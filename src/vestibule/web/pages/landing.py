"""Where the links in letters lead. A GET shows a button, and only its POST spends anything."""

from quart import Blueprint, Response, redirect, request
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts.login import log_in_by_link
from vestibule.courier.rendering import spoken
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.web import device, guard, identity, reading
from vestibule.web.answers import Answers, envelope_headers, request_id, speak
from vestibule.web.pages import address, keeping, reset, sign_in
from vestibule.web.pages.rendering import page


def _link_refused(_error: VestibuleError) -> str:
    lifetime = spoken(current_vestibule().settings.sign_up_lifetime)
    return (
        "That is not the password of this sign-up, or the link is used or out of date. If you have "
        f"confirmed already, log in. If the link is older than {lifetime}, sign up again."
    )


ANSWERS: Answers = {
    errors.BadCredentials: (401, "That is not right."),
    errors.ProofRefused: (
        400,
        _link_refused,
    ),
    errors.MalformedBody: (400, "The form arrived broken. Open the link in your letter again."),
    errors.WrongMediaType: (415, "Use the form on the page that your letter's link opens."),
    errors.InvalidFields: (422, "Use the form on the page that your letter's link opens."),
    errors.IdentifierMissing: (422, "Sign up again, with an address or a username."),
    errors.InvalidAddress: (422, "Sign up again, with one plain e-mail address."),
    errors.InvalidUsername: (422, "A username has 3 to 80 letters, digits, _, . or -."),
    errors.WeakPassword: (422, "Sign up again, with another password."),
    errors.TooManyAttempts: (429, "Too many wrong passwords. Sign up again, or wait a day."),
    errors.Busy: (503, "Too many people are here at this moment. Try again."),
    errors.DatabaseUnavailable: (503, "We cannot reach our database. Try again in a moment."),
    errors.UsernameTaken: (409, "Your username was taken meanwhile. Choose another."),
    errors.AddressTaken: (409, "There is an account for this address. Log in instead."),
    errors.NotSignedIn: (401, "Log in first."),
    errors.AddressNotProved: (403, "Confirm your e-mail address first."),
    errors.RoleRequired: (403, "This is for others."),
    errors.BeyondPowers: (403, "This is for others."),
    errors.NotOneself: (403, "This is for others."),
    errors.ScopeRequired: (403, "This is for others."),
    errors.ReauthenticationRequired: (403, "Log in again first."),
    errors.SessionRequired: (403, "Log in first."),
    errors.NoCodeByLetter: (409, "Log in with your password."),
    errors.ProviderUnknown: (404, "Nobody can sign in that way here."),
    errors.StateRefused: (400, "That took too long, or was begun elsewhere. Begin again."),
    errors.ProviderRefused: (400, "Nobody was signed in. Begin again."),
    errors.ProviderFailed: (424, "The other side did not answer as it should. Try again later."),
    errors.NoAccount: (403, "No account is signed in to by that."),
    errors.IdentityUnknown: (404, "Nobody signs in to your account that way."),
    errors.IdentityTaken: (409, "That opens another account."),
    errors.LastWayIn: (409, "Nobody could sign in to your account any more."),
    errors.RoleUnknown: (404, "There is no such role."),
    errors.AccountUnknown: (404, "There is no such account."),
    errors.LetterUnknown: (404, "There is no such letter."),
    errors.SessionUnknown: (404, "You have no such session."),
    errors.ApiKeyUnknown: (404, "There is no such key."),
    errors.TooManyApiKeys: (409, "There are too many keys."),
    errors.SigningKeyUnknown: (404, "There is no such key."),
    errors.TokenRefused: (401, "Log in again."),
    errors.CrossSite: (403, "Another site sent this form. Open the link in your letter again."),
    errors.WrongHost: (421, "Nothing here has this name."),
    errors.HttpsRequired: (403, "Open the link in your letter again; it begins with https."),
}

# Relative: a proxy may keep us under a path of its own.
_HERE = "verify-email"

# After these somebody may want to try once more, with the form still there.
_TRY_AGAIN = (
    errors.ProofRefused,
    errors.UsernameTaken,
    errors.InvalidUsername,
    errors.TooManyAttempts,
    errors.Busy,
    errors.DatabaseUnavailable,
)


def blueprint() -> Blueprint:
    """Return the landing pages, at the paths that the letters name."""
    landing = Blueprint("vestibule_landing", __name__)
    guard.protect(landing)
    landing.before_request(reading.receive)
    landing.record_once(identity.needed)
    speak(landing, ANSWERS, _wrong)
    reset.add(landing)
    sign_in.add(landing)
    address.add(landing)
    keeping.add(landing)

    @landing.get("/verify-email")
    @hide
    async def verify_email() -> ResponseReturnValue:
        """Ask for the password; without a token, say where somebody who just proved it stands."""
        token = request.args.get("token", "")
        if token:
            return _form(token)
        known = await identity.somebody()
        return page("verified.html", email=known.account.email if known else None)

    @landing.post("/verify-email")
    @hide
    async def prove() -> ResponseReturnValue:
        """Open the account of the link, and sign in."""
        fields = await reading.form("token", "password", "username")
        former = await identity.somebody()
        try:
            entered = await current_vestibule().run(
                lambda unit: log_in_by_link(
                    unit,
                    token=fields["token"],
                    password=fields["password"],
                    username=fields["username"] or None,
                    instead_of=former,
                ),
                caller=identity.caller(),
            )
        except _TRY_AGAIN as error:
            return _form(fields["token"], error=error)
        identity.sign_in(entered.opened)
        device.leave(entered.device)
        return redirect(_HERE, 303)

    return landing


def _form(token: str, *, error: VestibuleError | None = None) -> Response:
    status, words = ANSWERS[type(error)] if error else (200, None)
    wrong = words(error) if callable(words) and error else words
    response = page(
        "verify_email.html",
        status,
        token=token,
        action=_HERE,
        wrong=wrong,
        ask_username=isinstance(error, (errors.UsernameTaken, errors.InvalidUsername)),
    )
    return envelope_headers(response, error)


def _wrong(status: int, _code: str, detail: str, error: VestibuleError | None) -> Response:
    response = page("wrong.html", status, detail=detail, request_id=request_id())
    return envelope_headers(response, error)
