"""Where the link leads by which an account is kept; only the button's POST spends it."""

from quart import Blueprint, Response, request
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts.closing import keep
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.web import identity, reading
from vestibule.web.answers import Answers
from vestibule.web.pages.rendering import button, page

_WORDS: Answers = {
    errors.ProofRefused: (400, "This link is used or out of date, or the account is not closing."),
    errors.DatabaseUnavailable: (503, "We cannot reach our database. Try again in a moment."),
}


def add(landing: Blueprint) -> None:
    """Add the page to the landing pages."""

    @landing.get("/keep-account")
    @hide
    async def show_keeping() -> ResponseReturnValue:
        """Show a button that keeps the account."""
        return _keeping(request.args.get("token", ""))

    @landing.post("/keep-account")
    @hide
    async def keep_account() -> ResponseReturnValue:
        """Keep it."""
        fields = await reading.form("token")
        try:
            await current_vestibule().run(
                lambda unit: keep(unit, token=fields["token"]), caller=identity.caller()
            )
        except tuple(_WORDS) as error:
            return _keeping(fields["token"], error=error)
        return page("done.html", title="Your account is kept", told=["Log in as before."])


def _keeping(token: str, *, error: VestibuleError | None = None) -> Response:
    return button(
        _WORDS,
        error,
        title="Keep your account",
        told="It is closed, and will be erased. You can keep it as it was.",
        label="Keep my account",
        action="keep-account",
        token=token,
        ask_password=False,
    )
