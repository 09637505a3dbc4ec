"""What the React front end of a Flask app with flask-praetorian speaks: /api/login and its like.

It sends JSON as text, finalizes a registration twice, renews by the raw token and logs out by
forgetting it. A registration is finalized by the letter's link alone, and a taken address is told:
the contract gives that away.
"""

from contextlib import suppress
from typing import cast

from quart import Blueprint, make_response, redirect, request
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts import credentials, entering
from vestibule.accounts.challenges import Click
from vestibule.accounts.login import LoggedIn, log_in
from vestibule.accounts.resetting import forget_password
from vestibule.accounts.signup import Person, sign_up
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import (
    InvalidAddress,
    NotSignedIn,
    ProofRefused,
    UsernameTaken,
    VestibuleError,
    Why,
)
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.unit import Unit
from vestibule.web import device, guard, identity, reading
from vestibule.web.answers import refusal, speak
from vestibule.web.conditions import Conditions
from vestibule.web.dialects import guarding, open_cors, words
from vestibule.web.dialects import praetorian_tokens as tokens
from vestibule.web.dialects.claims import claim
from vestibule.web.dialects.guarding import AnyView, Call, Decorator, Guarded
from vestibule.web.place import place

_TYPED = 400  # characters of a name or an address


def blueprint() -> Blueprint:
    """Return its routes, at the paths that the front end knows."""
    made = Blueprint("vestibule_praetorian", __name__)
    guard.protect(made)
    made.after_request(open_cors.open_to_everybody_who_is_listed)
    made.before_request(reading.receive)
    made.record_once(identity.needed)
    claim(made, tokens.NAME)
    speak(made, tokens.ANSWERS, tokens.trouble)
    made.register_error_handler(tokens.Refused, tokens.refused)
    made.get("/api")(hide(lead))
    made.get("/api/")(hide(greet))
    made.post("/api/login")(hide(enter))
    made.post("/api/refresh")(hide(renew))
    made.get("/api/protected")(hide(signed_in(show_protected)))
    made.post("/api/registration")(hide(register))
    made.get("/api/finalize")(hide(finalize))
    made.post("/api/reset")(hide(ask_for_reset))
    made.post("/api/reset_finalize")(hide(reset))
    return made


async def lead() -> ResponseReturnValue:
    """Lead to the same path with its slash."""
    return redirect(f"{request.root_path}{request.path}/", 308)


async def greet() -> ResponseReturnValue:
    """Say that somebody is here."""
    return {"Hello": "World"}


async def enter() -> ResponseReturnValue:
    """Log in, by username or address; whose address is not proved is told so."""
    said = await _body()
    username, password = words.needed(said, "username", most=_TYPED), words.needed(said, "password")

    terms = tokens.terms(current_vestibule().settings)
    token, _ = await tokens.hand_out(
        lambda unit: log_in(
            unit,
            identifier=username,
            password=password,
            device=device.left(),
            terms=terms,
            tell_unproved=True,
        )
    )
    return {"access_token": token}


async def renew() -> ResponseReturnValue:
    """Renew the token that is the body, however old it is, within the window of its session."""
    raw = cast(bytes, await request.get_data())
    try:
        token = raw.decode().strip()
    except UnicodeError:
        raise tokens.Refused(*tokens.WHY[Why.UNREADABLE]) from None

    async def flow(unit: Unit) -> str:
        known = await credentials.holder_of_old(unit, token, surface=tokens.NAME)
        form = tokens.form(unit.settings, known.account, known.session)
        return await credentials.sign(unit, known.account, known.session, form)

    if not token:
        raise tokens.Refused(*tokens.NO_TOKEN)
    try:
        renewed = await current_vestibule().run(flow, reading=True)
    except NotSignedIn as error:
        if error.why is Why.ENDED and tokens.window_ends(token) <= tokens.now():
            raise tokens.Refused(
                "ExpiredRefreshError", "refresh permission for token has expired"
            ) from None
        raise tokens.Refused(*tokens.WHY[error.why]) from None
    return {"access_token": renewed}


async def show_protected() -> ResponseReturnValue:
    """Greet who is signed in."""
    known = await identity.signed_in()
    return {"message": f"protected endpoint (allowed usr {tokens.name_of(known.account)})"}


async def register() -> ResponseReturnValue:
    """Open an account, as the settings say: with an address, which a letter proves, or without."""
    said = await _body()
    settings = current_vestibule().settings
    username, password = words.needed(said, "username", most=_TYPED), words.needed(said, "password")
    if settings.praetorian_registration == "simple":

        async def flow(unit: Unit) -> LoggedIn:
            return await entering.by_signing_up(
                unit,
                username=username,
                password=password,
                device=device.left(),
                terms=tokens.terms(settings),
            )

        try:
            token, _ = await tokens.hand_out(flow)
        except UsernameTaken:  # it was sent twice at once; by now this is a log-in
            token, _ = await tokens.hand_out(flow)
        return {"access_token": token}
    email = words.needed(said, "email", most=_TYPED)
    person = Person(password=password, username=username, email=email)
    page = settings.praetorian_confirmation_url or f"{place().base_url}/#/finalize"
    click = Click(f"{page}?token={{token}}", tokens.NAME)
    try:
        signed_up = await current_vestibule().run(
            lambda unit: sign_up(unit, person, open_now=True, click=click),
            caller=identity.caller(),
        )
    except UsernameTaken:
        return {"message": f"user {username} already exists on DB!"}, 409
    if signed_up.account is None:
        return {"message": f"email {email} already exists on DB!"}, 303
    return {"message": f"successfully sent registration email to user {username}"}, 201


async def finalize() -> ResponseReturnValue:
    """Prove the address by the letter's token, which comes twice, and log in."""
    token = tokens.bearer()
    if token.startswith(Purpose.LINK):
        raise tokens.Refused(*tokens.RESET)

    terms = tokens.terms(current_vestibule().settings)
    try:
        made, user = await tokens.hand_out(
            lambda unit: entering.by_click(unit, token=token, terms=terms, twice=True)
        )
    except ProofRefused as error:
        if error.why is Why.EXPIRED:
            raise tokens.Refused("ExpiredAccessError", "register permission has expired") from None
        raise tokens.Refused(
            "InvalidRegistrationToken", "invalid registration token used for verification"
        ) from None
    return {"access_token": made, "user": user}


async def ask_for_reset() -> ResponseReturnValue:
    """Post a letter to whoever reads the mail of the address; the answer is the same for all."""
    email = words.needed(await _body(), "email", most=_TYPED)
    settings = current_vestibule().settings
    page = settings.praetorian_reset_url or f"{place().base_url}/#/new_password"
    with suppress(InvalidAddress):  # nobody's, like any other that nobody has
        await current_vestibule().run(
            lambda unit: forget_password(
                unit,
                email=email,
                page=f"{page}?token={{token}}",
                lifetime=settings.praetorian_reset_lifetime,
            ),
            caller=identity.caller(),
        )
    return {"message": f"successfully sent password reset email to {email}"}


async def reset() -> ResponseReturnValue:
    """Set a new password by the letter's token, and log in."""
    token = tokens.bearer()
    if token.startswith(Purpose.CLICK):
        raise tokens.Refused(*tokens.REGISTRATION)
    password = words.needed(await _body(), "password")

    terms = tokens.terms(current_vestibule().settings)
    try:
        made, user = await tokens.hand_out(
            lambda unit: entering.by_reset(unit, token=token, password=password, terms=terms)
        )
    except ProofRefused as error:
        if error.why is Why.EXPIRED:
            raise tokens.Refused("ExpiredAccessError", "reset permission has expired") from None
        raise tokens.Refused(
            "InvalidResetToken", "invalid reset token used for verification"
        ) from None
    return {"access_token": made, "user": user}


def signed_in(view: AnyView) -> Guarded:
    """Let only those in to a host's route who bring a token of this dialect (`auth_required`).

    Strangers are refused in praetorian's words. `current_account()` is the token's holder.
    """
    return guarding.guard(view, _enter, guarding.conditions(None))


def requires(role: str) -> Decorator:
    """Let only those in who bring a token and have the role at this request (`roles_required`)."""
    return lambda view: guarding.guard(view, _enter, guarding.conditions(role))


async def _enter(call: Call, asked: Conditions) -> ResponseReturnValue:
    try:
        known = (await tokens.held()).known
        asked.check(known)
    except tokens.Refused as error:
        return await guard.add_headers(await tokens.refused(error))
    except VestibuleError as error:
        return await guard.add_headers(refusal(error, tokens.ANSWERS, tokens.trouble))
    identity.let_in(known)
    return await make_response(await call())


async def _body() -> dict[str, object]:
    return await words.json_object(whatever_its_type=True)
