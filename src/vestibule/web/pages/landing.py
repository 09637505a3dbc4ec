"""Where the links in letters lead. A GET shows a button, and only its POST spends anything."""

from quart import Blueprint, Response, redirect, request, url_for
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts import devices, queries
from vestibule.accounts.verification import prove_by_link
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.sessions import store
from vestibule.web import device, guard, identity, reading
from vestibule.web.answers import Answers, envelope_headers, request_id, speak
from vestibule.web.pages.rendering import page

ANSWERS: Answers = {
    errors.BadCredentials: (401, "That is not right."),
    errors.ProofRefused: (
        400,
        "That is not the password of this sign-up, or the link is used or out of date.",
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
    errors.SessionUnknown: (404, "You have no such session."),
    errors.CrossSite: (403, "Another site sent this form. Open the link in your letter again."),
}

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
    speak(landing, ANSWERS, _wrong)

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
        try:
            async with current_vestibule().unit(caller=identity.caller()) as unit:
                account = await prove_by_link(
                    unit,
                    token=fields["token"],
                    password=fields["password"],
                    username=fields["username"] or None,
                )
                owner = queries.unchanged(account.id, seen=account.password_hash)
                opened = await store.open_for(unit, owner, remember=False)
                left = devices.leave(unit, account.id, password_hash=account.password_hash or "")
        except _TRY_AGAIN as error:
            return _form(fields["token"], error=error)
        if opened is not None:
            identity.sign_in(opened)
            device.leave(left)
        return redirect(url_for(".verify_email"), 303)

    return landing


def _form(token: str, *, error: VestibuleError | None = None) -> Response:
    status, wrong = ANSWERS[type(error)] if error else (200, None)
    response = page(
        "verify_email.html",
        status,
        token=token,
        action=url_for(".verify_email"),
        wrong=wrong,
        ask_username=isinstance(error, (errors.UsernameTaken, errors.InvalidUsername)),
    )
    return envelope_headers(response, error)


def _wrong(status: int, _code: str, detail: str, error: VestibuleError | None) -> Response:
    response = page("wrong.html", status, detail=detail, request_id=request_id())
    return envelope_headers(response, error)
