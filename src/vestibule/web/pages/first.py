"""`/dev/first-administrator`: where the link leads that a first start in development prints."""

from urllib.parse import quote

from quart import Blueprint, Response
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts.first import open_first, proof
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import VestibuleError
from vestibule.kernel.means import Means
from vestibule.web import guard, identity, reading
from vestibule.web.answers import Answers, envelope_headers
from vestibule.web.api.surface import weak
from vestibule.web.mailbox import only_from_here
from vestibule.web.pages.rendering import page

_PATH = "/dev/first-administrator"
_WORDS: Answers = {
    errors.ProofRefused: (
        400,
        "There is an administrator already, or this is another start's link.",
    ),
    errors.InvalidAddress: (422, "Type one plain e-mail address."),
    errors.WeakPassword: (422, weak),
    errors.AddressTaken: (409, "There is such an account: run vestibule accounts grant."),
    errors.Busy: (503, "Too many people are here at this moment. Try again."),
    errors.DatabaseUnavailable: (503, "We cannot reach our database. Try again in a moment."),
}


def link(means: Means) -> str:
    """Return where the first administrator's account is opened."""
    return f"{means.settings.base_url}{_PATH}/{proof(means.seals)}"


def blueprint() -> Blueprint:
    first = Blueprint("vestibule_first", __name__, url_prefix=_PATH)
    guard.protect(first)
    first.before_request(only_from_here)

    @first.get("/<proof>")
    @hide
    async def ask(proof: str) -> ResponseReturnValue:
        """Ask who the administrator is."""
        return _form(proof)

    @first.post("/<proof>")
    @hide
    async def open_(proof: str) -> ResponseReturnValue:
        """Open their account. It signs nobody in."""
        fields = await reading.form("email", "password")
        try:
            account = await current_vestibule().run(
                lambda unit: open_first(unit, proof=proof, **fields), caller=identity.caller()
            )
        except tuple(_WORDS) as error:
            return _form(proof, error=error)
        told = [f"{account.email} is the administrator. Log in with the password you chose."]
        return page("done.html", title="There is an administrator", told=told)

    return first


def _form(proof: str, *, error: VestibuleError | None = None) -> Response:
    status, words = _WORDS[type(error)] if error else (200, None)
    wrong = words(error) if callable(words) and error else words
    response = page("first_administrator.html", status, action=quote(proof, safe=""), wrong=wrong)
    return envelope_headers(response, error)
