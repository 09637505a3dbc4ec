"""The tokens of the praetorian dialect, and what praetorian says of those it refuses."""

import json as plain
from base64 import urlsafe_b64decode
from collections.abc import Awaitable, Callable

from quart import Response, json, request

from vestibule.accounts import credentials, presence
from vestibule.accounts.login import LoggedIn
from vestibule.accounts.models import Account
from vestibule.accounts.presence import Held
from vestibule.extension import current_vestibule
from vestibule.kernel import errors
from vestibule.kernel.errors import NotSignedIn, VestibuleError, Why
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.settings import Settings
from vestibule.kernel.unit import Unit
from vestibule.sessions.models import Kind, Session
from vestibule.sessions.terms import Terms
from vestibule.tokens.access import Form
from vestibule.web import device, identity
from vestibule.web.answers import Answers, envelope_headers
from vestibule.web.dialects import words

NAME = "praetorian"

REGISTRATION = ("MisusedRegistrationToken", "registration token used for access")
RESET = ("MisusedResetToken", "password reset token used for access")
NO_TOKEN = ("MissingToken", "JWT token not found in headers under 'Authorization'")
_NO_HEADER = ("InvalidTokenHeader", "JWT header structure is invalid")
WHY = {
    Why.MISSING: NO_TOKEN,
    Why.UNREADABLE: (
        "InvalidTokenHeader",
        "failed to decode JWT token -- DecodeError: Not enough segments",
    ),
    Why.UNKNOWN: (
        "InvalidTokenHeader",
        "failed to decode JWT token -- InvalidSignatureError: Signature verification failed",
    ),
    Why.EXPIRED: ("ExpiredAccessError", "access permission has expired"),
    Why.ENDED: ("BlacklistedError", "token has a blacklisted jti"),
}
_NAMES = {
    errors.BadCredentials.code: "AuthenticationError",
    errors.AddressNotProved.code: "InvalidUserError",
    errors.RoleRequired.code: "MissingRoleError",
}


class Refused(Exception):
    """What praetorian says of a token: 401, the name of its error, and a sentence."""

    def __init__(self, name: str, said: str) -> None:
        super().__init__(said)
        self.name = name


ANSWERS: Answers = {
    **words.COMMON,
    errors.BadCredentials: (401, "The username and/or password are incorrect"),
    errors.AddressNotProved: (403, "The user is not valid or has had access revoked"),
    errors.RoleRequired: (403, "This endpoint requires a role that you do not have"),
    errors.NotSignedIn: (401, NO_TOKEN[1]),
}


async def held() -> Held:
    """Return who holds the access token that came along.

    Raises:
        Refused: with what praetorian would find.
    """
    await identity.after_the_start()
    token = bearer()
    if token.startswith(Purpose.CLICK):
        raise Refused(*REGISTRATION)
    if token.startswith(Purpose.LINK):
        raise Refused(*RESET)
    try:
        return await presence.holder_of(current_vestibule().means, token, surface=NAME)
    except NotSignedIn as error:
        raise Refused(*WHY[error.why]) from None


def bearer() -> str:
    said = ",".join(request.headers.getlist("Authorization"))
    if not said:
        raise Refused(*NO_TOKEN)
    match said.split():
        case ["Bearer", token]:
            return token
    raise Refused(*_NO_HEADER)


async def hand_out(flow: Callable[[Unit], Awaitable[LoggedIn]]) -> tuple[str, str]:
    """Return a token for whom `flow` lets in, and their name; have their device known again."""

    async def signed(unit: Unit) -> tuple[str, LoggedIn]:
        entered = await flow(unit)
        account, session = entered.account, entered.opened.session
        asked = form(unit.settings, account, session)
        return await credentials.sign(unit, account, session, asked), entered

    token, entered = await current_vestibule().run(signed, caller=identity.caller())
    device.leave(entered.device)
    return token, name_of(entered.account)


def name_of(account: Account) -> str:
    return account.username or account.email or str(account.id)


def terms(settings: Settings) -> Terms:
    window = settings.praetorian_window
    return Terms(audience=NAME, kind=Kind.TOKENS, idle=window, lifetime=window)


def form(settings: Settings, account: Account, session: Session) -> Form:
    return Form(
        surface=NAME,
        lifetime=settings.praetorian_lifetime,
        claims={
            "id": words.id_of(account),
            "rls": ",".join(account.roles),
            "rf_exp": int(session.expires_at.timestamp()),
        },
        token_id=str(session.id),
    )


def window_ends(token: str) -> float:
    """Return what a token that we signed says of its window."""
    body = token.split(".")[1]
    return float(plain.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))["rf_exp"])


def now() -> float:
    return current_vestibule().means.clock.now().timestamp()


def trouble(status: int, code: str, detail: str, error: VestibuleError | None = None) -> Response:
    """Return praetorian's error: its class, a sentence, the status."""
    name = _NAMES.get(code) or "".join(part.capitalize() for part in code.split("_"))
    return envelope_headers(_said(status, name, detail), error)


async def refused(error: Refused) -> Response:
    return _said(401, error.name, str(error))


def _said(status: int, name: str, detail: str) -> Response:
    content = {"error": name, "message": detail, "status_code": status}
    return Response(json.dumps(content), status=status, content_type="application/json")
