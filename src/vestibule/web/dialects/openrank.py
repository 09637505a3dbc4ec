"""What the React front end of Open Rank Tracker speaks: /api/users/signup/ and its like.

It reads its token from the cookie `user`, signs people in before their address is proved, and
leaves for Google by plain forms. To a sign-up it shows the words of a 400, to a log-in those of a
401, and no others.
"""

from collections.abc import Awaitable, Callable

from quart import Blueprint, make_response, redirect, request
from quart.typing import ResponseReturnValue
from quart_schema import hide
from werkzeug.exceptions import MethodNotAllowed

from vestibule.accounts import entering
from vestibule.accounts.challenges import Click
from vestibule.accounts.login import LoggedIn, log_in
from vestibule.accounts.queries import SignedIn
from vestibule.accounts.signup import Person
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import (
    AddressTaken,
    BadCredentials,
    BadInput,
    NotSignedIn,
    ProofRefused,
    VestibuleError,
)
from vestibule.kernel.unit import Unit
from vestibule.web import device, guard, identity, reading
from vestibule.web.answers import refusal, speak
from vestibule.web.conditions import Conditions
from vestibule.web.dialects import guarding, words
from vestibule.web.dialects import openrank_cookie as cookie
from vestibule.web.dialects import openrank_google as google
from vestibule.web.dialects.claims import claim
from vestibule.web.dialects.guarding import AnyView, Call, Decorator, Guarded
from vestibule.web.dialects.openrank_cookie import Written
from vestibule.web.dialects.openrank_google import USERS
from vestibule.web.place import place

View = Callable[[], Awaitable[ResponseReturnValue]]

_METHODS = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})
_TYPED = 400  # characters of an address or a letter's token


def blueprint() -> Blueprint:
    """Return its routes, at the paths that the front end knows."""
    made = Blueprint("vestibule_openrank", __name__)
    guard.protect(made)
    made.before_request(reading.receive)
    made.before_request(cookie.look)
    made.record_once(identity.needed)
    claim(made, cookie.NAME)
    speak(made, cookie.ANSWERS, cookie.message)
    _add(made, "POST", "signup", sign_up)
    _add(made, "POST", "login", enter)
    _add(made, "POST", "activate", activate)
    _add(made, "POST", "oauth2login", leave_to_log_in)
    _add(made, "POST", "oauth2signup", leave_to_sign_up)
    _add(made, "GET", "oauth2callback/login", come_back_to_log_in)
    _add(made, "GET", "oauth2callback/signup", come_back_to_sign_up)
    return made


async def sign_up() -> ResponseReturnValue:
    """Open an account and log in; the letter's link activates it."""
    said = await words.json_object()
    person = Person(
        email=words.needed(said, "email", most=_TYPED).strip(),
        password=words.needed(said, "password").strip(),
    )
    settings = current_vestibule().settings
    page = settings.openrank_activation_url or f"{place().base_url}/welcome/activate"
    click = Click(f"{page}?user_uuid={{token}}", cookie.NAME)
    terms = cookie.terms(settings)
    return await _signed_in(
        lambda unit, former: entering.by_opening(
            unit, person, click=click, terms=terms, instead_of=former
        )
    )


async def enter() -> ResponseReturnValue:
    """Log in, activated or not."""
    try:
        said = await words.json_object()
        email = words.needed(said, "email", most=_TYPED).strip()
        password = words.needed(said, "password").strip()
    except BadInput:
        raise BadCredentials from None
    terms = cookie.terms(current_vestibule().settings)
    return await _signed_in(
        lambda unit, former: log_in(
            unit,
            identifier=email,
            password=password,
            device=device.left(),
            instead_of=former,
            terms=terms,
            unproved=True,
        )
    )


async def activate() -> ResponseReturnValue:
    """Prove the address by the token of the letter's link, and log in."""
    try:
        token = words.needed(await words.json_object(), "user_uuid", most=_TYPED).strip()
    except BadInput:
        raise ProofRefused from None
    terms = cookie.terms(current_vestibule().settings)
    return await _signed_in(
        lambda unit, former: entering.by_click(unit, token=token, terms=terms, instead_of=former)
    )


async def leave_to_log_in() -> ResponseReturnValue:
    """Send a browser to Google, to log in."""
    return await google.leave("login")


async def leave_to_sign_up() -> ResponseReturnValue:
    """Send a browser to Google, to sign up."""
    return await google.leave("signup")


async def come_back_to_log_in() -> ResponseReturnValue:
    """Take a browser back from Google that left to log in; it opens no account."""
    return await google.come_back("login")


async def come_back_to_sign_up() -> ResponseReturnValue:
    """Take a browser back from Google that left to sign up."""
    return await google.come_back("signup")


def signed_in(view: AnyView) -> Guarded:
    """Let only those in to a host's route who bring the cookie `user` (`AuthenticatedView`).

    Strangers are refused in the original's words, a cookie that is worth nothing is cleared, and a
    good one is written again when it was not for a while. `current_account()` is its holder.
    """
    return guarding.guard(view, _enter, guarding.conditions(None))


def requires(role: str | None = None, *, verified: bool = False) -> Decorator:
    """Let only those in who bring the cookie, and have the role at this request.

    Args:
        verified: and whose address is proved: who signs up is in before that.
    """
    asked = guarding.conditions(role, verified=verified)
    return lambda view: guarding.guard(view, _enter, asked)


async def _enter(call: Call, asked: Conditions) -> ResponseReturnValue:
    try:
        await guard.refuse_cross_site()  # a browser sends the cookie by itself
        held = await cookie.held()
        asked.check(held.known)
    except NotSignedIn as error:
        return await guard.add_headers(cookie.turned_away(error))
    except VestibuleError as error:
        return await guard.add_headers(refusal(error, cookie.ANSWERS, cookie.message))
    identity.let_in(held.known)
    return await cookie.renewed(held, await make_response(await call()))


async def _signed_in(
    flow: Callable[[Unit, SignedIn | None], Awaitable[LoggedIn | None]],
) -> ResponseReturnValue:
    """Hand out the cookie of whom `flow` lets in; nobody: their address is taken.

    It is in place of the one that came along, whose session ends.
    """
    former = await cookie.former()

    async def written(unit: Unit) -> Written | None:
        entered = await flow(unit, former)
        return None if entered is None else await cookie.write(unit, entered)

    vestibule = current_vestibule()
    caller = identity.caller(vestibule.settings.openrank_letterhead)
    done = await vestibule.run(written, caller=caller)
    if done is None:
        raise AddressTaken
    return cookie.hand_out(await make_response(""), done)


def _add(made: Blueprint, method: str, path: str, view: View) -> None:
    """Add a route as the original has it: led to from the path without its slash, with its 405."""

    async def lead() -> ResponseReturnValue:
        """Lead to the same path with its slash."""
        query = request.query_string.decode("ascii", "replace")
        return redirect(f"{request.root_path}{request.path}/{'?' if query else ''}{query}", 308)

    async def refuse() -> ResponseReturnValue:
        """Say which method this path takes."""
        raise MethodNotAllowed([method])

    where, name = f"{USERS}/{path}", path.replace("/", "_")
    made.add_url_rule(where, f"{name}_lead", hide(lead), methods=sorted(_METHODS))
    made.add_url_rule(f"{where}/", name, hide(view), methods=[method])
    made.add_url_rule(
        f"{where}/", f"{name}_refuse", hide(refuse), methods=sorted(_METHODS - {method})
    )
