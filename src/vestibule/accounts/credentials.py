"""Tokens of a session: handed out, renewed, given back."""

from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, bindparam, exists, select

from vestibule.accounts import queries
from vestibule.accounts.models import Account
from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.courier import letters, outbox
from vestibule.kernel.errors import NotSignedIn, SessionUnknown, TokenRefused, Why
from vestibule.kernel.unit import Unit
from vestibule.sessions import rotation, store
from vestibule.sessions.models import NATIVE, Kind, Session
from vestibule.tokens import access, checks, keyring, refresh
from vestibule.tokens.access import Form, Holder
from vestibule.tokens.keyring import Pair
from vestibule.tokens.refresh import Presented


@dataclass(frozen=True)
class Tokens:
    """What a client keeps; `expires_in` counts seconds for the access token."""

    access_token: str
    refresh_token: str
    expires_in: int


async def hand_out(unit: Unit, account: Account, session: Session) -> Tokens:
    """Sign an access token for a session of tokens, and write its current refresh token."""
    return _written(unit, account, session, await keyring.signing(unit))


async def sign(unit: Unit, account: Account, session: Session, form: Form) -> str:
    """Sign an access token of another surface, for a session that it opened."""
    pair = await keyring.signing(unit)
    holder = _holder(account, session)
    return access.issue(pair, unit.settings, holder, now=unit.now, form=form).token


async def sign_again(unit: Unit, known: SignedIn, form: Form) -> str:
    """Sign a further token of a session, which lives on with it; the one before does not end.

    Raises:
        NotSignedIn: the session is over.
    """
    until = unit.now + form.lifetime + checks.LEEWAY
    if not await rotation.prolong(unit, known.session, until=until):
        raise NotSignedIn(Why.ENDED)
    return await sign(unit, known.account, known.session, form)


async def holder_of_old(unit: Unit, token: str, *, surface: str) -> SignedIn:
    """Find who holds an access token of a surface that renews by it, however old it is.

    Raises:
        NotSignedIn: not ours, or of a session that is over.
    """
    claims = await queries.claims_of(unit, token, surface=surface, however_old=True)
    return await queries.by_claims(unit, claims)


def _written(
    unit: Unit, account: Account, session: Session, pair: Pair, *, generation: int | None = None
) -> Tokens:
    issued = access.issue(pair, unit.settings, _holder(account, session), now=unit.now)
    current = session.generation if generation is None else generation
    return Tokens(issued.token, _refresh_token(unit, session, current), issued.expires_in)


async def renew(unit: Unit, token: str) -> Tokens:
    """Replace a refresh token by its successor, and hand out a new access token.

    Tabs ask at the same time, answers get lost, pages reload: within the grace the token before
    and the current one get the current one. Whoever comes later with a token that was replaced has
    copied it, or the other has: the session ends, and its owner is told. (RFC 9700, 4.14.2)

    Raises:
        TokenRefused: anything else than a new pair. Which, nobody is told.
    """
    held = refresh.read(token)
    if held is None:
        raise TokenRefused
    async with unit.glance() as glance:
        found = (await glance.session.execute(_HELD, {"session": held.session_id})).one_or_none()
        pair = await keyring.signing(glance)
    if found is None or not _is_ours(unit, held, found[0]):
        raise TokenRefused
    session: Session | None
    session, account = found
    if session.generation == held.generation and not rotation.is_fresh(unit, session):
        following = await rotation.rotate(unit, _ROTATING, held.session_id, held.generation)
        if following is not None:
            return _written(unit, account, session, pair, generation=following)
        session = await rotation.by_id(unit, held.session_id)
    if session is None or rotation.is_over(unit, session) or account.state != "active":
        raise TokenRefused
    behind = session.generation - held.generation
    if behind == 0 or (behind == 1 and rotation.is_fresh(unit, session)):
        return _written(unit, account, session, pair)
    if behind > 0:
        await _end_stolen(unit, account, session)
    raise TokenRefused


async def give_back(unit: Unit, token: str) -> None:
    """End the session of a token, refresh or access, in whichever state; unknown ones are fine.

    (RFC 7009: whoever gives a token back wants it to be worth nothing, and then it is.)
    """
    held = refresh.read(token)
    if held is not None:
        session = await rotation.by_id(unit, held.session_id)
        if session is None or not _is_ours(unit, held, session):
            return
    else:
        try:
            signed_in = await queries.by_access_token(unit, token)
        except NotSignedIn:
            return
        session = signed_in.session
    with suppress(SessionUnknown):
        await store.end(unit, session.account_id, session.id, reason="revoked")


def _is_ours(unit: Unit, held: Presented, session: Session) -> bool:
    """Tell whether we wrote the refresh token, for this session, live or not."""
    return session.nonce is not None and refresh.is_ours(unit.seals, held, session.nonce)


async def _end_stolen(unit: Unit, account: Account, session: Session) -> None:
    with suppress(SessionUnknown):  # of several that come with it, one ends the session
        await store.end(unit, account.id, session.id, reason="token_replayed")
        await log.record(unit, Event.TOKEN_REPLAYED, account_id=account.id, session_id=session.id)
        if account.email is not None and account.email_verified_at is not None:
            draft = letters.token_replayed(
                to=account.email,
                account_id=account.id,
                opened_at=session.created_at,
                opened_by=session.user_agent,
                now=unit.now,
            )
            await outbox.post(unit, draft)


def _holder(account: Account, session: Session) -> Holder:
    return Holder(
        account_id=account.id,
        session_id=session.id,
        roles=account.roles,
        amr=session.amr,
        auth_time=session.auth_time,
        email_verified=account.email_verified_at is not None,
        expires_at=session.expires_at,
    )


def _refresh_token(unit: Unit, session: Session, generation: int) -> str:
    assert session.nonce is not None, "a session of tokens has one"
    return refresh.write(unit.seals, session.id, generation, session.nonce)


# A guess: the statement that replaces a token looks again.
_HELD = (
    select(Session, Account)
    .join(Account, Account.id == Session.account_id)
    .where(
        Session.id == bindparam("session"),
        Session.kind == Kind.TOKENS,
        Session.audience == NATIVE,
    )
)
_accounts, _sessions = cast(Table, Account.__table__), cast(Table, Session.__table__)
_IS_ACTIVE = exists().where(_accounts.c.id == _sessions.c.account_id, _accounts.c.state == "active")
_ROTATING = rotation.rotating(_IS_ACTIVE.correlate(_sessions))
