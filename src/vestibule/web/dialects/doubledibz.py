"""What the jQuery front end of DoubleDibz speaks: /api/auth/… and /api/helloworld/….

It reads its CSRF token once, from the page, and sends forms; JSON does as well. Log-ins tell who
has an account: the contract gives that away. The page itself is served by `web/front_end`.

`enter` and `log_out` answer at paths that another dialect has as well: each stands for itself,
refusals included, whoever calls it.
"""

from collections.abc import Awaitable, Callable
from functools import wraps

from quart import Blueprint, Response, make_response
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts import entering
from vestibule.accounts.login import LoggedIn, log_in
from vestibule.accounts.signup import Person
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import AddressTaken, NotSignedIn, VestibuleError
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.web import device, guard, identity, reading
from vestibule.web.answers import refusal, speak
from vestibule.web.conditions import Conditions
from vestibule.web.dialects import doubledibz_browser as browser
from vestibule.web.dialects import doubledibz_words as words
from vestibule.web.dialects import guarding
from vestibule.web.dialects.claims import claim
from vestibule.web.dialects.guarding import AnyView, Call, Decorator, Guarded

View = Callable[[], Awaitable[ResponseReturnValue]]


def blueprint() -> Blueprint:
    """Return its routes, at the paths that the front end knows."""
    made = Blueprint("vestibule_doubledibz", __name__)
    guard.protect(made, cross_site=guard.refuse_foreign_origin)
    made.before_request(reading.receive)
    made.record_once(identity.needed)
    claim(made, words.NAME)
    speak(made, words.ANSWERS, words.trouble)
    made.get("/api/auth/verify_auth")(hide(signed_in(verify_auth)))
    made.post("/api/auth/login")(hide(enter))
    made.post("/api/auth/logout")(hide(log_out))
    made.post("/api/auth/signup")(hide(register))
    made.get("/api/helloworld/helloworld")(hide(greet))
    made.get("/api/helloworld/csrf")(hide(show_token))
    return made


def not_there() -> Response:
    """Say that a file of the front end is not there."""
    return words.trouble(404, "not_found", "Nothing is at this path.")


def _standing_alone(view: View) -> View:
    """Return `view` behind the CSRF token, refusing in its own words."""

    @wraps(view)
    async def alone() -> ResponseReturnValue:
        try:
            await browser.check_csrf()
            return await view()
        except words.Refused as error:
            return await words.refused(error)
        except VestibuleError as error:
            return refusal(error, words.ANSWERS, words.trouble)

    return alone


@_standing_alone
async def enter() -> ResponseReturnValue:
    """Log in, by username or address; whoever is logged in already is told so, unread."""
    known = await browser.somebody()
    if known is not None:
        return words.success("You are already logged in", known.account)
    login, password, remember = await words.login_form()

    async def flow(unit: Unit) -> LoggedIn:
        return await log_in(
            unit,
            identifier=login,
            password=password,
            remember=remember,
            device=device.left(),
            terms=browser.terms(unit.settings, remember=remember),
            unproved=True,
        )

    entered = await current_vestibule().run(flow, caller=identity.caller())
    browser.sign_in(entered.opened)
    device.leave(entered.device)
    return words.success("You have successfully logged in", entered.account)


@_standing_alone
async def log_out() -> ResponseReturnValue:
    """End the session, and take its cookie back."""
    known = await browser.somebody()
    if known is None:
        raise NotSignedIn
    await current_vestibule().run(
        lambda unit: store.log_out(unit, known.session), caller=identity.caller()
    )
    browser.sign_out()
    return words.success("You have successfully logged out")


@_standing_alone
async def register() -> ResponseReturnValue:
    """Open an account, post the letter that proves its address, and log in."""
    if await browser.somebody() is not None:
        return words.success("You're already signed up")
    said = await words.sign_up_form()
    person = Person(
        password=said["password"],
        email=said["email"],
        username=said["user_name"],
        given_name=said["first_name"],
        family_name=said["last_name"],
    )

    async def flow(unit: Unit) -> LoggedIn | None:
        terms = browser.terms(unit.settings)
        return await entering.by_opening(unit, person, terms=terms, rule=words.RULE)

    entered = await current_vestibule().run(flow, caller=identity.caller())
    if entered is None:
        raise AddressTaken
    browser.sign_in(entered.opened)
    device.leave(entered.device)
    return words.success(
        "You successfully signed up! Please check your email for further verification."
    )


async def verify_auth() -> ResponseReturnValue:
    """Tell who is signed in."""
    known = await identity.signed_in()
    return words.success(account=known.account)


async def greet() -> ResponseReturnValue:
    """Say that somebody is here."""
    return {"message": "helloworld"}


async def show_token() -> ResponseReturnValue:
    """Show this browser's CSRF token, for pages that are served by somebody else."""
    return Response(browser.csrf_token(), content_type="text/plain; charset=utf-8")


def signed_in(view: AnyView) -> Guarded:
    """Let only those in to a host's route who are signed in here (`login_required`).

    An unsafe request needs the CSRF token, too. Strangers are refused in DoubleDibz' words.
    `current_account()` is who is signed in.
    """
    return guarding.guard(view, _enter, guarding.conditions(None))


def requires(role: str) -> Decorator:
    """Let only those in who are signed in and have the role at this request."""
    return lambda view: guarding.guard(view, _enter, guarding.conditions(role))


async def _enter(call: Call, asked: Conditions) -> ResponseReturnValue:
    try:
        await guard.refuse_foreign_origin()
        await browser.check_csrf()
        known = await browser.somebody()
        if known is None:
            raise NotSignedIn
        asked.check(known)
    except words.Refused as error:
        return await guard.add_headers(await words.refused(error))
    except VestibuleError as error:
        return await guard.add_headers(refusal(error, words.ANSWERS, words.trouble))
    identity.let_in(known)
    return await make_response(await call())
