"""The cookie `user` of the openrank dialect, which scripts read, and what is said to who lacks it.

Its front end takes "the cookie is there" for "signed in". So one that is worth nothing is cleared
wherever it comes along, or nobody would ever be asked to log in again.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from quart import Response, after_this_request, json, request
from quart.typing import ResponseReturnValue, ResponseTypes
from werkzeug.exceptions import MethodNotAllowed, NotFound, Unauthorized

from vestibule.accounts import credentials, presence
from vestibule.accounts.login import LoggedIn
from vestibule.accounts.models import Account
from vestibule.accounts.presence import Held
from vestibule.accounts.queries import SignedIn
from vestibule.extension import current_vestibule
from vestibule.federation import identities
from vestibule.federation.choose import DEMO, Providers
from vestibule.federation.openid import GOOGLE
from vestibule.federation.provider import Provider
from vestibule.kernel import errors
from vestibule.kernel.errors import DatabaseUnavailable, NotSignedIn, VestibuleError, Why
from vestibule.kernel.settings import Settings
from vestibule.kernel.unit import Unit
from vestibule.sessions.models import Kind, Session
from vestibule.sessions.terms import Terms
from vestibule.tokens.access import Form
from vestibule.tokens.checks import LEEWAY
from vestibule.web import device, identity
from vestibule.web.answers import Answers, envelope_headers
from vestibule.web.dialects import words

Answer = TypeVar("Answer", bound=ResponseTypes)

NAME = "openrank"

_COOKIE = "user"
_PARTS = 30  # it is written again once one of them has gone: a day of its month
_MOST = 2400  # bytes of claims: browsers drop a cookie of more than 4096, a third of it for base64
_DEAD = (Why.EXPIRED, Why.ENDED)


@dataclass(frozen=True)
class Written:
    """A token for the cookie, for how long both last, and what a log-in leaves on the device."""

    token: str
    lasts: timedelta
    device: str | None = None


# Flask-RESTful says these; the rest is ours, in its form.
_HTTP = {each.code: each.description for each in (MethodNotAllowed, NotFound)}
ANSWERS: Answers = {
    **words.COMMON,
    errors.BadCredentials: (401, "Username or password is incorrect."),
    errors.NotSignedIn: (401, Unauthorized.description),
    errors.AddressTaken: (400, "This email address is already in use."),
    errors.ProofRefused: (400, "Can't find user associated with activation code."),
    # Of a sign-up its front end shows the words of a 400 alone.
    errors.WrongMediaType: (400, "Send application/json in UTF-8."),
    errors.InvalidFields: (400, words.first_of),
    errors.IdentifierMissing: (400, "Send an email address."),
    errors.InvalidAddress: (400, "Not a valid email address."),
    errors.WeakPassword: (400, words.weak),
}


def message(status: int, _code: str, detail: str, error: VestibuleError | None = None) -> Response:
    """Return Flask-RESTful's error: `{"message": …}`."""
    said = _HTTP.get(status, detail) if error is None else detail
    response = Response(json.dumps({"message": said}), status, content_type="application/json")
    return envelope_headers(response, error)


async def look() -> ResponseReturnValue | None:
    """Refuse a cookie that we did not write; have one that is over cleared, and its holder served.

    Before each of the dialect's own routes, which need nobody to be signed in.
    """
    if not _brought():
        return None
    try:
        await held()
    except DatabaseUnavailable:
        return None  # who it is does not matter, and whoever needs the database will say so
    except NotSignedIn as error:
        if error.why not in _DEAD:
            return turned_away(error)
        after_this_request(_clear_unless_written)
    return None


async def held() -> Held:
    """Return who holds the cookie that came along; of several, the first that is ours.

    A neighbour's app, whose cookie is for the whole domain, may have one of the same name.

    Raises:
        NotSignedIn: nobody.
    """
    await identity.after_the_start()
    said = NotSignedIn(Why.MISSING)
    for token in _brought():
        try:
            return await presence.holder_of(current_vestibule().means, token, surface=NAME)
        except NotSignedIn as error:
            said = said if said.why in _DEAD else error
    raise said


async def former() -> SignedIn | None:
    """Return who holds the cookie that came along; None for a stranger."""
    with suppress(NotSignedIn):
        return (await held()).known
    return None


def turned_away(error: NotSignedIn) -> Response:
    """Answer who needs a good cookie; one that is worth nothing is cleared.

    To whom it once was good the original said nothing, and cleared it.
    """
    if error.why in _DEAD:
        return _cleared(Response("", 401))
    answer = message(401, error.code, str(Unauthorized.description))
    return answer if error.why is Why.MISSING else _cleared(answer)


async def write(unit: Unit, entered: LoggedIn) -> Written:
    """Write the token of who has just entered."""
    account, session = entered.account, entered.opened.session
    token = await credentials.sign(unit, account, session, await _form(unit, account))
    return Written(token, _lasts(session, unit.settings, unit.now), entered.device)


def hand_out(answer: ResponseTypes, written: Written) -> ResponseTypes:
    """Put a token into the cookie."""
    answer.set_cookie(_COOKIE, written.token, max_age=written.lasts, **_attributes())
    device.leave(written.device)
    answer.headers["Cache-Control"] = "no-store"
    return answer


async def renewed(held: Held, answer: ResponseTypes) -> ResponseTypes:
    """Write the cookie again in an answer to its use, unless it was written lately."""
    vestibule = current_vestibule()
    settings, now = vestibule.settings, vestibule.means.clock.now()
    gained = now + _lasts(held.known.session, settings, now) - held.claims.expires_at
    if gained < settings.openrank_lifetime / _PARTS:
        return answer
    with suppress(VestibuleError):  # what the view did is done, and the old token still good
        hand_out(answer, await vestibule.run(lambda unit: _again(unit, held.known)))
    return answer


def google() -> Provider | None:
    """Return Google or, in development where no provider is set up, the demo provider."""
    named = current_vestibule().means.part(Providers)
    return named.get(GOOGLE) or named.get(DEMO)


def terms(settings: Settings) -> Terms:
    """A session lasts as long as its last cookie."""
    idle = settings.openrank_lifetime + LEEWAY
    return Terms(
        audience=NAME, kind=Kind.TOKENS, idle=idle, lifetime=max(settings.token_lifetime, idle)
    )


def _brought() -> list[str]:
    return [each for each in request.cookies.getlist(_COOKIE) if each]


def _lasts(session: Session, settings: Settings, now: datetime) -> timedelta:
    """Return how long a token that is written now lasts, in a session that ends some day."""
    return min(settings.openrank_lifetime, session.expires_at - now)


async def _again(unit: Unit, known: SignedIn) -> Written:
    token = await credentials.sign_again(unit, known, await _form(unit, known.account))
    return Written(token, _lasts(known.session, unit.settings, unit.now))


async def _form(unit: Unit, account: Account) -> Form:
    """Say what the original's token said of somebody."""
    provider = google()
    google_id = provider and await identities.subject_of(unit, account.id, provider.issuer)
    claims: dict[str, object] = {
        "id": words.id_of(account),
        "google_id": google_id,
        "given_name": account.given_name,
        "picture": account.picture or None,
        "email": account.email,
    }
    for each in ("picture", "given_name"):
        if len(json.dumps(claims)) > _MOST:
            claims[each] = None
    return Form(surface=NAME, lifetime=unit.settings.openrank_lifetime, claims=claims)


async def _clear_unless_written(answer: ResponseTypes) -> ResponseTypes:
    written = answer.headers.getlist("Set-Cookie")
    if any(each.startswith(f"{_COOKIE}=") for each in written):
        return answer
    return _cleared(answer)


def _cleared(answer: Answer) -> Answer:
    answer.delete_cookie(_COOKIE, **_attributes())
    return answer


def _attributes() -> dict[str, Any]:  # Any: as Werkzeug's arguments are
    # Scripts of its front end read it: not HttpOnly.
    secure = not current_vestibule().settings.in_development
    return {"path": "/", "secure": secure, "httponly": False, "samesite": "Lax"}
