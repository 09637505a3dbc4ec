"""Where the links in letters lead. A GET shows a button, and only its POST spends anything."""

from quart import Blueprint, Response, redirect, request, url_for
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts import queries
from vestibule.accounts.verification import prove_by_link
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.sessions import store
from vestibule.web import guard, identity, reading
from vestibule.web.pages.rendering import page

_WORDS: dict[type[VestibuleError], tuple[int, str]] = {
    errors.ProofRefused: (
        400,
        "That is not the password of this sign-up, or the link is used or out of date.",
    ),
    errors.UsernameTaken: (409, "Your username was taken meanwhile. Choose another."),
    errors.InvalidUsername: (422, "A username has 3 to 80 letters, digits, _, . or -."),
    errors.TooManyAttempts: (429, "Too many wrong passwords. Sign up again, or wait a day."),
    errors.Busy: (503, "Too many people are here at this moment. Try again."),
    errors.DatabaseUnavailable: (503, "We cannot reach our database. Try again in a moment."),
}


def blueprint() -> Blueprint:
    """Return the landing pages, at the paths that the letters name."""
    landing = Blueprint("vestibule_landing", __name__)
    guard.protect(landing)

    @landing.get("/verify-email")
    @hide
    async def verify_email() -> ResponseReturnValue:
        """Ask for the password; without a token, say where somebody who just proved it stands."""
        token = request.args.get("token", "")
        if token:
            return await _form(token)
        known = await identity.somebody()
        return await page("verified.html", email=known.account.email if known else None)

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
        except tuple(_WORDS) as error:
            return await _again(fields["token"], error)
        if opened is not None:
            identity.sign_in(opened)
        return redirect(url_for(".verify_email"), 303)

    return landing


async def _form(token: str, **words: object) -> Response:
    shown: dict[str, object] = {"wrong": None, "ask_username": False} | words
    status = int(str(shown.pop("status", 200)))
    return await page(
        "verify_email.html",
        status,
        token=token,
        action=url_for(".verify_email"),
        **shown,
    )


async def _again(token: str, error: VestibuleError) -> Response:
    status, wrong = _WORDS[type(error)]
    ask_username = isinstance(error, (errors.UsernameTaken, errors.InvalidUsername))
    response = await _form(token, status=status, wrong=wrong, ask_username=ask_username)
    if isinstance(error, errors.TryLater):
        response.headers["Retry-After"] = str(error.retry_after)
    return response
