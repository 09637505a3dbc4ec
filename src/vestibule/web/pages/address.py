"""Where the links about addresses lead; only a button's POST spends anything."""

from quart import Blueprint, Response, request
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts.address import change_by_link
from vestibule.accounts.undoing import undo_change
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.web import identity, reading
from vestibule.web.answers import Answers
from vestibule.web.pages.rendering import button, page

_SHARED: Answers = {
    errors.AddressTaken: (409, "Another account has this address by now."),
    errors.TooManyAttempts: (
        429,
        "Too many wrong passwords. Wait a day, or ask for another letter.",
    ),
    errors.Busy: (503, "Too many people are here at this moment. Try again."),
    errors.DatabaseUnavailable: (503, "We cannot reach our database. Try again in a moment."),
}
_CONFIRMING: Answers = {
    **_SHARED,
    errors.ProofRefused: (
        400,
        "That is not the account's password, or the link is used, out of date or replaced.",
    ),
    errors.NotSignedIn: (401, "Type the password of the account that is to have this address."),
}
_UNDOING: Answers = {
    **_SHARED,
    errors.ProofRefused: (400, "This link is used, out of date, or of an account that is shut."),
}


def add(landing: Blueprint) -> None:
    """Add the pages to the landing pages."""

    @landing.get("/confirm-email")
    @hide
    async def show_confirmation() -> ResponseReturnValue:
        """Show a button that proves the new address; who is signed out sends a password, too."""
        known = await identity.somebody()
        return _confirmation(request.args.get("token", ""), ask_password=known is None)

    @landing.post("/confirm-email")
    @hide
    async def confirm() -> ResponseReturnValue:
        """Prove the new address."""
        fields = await reading.form("token", "password")
        known = await identity.somebody()
        try:
            account = await current_vestibule().run(
                lambda unit: change_by_link(
                    unit, token=fields["token"], password=fields["password"], caller=known
                ),
                caller=identity.caller(),
            )
        except tuple(_CONFIRMING) as error:
            return _confirmation(fields["token"], ask_password=True, error=error)
        told = f"Letters of your account go to {account.email} from now on. Log in with it."
        return page("done.html", title="Your address is confirmed", told=[told])

    @landing.get("/undo-email")
    @hide
    async def show_undoing() -> ResponseReturnValue:
        """Show a button that brings the former address back."""
        return _undoing(request.args.get("token", ""))

    @landing.post("/undo-email")
    @hide
    async def undo() -> ResponseReturnValue:
        """Bring the former address back."""
        fields = await reading.form("token")
        try:
            account = await current_vestibule().run(
                lambda unit: undo_change(unit, token=fields["token"]), caller=identity.caller()
            )
        except tuple(_UNDOING) as error:
            return _undoing(fields["token"], error=error)
        told = [
            f"It has the address {account.email}, and everybody is signed out.",
            "A letter is on its way there, with a link to a new password.",
        ]
        return page("done.html", title="The account is yours again", told=told)


def _confirmation(
    token: str, *, ask_password: bool, error: VestibuleError | None = None
) -> Response:
    return button(
        _CONFIRMING,
        error,
        title="Confirm your new address",
        told="Your account gets this address, and letters about it come here from then on.",
        label="Confirm",
        action="confirm-email",
        token=token,
        ask_password=ask_password,
    )


def _undoing(token: str, *, error: VestibuleError | None = None) -> Response:
    return button(
        _UNDOING,
        error,
        title="Take your account back",
        told="It gets this address back, everybody is signed out, and you choose a new password.",
        label="This was not me: take it back",
        action="undo-email",
        token=token,
        ask_password=False,
    )
