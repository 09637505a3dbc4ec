"""What the React front end of Flask-JWT-Extended speaks: /token, /logout, /profile.

Its words and statuses are the contract's, the extension's own where it has some. The front end
logs out without its token, so its session lives until the token is out of date.
"""

from contextlib import suppress

from quart import Blueprint, Response, json, make_response
from quart.typing import ResponseReturnValue
from quart.wrappers.response import DataBody
from quart_schema import hide

from vestibule.accounts import credentials, presence
from vestibule.accounts.login import log_in
from vestibule.accounts.presence import Held
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import BadCredentials, NotSignedIn, VestibuleError, Why
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.settings import Settings
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import Kind
from vestibule.sessions.terms import Terms
from vestibule.tokens.access import Form
from vestibule.tokens.checks import LEEWAY
from vestibule.web import cors, device, guard, identity, reading
from vestibule.web.answers import Answers, refusal, speak
from vestibule.web.conditions import Conditions
from vestibule.web.dialects import guarding, words
from vestibule.web.dialects.claims import claim
from vestibule.web.dialects.guarding import Call, Decorator, Guarded
from vestibule.web.dialects.jwt_words import (
    NOT_ACCESS,
    UNAUTHORIZED,
    BadHeader,
    bearer,
    message,
    refused,
)

NAME = "jwt_extended"

_CLAIMS = {"type": "access", "fresh": False}
_COOKIES = ("access_token_cookie", "refresh_token_cookie")
_TYPED = 400  # characters of an address or a username

ANSWERS: Answers = {
    **words.COMMON,
    errors.BadCredentials: (401, "Wrong email or password"),
    errors.NotSignedIn: (401, UNAUTHORIZED[Why.MISSING]),
    errors.TokenRefused: (401, UNAUTHORIZED[Why.ENDED]),
}


def blueprint() -> Blueprint:
    """Return the three routes, at the paths that the front end knows."""
    made = Blueprint("vestibule_jwt_extended", __name__)
    guard.protect(made)
    made.after_request(cors.open_to_listed_origins)
    made.before_request(reading.receive)
    made.record_once(identity.needed)
    claim(made, NAME)
    speak(made, ANSWERS, message)
    made.post("/token")(hide(hand_out))
    made.post("/logout")(hide(log_out))
    made.get("/profile")(hide(signed_in(show_profile)))
    return made


async def hand_out() -> ResponseReturnValue:
    """Log in, by address or username, and hand out a token."""
    said = await words.json_object()
    identifier = words.text(said, "email", most=_TYPED)
    password = words.text(said, "password")
    if identifier is None or password is None:
        raise BadCredentials

    async def flow(unit: Unit) -> tuple[str, str | None]:
        settings = unit.settings
        entered = await log_in(
            unit,
            identifier=identifier,
            password=password,
            device=device.left(),
            terms=_terms(settings),
            unproved=True,
        )
        account, session = entered.account, entered.opened.session
        return await credentials.sign(unit, account, session, _form(settings)), entered.device

    token, proof = await current_vestibule().run(flow, caller=identity.caller())
    device.leave(proof)
    return {"access_token": token}


async def log_out() -> ResponseReturnValue:
    """End the session of the token, if one came along that is good for anything."""
    with suppress(NotSignedIn, BadHeader):
        session = (await _held()).known.session
        await current_vestibule().run(
            lambda unit: store.log_out(unit, session), caller=identity.caller()
        )
    answer = await make_response({"msg": "logout successful"})
    for name in _COOKIES:
        answer.set_cookie(name, "", expires=0, path="/", httponly=True)
    return answer


def signed_in(view: guarding.AnyView) -> Guarded:
    """Let only those in to a host's route who bring a token of this dialect.

    Strangers are refused in the extension's words, and an answer that is a JSON object holds a new
    `access_token` when little is left of the one that came. `current_account()` is its holder.
    """
    return guarding.guard(view, _enter, guarding.conditions(None))


def requires(role: str) -> Decorator:
    """Let only those in who bring a token of this dialect and have the role at this request."""
    return lambda view: guarding.guard(view, _enter, guarding.conditions(role))


async def show_profile() -> ResponseReturnValue:
    """Show name and about, as the account's profile has them."""
    known = await identity.signed_in()
    profile = known.account.profile
    shown = {name: profile.get(name) for name in ("name", "about")}
    return {name: value if isinstance(value, str) else "" for name, value in shown.items()}


async def _enter(call: Call, asked: Conditions) -> ResponseReturnValue:
    try:
        held = await _held()
        asked.check(held.known)
    except (NotSignedIn, BadHeader) as error:
        return await guard.add_headers(refused(error))
    except VestibuleError as error:
        return await guard.add_headers(refusal(error, ANSWERS, message))
    identity.let_in(held.known)
    answer = await make_response(await call())
    return await _renewed(held, answer) if isinstance(answer, Response) else answer


async def _held() -> Held:
    """Return who holds the token that came along.

    Raises:
        NotSignedIn, BadHeader: with what the extension would find.
    """
    await identity.after_the_start()
    token = bearer()
    if token.startswith(Purpose.REFRESH):
        raise BadHeader(422, NOT_ACCESS)
    return await presence.holder_of(current_vestibule().means, token, surface=NAME)


async def _renewed(held: Held, answer: Response) -> Response:
    """Put a new token into an answer that is a JSON object, when little is left of the other."""
    vestibule = current_vestibule()
    left = held.claims.expires_at - vestibule.means.clock.now()
    if left >= vestibule.settings.jwt_extended_renewed_below:
        return answer
    if not answer.is_json or not isinstance(answer.response, DataBody):
        return answer
    try:
        said = json.loads(await answer.get_data())
    except ValueError:
        return answer
    if not isinstance(said, dict):
        return answer
    form = _form(vestibule.settings)
    with suppress(VestibuleError):  # what the view did is done, and the old token still good
        said["access_token"] = await vestibule.run(
            lambda unit: credentials.sign_again(unit, held.known, form)
        )
        answer.set_data(json.dumps(said))
        answer.headers["Cache-Control"] = "no-store"
    return answer


def _terms(settings: Settings) -> Terms:
    """A session lasts as long as its last token."""
    return Terms(
        audience=NAME,
        kind=Kind.TOKENS,
        idle=settings.jwt_extended_lifetime + LEEWAY,
        lifetime=max(settings.token_lifetime, settings.jwt_extended_lifetime + LEEWAY),
    )


def _form(settings: Settings) -> Form:
    return Form(surface=NAME, lifetime=settings.jwt_extended_lifetime, claims=_CLAIMS)
