"""The tokens of the classic dialect, and what it says of those it refuses."""

from uuid import uuid4

from quart import Response, json

from vestibule.accounts import presence
from vestibule.accounts.models import Account
from vestibule.accounts.presence import Held
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import AccountUnknown, NotSignedIn, VestibuleError, Why
from vestibule.kernel.settings import Settings
from vestibule.sessions.models import Kind
from vestibule.sessions.terms import Terms
from vestibule.tokens.access import Form
from vestibule.tokens.checks import LEEWAY
from vestibule.web import identity
from vestibule.web.answers import Answers, envelope_headers
from vestibule.web.dialects import words
from vestibule.web.dialects.jwt_words import NOT_ACCESS, NOT_REFRESH, BadHeader, bearer

NAME = "classic"

ACCESS, REFRESH = "access", "refresh"
_ONLY = {ACCESS: NOT_ACCESS, REFRESH: NOT_REFRESH}
_ROLES = ("admin", "editor", "user")  # an account shows the first that it has

ANSWERS: Answers = {
    **words.COMMON,
    errors.BadCredentials: (401, "Invalid credentials"),
    errors.NotSignedIn: (401, "Authentication required"),
    errors.RoleRequired: (403, "Insufficient permissions"),
    errors.NotOneself: (403, "You cannot delete your own account."),
    errors.AccountUnknown: (404, "User not found"),
}


async def held(use: str = ACCESS) -> Held:
    """Return who holds the token that came along.

    Raises:
        NotSignedIn, BadHeader: with what Flask-JWT-Extended would find.
        AccountUnknown: it was good, and its account is gone.
    """
    await identity.after_the_start()
    token, means = bearer(), current_vestibule().means
    try:
        found = await presence.holder_of(means, token, surface=NAME)
    except NotSignedIn as error:
        if error.why is Why.ENDED and await presence.is_gone(means, token, surface=NAME):
            raise AccountUnknown from None
        raise
    if found.claims.use != use:
        raise BadHeader(422, _ONLY[use])
    return found


def terms(settings: Settings) -> Terms:
    """A session lasts as long as its refresh token."""
    lifetime = settings.classic_refresh_lifetime + LEEWAY
    return Terms(audience=NAME, kind=Kind.TOKENS, idle=lifetime, lifetime=lifetime)


def access(settings: Settings, account: Account) -> Form:
    told = shown(account)
    said = {"username": told["username"], "role": told["role"], "email": account.email}
    return Form(
        surface=NAME,
        lifetime=settings.classic_lifetime,
        claims=_claims(ACCESS) | said,
    )


def refresh(settings: Settings) -> Form:
    return Form(surface=NAME, lifetime=settings.classic_refresh_lifetime, claims=_claims(REFRESH))


def shown(account: Account) -> dict[str, object]:
    """Return what of an account its front end knows."""
    return {
        "id": words.id_of(account),
        "username": account.username or account.email or str(account.id),
        "role": next((each for each in _ROLES if each in account.roles), _ROLES[-1]),
    }


def trouble(status: int, _code: str, detail: str, error: VestibuleError | None = None) -> Response:
    """Return the tutorial's own error: `{"error": …}`."""
    content = json.dumps({"error": detail})
    response = Response(content, status=status, content_type="application/json")
    return envelope_headers(response, error)


def _claims(use: str) -> dict[str, object]:
    # The last is of those tokens that come in a cookie; the extension writes it into all.
    return {"type": use, "fresh": False, "csrf": str(uuid4())}
