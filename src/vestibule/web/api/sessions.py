"""Logging in and out, and the devices one is signed in on."""

from uuid import UUID

from quart import Blueprint
from quart_schema import tag, validate_querystring, validate_request, validate_response

from vestibule.accounts import ending
from vestibule.accounts.login import log_in
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import SessionUnknown
from vestibule.sessions import store
from vestibule.sessions.models import Kind
from vestibule.web import device, identity, reading
from vestibule.web.access import signed_in
from vestibule.web.api import cursors
from vestibule.web.api.models import (
    AccountAnswer,
    LoginAnswer,
    LoginBody,
    PageQuery,
    SessionAnswer,
    SessionsAnswer,
    TokensAnswer,
)

blueprint = Blueprint("sessions", __name__)


@blueprint.post("/login")
@tag(["Sessions"])
@validate_request(LoginBody)
@validate_response(LoginAnswer)
async def open_session(data: LoginBody) -> LoginAnswer:
    """Log in

    `identifier` is the address or the username. The session's secret comes as a cookie, or with
    `"deliver": "tokens"` as tokens in the answer. A second cookie lets this device be known again
    when strangers have used up the account's log-ins.
    """
    kind = Kind.TOKENS if data.deliver == "tokens" else Kind.COOKIE
    former = await identity.somebody() if kind == Kind.COOKIE else None
    entered = await current_vestibule().run(
        lambda unit: log_in(
            unit,
            identifier=data.identifier,
            password=data.password.get_secret_value(),
            remember=data.remember,
            kind=kind,
            device=device.left(),
            instead_of=former,
        ),
        caller=identity.caller(),
    )
    if entered.tokens is None:
        identity.sign_in(entered.opened)
    device.leave(entered.device)
    tokens = TokensAnswer.of(entered.tokens).model_dump() if entered.tokens else {}
    return LoginAnswer(
        account=AccountAnswer.of(entered.account),
        session=SessionAnswer.of(entered.opened.session, current=True),
        **tokens,
    )


@blueprint.post("/logout")
@tag(["Sessions"])
@reading.takes_no_fields
async def log_out() -> tuple[str, int]:
    """Log out

    Ends the session and takes the cookie back; without a session there is nothing to do.
    """
    known = await identity.somebody()
    if known is not None:
        await current_vestibule().run(
            lambda unit: store.log_out(unit, known.session), caller=identity.caller()
        )
    identity.sign_out()
    return "", 204


@blueprint.post("/logout-all")
@tag(["Sessions"])
@signed_in
@reading.takes_no_fields
async def log_out_everywhere() -> tuple[str, int]:
    """Log out everywhere

    Ends every session of the account, this one too. Letters that are under way to change its
    password or its address are worth nothing from then on.
    """
    known = await identity.signed_in()
    await current_vestibule().run(
        lambda unit: ending.log_out_everywhere(unit, known.account.id), caller=identity.caller()
    )
    identity.sign_out()
    return "", 204


@blueprint.get("/me/sessions")
@tag(["Sessions"])
@signed_in
@validate_querystring(PageQuery)
@validate_response(SessionsAnswer)
async def list_sessions(query_args: PageQuery) -> SessionsAnswer:
    """List the devices one is signed in on

    Newest first; `next` is the cursor of the next page.
    """
    known = await identity.signed_in()
    before, most = cursors.read(query_args.cursor), query_args.limit + 1
    found = await current_vestibule().run(
        lambda unit: store.page(unit, known.account.id, before=before, most=most), reading=True
    )
    shown, next_ = cursors.cut(found, query_args.limit)
    return SessionsAnswer(
        sessions=[SessionAnswer.of(each, current=each.id == known.session.id) for each in shown],
        next=next_,
    )


@blueprint.delete("/me/sessions/<session_id>")
@tag(["Sessions"])
@signed_in
@reading.takes_no_fields
async def end_session(session_id: str) -> tuple[str, int]:
    """Sign one device out"""
    known = await identity.signed_in()
    try:
        named = UUID(session_id)
    except ValueError:
        raise SessionUnknown from None
    await current_vestibule().run(
        lambda unit: store.end(unit, known.account.id, named, reason="ended_by_owner"),
        caller=identity.caller(),
    )
    if named == known.session.id:
        identity.sign_out()
    return "", 204


@blueprint.delete("/me/sessions")
@tag(["Sessions"])
@signed_in
@reading.takes_no_fields
async def end_other_sessions() -> tuple[str, int]:
    """Sign all other devices out"""
    known = await identity.signed_in()
    await current_vestibule().run(
        lambda unit: store.end_all(
            unit, known.account.id, reason="ended_by_owner", but=known.session.id
        ),
        caller=identity.caller(),
    )
    return "", 204
