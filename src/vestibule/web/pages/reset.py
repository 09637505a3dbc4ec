"""Where the link to a new password leads; only the form's POST spends it."""

from urllib.parse import quote

from quart import Blueprint, Response
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts.resetting import reset_by_link
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.web import device, identity, reading
from vestibule.web.answers import Answers, envelope_headers
from vestibule.web.api.surface import weak
from vestibule.web.pages.rendering import page

# What this page says otherwise than the others, with the form still there.
_WORDS: Answers = {
    errors.ProofRefused: (
        400,
        "This link is used or out of date, or your password was changed since. Ask for a new one.",
    ),
    errors.WeakPassword: (422, weak),
    errors.Busy: (503, "Too many people are here at this moment. Try again."),
    errors.DatabaseUnavailable: (503, "We cannot reach our database. Try again in a moment."),
}


def add(landing: Blueprint) -> None:
    """Add the page to the landing pages."""

    @landing.get("/reset-password/<token>")
    @hide
    async def ask_for_password(token: str) -> ResponseReturnValue:
        """Ask for a new password."""
        return _form(token)

    @landing.post("/reset-password/<token>")
    @hide
    async def set_password(token: str) -> ResponseReturnValue:
        """Set it. It signs nobody in."""
        fields = await reading.form("password")
        try:
            done = await current_vestibule().run(
                lambda unit: reset_by_link(unit, token=token, password=fields["password"]),
                caller=identity.caller(),
            )
        except tuple(_WORDS) as error:
            return _form(token, error=error)
        device.leave(done.device)
        return page(
            "done.html",
            title="Your password is changed",
            told=["You are signed out on every device. Log in with the new password."],
        )


def _form(token: str, *, error: VestibuleError | None = None) -> Response:
    status, words = _WORDS[type(error)] if error else (200, None)
    wrong = words(error) if callable(words) and error else words
    # Relative, and so right under a path of a proxy, too.
    response = page("reset_password.html", status, action=quote(token, safe=""), wrong=wrong)
    return envelope_headers(response, error)
