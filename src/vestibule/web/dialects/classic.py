"""What the JSON API of the complete Flask tutorial speaks: /api/auth/…, /api/profile, /api/admin/….

Two ways in, as there: tokens in the words of Flask-JWT-Extended, and for `/api/data` and for
deleting people the session cookie of our own log-in as well. Its HTML pages are not here.
"""

from functools import wraps
from typing import Any

from quart import Blueprint, make_response
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.accounts import administration, credentials, directory, ending, powers, site_settings
from vestibule.accounts.login import log_in
from vestibule.accounts.models import Account
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import (
    AccountUnknown,
    FieldError,
    InvalidFields,
    NotSignedIn,
    VestibuleError,
)
from vestibule.kernel.limits import CLASSIC_DAY, CLASSIC_HOUR, CLASSIC_LOG_IN
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.web import cors, device, guard, identity, reading
from vestibule.web.answers import refusal, speak
from vestibule.web.conditions import Conditions
from vestibule.web.dialects import classic_tokens as tokens
from vestibule.web.dialects import guarding, jwt_words, limiting, words
from vestibule.web.dialects.claims import claim
from vestibule.web.dialects.guarding import AnyView, Call, Decorator, Guarded
from vestibule.web.dialects.jwt_words import BadHeader

_TYPED = 400  # characters of a username or an address
_MOST = 1000  # people in a list that has no pages


def blueprint() -> Blueprint:
    """Return its JSON routes, at the paths that its clients know."""
    made = Blueprint("vestibule_classic", __name__)
    guard.protect(made)
    made.after_request(cors.open_to_listed_origins)
    limiting.limit(made, CLASSIC_HOUR, CLASSIC_DAY)
    made.before_request(reading.receive)
    made.record_once(identity.needed)
    claim(made, tokens.NAME)
    speak(made, tokens.ANSWERS, tokens.trouble)
    made.post("/api/auth/login")(hide(limiting.limited(enter, CLASSIC_LOG_IN)))
    made.post("/api/auth/refresh")(hide(_renewing(renew)))
    made.post("/api/auth/logout")(hide(signed_in(log_out)))
    made.post("/api/auth/logout-all")(hide(signed_in(log_out_everywhere)))
    made.get("/api/profile")(hide(signed_in(show_profile)))
    made.get("/api/data")(hide(_either_way(show_data)))
    made.get("/api/admin/users")(hide(signed_in(_administrators(list_people))))
    made.delete("/api/admin/users")(hide(_either_way(_administrators(delete_person))))
    made.get("/api/admin/settings")(hide(requires(powers.ADMIN)(show_settings)))
    made.put("/api/admin/settings")(hide(requires(powers.ADMIN)(change_settings)))
    return made


async def enter() -> ResponseReturnValue:
    """Log in, by username or address, and hand out both tokens."""
    said = await words.json_object()
    username = words.text(said, "username", most=_TYPED)
    password = words.text(said, "password")
    if not username or not password:
        return {"error": "Username and password required"}, 400

    async def flow(unit: Unit) -> tuple[dict[str, object], str | None]:
        settings = unit.settings
        entered = await log_in(
            unit,
            identifier=username,
            password=password,
            device=device.left(),
            terms=tokens.terms(settings),
            unproved=True,
        )
        account, session = entered.account, entered.opened.session
        access, refresh = tokens.access(settings, account), tokens.refresh(settings)
        return {
            "access_token": await credentials.sign(unit, account, session, access),
            "refresh_token": await credentials.sign(unit, account, session, refresh),
            "user": tokens.shown(account),
        }, entered.device

    handed_out, proof = await current_vestibule().run(flow, caller=identity.caller())
    device.leave(proof)
    return handed_out


async def renew() -> ResponseReturnValue:
    """Hand out a further access token, with the roles of this moment; the refresh token stays."""
    known = await identity.signed_in()

    async def flow(unit: Unit) -> str:
        form = tokens.access(unit.settings, known.account)
        return await credentials.sign(unit, known.account, known.session, form)

    return {"access_token": await current_vestibule().run(flow, reading=True)}


async def log_out() -> ResponseReturnValue:
    """End the session of the token, and so its refresh token."""
    session = (await identity.signed_in()).session
    await current_vestibule().run(
        lambda unit: store.log_out(unit, session), caller=identity.caller()
    )
    return {"message": "Token revoked successfully"}


async def log_out_everywhere() -> ResponseReturnValue:
    """End every session of the account."""
    account_id = (await identity.signed_in()).account.id
    await current_vestibule().run(
        lambda unit: ending.log_out_everywhere(unit, account_id), caller=identity.caller()
    )
    return {"message": "All tokens revoked"}


async def show_profile() -> ResponseReturnValue:
    """Show who is signed in."""
    account = (await identity.signed_in()).account
    return tokens.shown(account) | {"email": account.email}


async def show_data() -> ResponseReturnValue:
    """Show what is for people who are signed in."""
    account = (await identity.signed_in()).account
    return {"data": "sensitive information", "user": tokens.shown(account)["username"]}


async def list_people() -> ResponseReturnValue:
    """List the accounts that were opened last; there are no pages."""

    async def flow(unit: Unit) -> list[dict[str, object]]:
        page = await directory.page(unit, limit=_MOST)
        return [tokens.shown(each) for each in page.accounts]

    return await current_vestibule().run(flow, reading=True)


async def delete_person() -> ResponseReturnValue:
    """Erase somebody else's account at once."""
    by = (await identity.signed_in()).account.id
    shown = (await words.json_object()).get("user_id")
    if isinstance(shown, bool) or not isinstance(shown, (int, str)):
        raise InvalidFields([FieldError("user_id", "id_expected", "Send the user_id.")])

    async def flow(unit: Unit) -> None:
        account: Account | None = await words.by_id(unit, shown)
        if account is None:
            raise AccountUnknown
        await administration.erase(unit, by, account.id)

    await current_vestibule().run(flow, caller=identity.caller())
    return {"message": "User deleted"}


async def show_settings() -> ResponseReturnValue:
    """Show what was set for the site."""
    document = await current_vestibule().run(site_settings.read, reading=True)
    message = "Settings not set" if document is None else "Settings updated"
    return {"message": message, "settings": document or {}}


async def change_settings() -> ResponseReturnValue:
    """Replace what is set for the site by the document that is the body."""
    by, document = (await identity.signed_in()).account.id, await words.json_object()
    await current_vestibule().run(
        lambda unit: site_settings.replace(unit, by, document), caller=identity.caller()
    )
    return {"message": "Settings updated"}


def signed_in(view: AnyView) -> Guarded:
    """Let only those in to a host's route who bring an access token (`jwt_required`).

    Strangers are refused in the words of Flask-JWT-Extended. `current_account()` is its holder.
    """
    return guarding.guard(view, _by_token, guarding.conditions(None))


def requires(role: str) -> Decorator:
    """Let only those in who bring a token and have the role at this request (`jwt_role_required`).

    Others are refused with 403 and `{"error": "Insufficient permissions"}`.
    """
    return lambda view: guarding.guard(view, _by_token, guarding.conditions(role))


def _renewing(view: AnyView) -> Guarded:
    return guarding.guard(view, _by_refresh_token, guarding.conditions(None))


def _either_way(view: AnyView) -> Guarded:
    """As `signed_in`; without a token by our cookie, where the Origin was looked at before."""
    return guarding.guard(view, _by_token_or_cookie, guarding.conditions(None))


def _administrators(view: AnyView) -> Guarded:
    @wraps(view)
    async def checked() -> Any:  # Any: whatever the view returns
        if powers.ADMIN not in (await identity.signed_in()).account.roles:
            return {"error": "Admin access required"}, 403
        return await view()

    return checked


async def _by_token(call: Call, asked: Conditions, use: str = tokens.ACCESS) -> ResponseReturnValue:
    try:
        known = (await tokens.held(use)).known
        asked.check(known)
    except (NotSignedIn, BadHeader) as error:
        return await guard.add_headers(jwt_words.refused(error))
    except VestibuleError as error:
        return await guard.add_headers(refusal(error, tokens.ANSWERS, tokens.trouble))
    identity.let_in(known)
    return await make_response(await call())


async def _by_refresh_token(call: Call, asked: Conditions) -> ResponseReturnValue:
    return await _by_token(call, asked, tokens.REFRESH)


async def _by_token_or_cookie(call: Call, asked: Conditions) -> ResponseReturnValue:
    if reading.brings_bearer():
        return await _by_token(call, asked)
    asked.check(await identity.signed_in())
    return await make_response(await call())
