"""Where a browser stands after signing in with a provider, if nobody said where it should go."""

from http import HTTPStatus

from quart import Blueprint, request
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.web import identity
from vestibule.web.pages.rendering import page

_WORDS = {
    "no_account": "No account is signed in to by that. Sign up first, or sign in otherwise.",
    "provider_refused": "Nobody was signed in. Try again, and agree when you are asked.",
    "identity_taken": "That opens another account already.",
    "too_many_attempts": "There were too many attempts from your network. Wait for an hour.",
}
_OTHER = "It took too long, was begun elsewhere, or the other side did not answer. Try again."


def add(landing: Blueprint) -> None:
    """Add the pages to the landing pages."""

    @landing.get("/signed-in")
    @hide
    async def signed_in() -> ResponseReturnValue:
        """Say who is signed in."""
        known = await identity.somebody()
        if known is None:
            return page("done.html", title="You are not signed in", told=["Sign in first."])
        name = known.account.email or known.account.username or known.account.given_name
        told = [f"As {name}."] if name else []
        return page("done.html", title="You are signed in", told=told)

    @landing.get("/sign-in-failed")
    @hide
    async def sign_in_failed() -> ResponseReturnValue:
        """Say why; what came in the address chooses among our words, and is never shown."""
        words = _WORDS.get(request.args.get("error", ""), _OTHER)
        return page(
            "done.html", HTTPStatus.BAD_REQUEST, title="You could not be signed in", told=[words]
        )
