"""Who sends a request: from what this process remembers, or from the database.

What is remembered is shared between requests; nobody changes it. On SQLite nothing is.
"""

import json
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from vestibule.accounts import programs, queries
from vestibule.accounts.models import Account
from vestibule.accounts.programs import Program
from vestibule.accounts.queries import SignedIn
from vestibule.api_keys import secret
from vestibule.api_keys.models import ApiKey
from vestibule.kernel.errors import NotSignedIn
from vestibule.kernel.means import Means
from vestibule.kernel.memory import Fact, Loading
from vestibule.kernel.running import running
from vestibule.kernel.unit import Unit
from vestibule.sessions import store
from vestibule.sessions.models import NATIVE, Session
from vestibule.tokens.access import Claims
from vestibule.tokens.checks import LEEWAY

_BULKY = 4096  # characters of a profile's JSON: with more of it an account is read each time


@dataclass(frozen=True)
class Held:
    """Who holds an access token, and what it says."""

    known: SignedIn
    claims: Claims


async def by_session(means: Means, secret: str, *, audience: str = NATIVE) -> SignedIn | None:
    """Find whose session a cookie's secret opens, if it is live and its account active.

    Args:
        audience: the surface that opened it.

    Raises:
        DatabaseUnavailable: it has to be asked, and cannot be.
    """
    known = recalled_by_session(means, secret, audience=audience)
    if known is not None:
        return known
    means.memory.misses += 1
    digest = store.digest_of(secret)
    with means.memory.loading() as loading:
        found = await running(
            means, lambda unit: queries.by_session(unit, digest, audience=audience), reading=True
        )
        if found is not None and _remember(means, found, loading):
            means.memory.credentials.put(digest, found.session.id)
    return found


async def by_access_token(means: Means, token: str) -> SignedIn | None:
    """Find whom an access token speaks of, if its session is live and its account active.

    Raises:
        DatabaseUnavailable: it has to be asked, and cannot be.
    """
    try:
        return (await holder_of(means, token)).known
    except NotSignedIn:
        return None


async def holder_of(means: Means, token: str, *, surface: str | None = None) -> Held:
    """Find who holds an access token, if its session is live and its account active.

    Args:
        surface: whose token it must be; None: the API's own.

    Raises:
        NotSignedIn: nobody; `why` tells more than a stranger should learn on most surfaces.
        DatabaseUnavailable: it has to be asked, and cannot be.
    """
    held = _recalled_holder(means, token, surface)
    if held is not None:
        return held
    means.memory.misses += 1
    verified = _verified(means, token, surface)

    async def look(unit: Unit) -> Held:
        claims = verified or await queries.claims_of(unit, token, surface=surface)
        return Held(await queries.by_claims(unit, claims), claims)

    with means.memory.loading() as loading:
        held = await running(means, look, reading=True)
        _remember(means, held.known, loading)
        if loading.is_good((Fact.SIGNING_KEYS, None)):
            means.memory.tokens.put(token, held.claims)
    return held


async def is_gone(means: Means, token: str, *, surface: str) -> bool:
    """Tell whether the account that a surface's token speaks of was erased.

    Raises:
        NotSignedIn: it is no token of ours. DatabaseUnavailable.
    """

    async def look(unit: Unit) -> bool:
        claims = await queries.claims_of(unit, token, surface=surface)
        return await queries.by_id(unit, claims.account_id) is None

    return await running(means, look, reading=True)


async def by_api_key(means: Means, sent: str) -> Program | None:
    """Find whose key `sent` is, if it is not expired and its owner's account active.

    Raises:
        DatabaseUnavailable: it has to be asked, and cannot be.
    """
    if not secret.is_whole(sent):
        return None
    known = recalled_by_api_key(means, sent)
    if known is not None:
        return known
    means.memory.misses += 1
    digest = secret.digest(sent)
    with means.memory.loading() as loading:
        found = await running(means, lambda unit: programs.by_digest(unit, digest), reading=True)
        if found is None:
            return None
        key, account = found
        facts = (Fact.API_KEY, key.id), (Fact.ACCOUNT, account.id)
        if means.memory.is_trusted and loading.is_good(*facts) and not _is_bulky(account):
            means.memory.api_keys.put(key.id, key)
            means.memory.accounts.put(account.id, account)
            means.memory.credentials.put(digest, key.id)
    return programs.at_work(means, key, account)


def recalled_by_session(means: Means, secret: str, *, audience: str = NATIVE) -> SignedIn | None:
    """Find whose session a secret opens, as far as this process remembers."""
    if not means.memory.is_trusted:
        return None
    digest = store.digest_of(secret)
    session_id = means.memory.credentials.get(digest)
    if session_id is None:
        return None
    return _recalled(means, session_id, audience=audience, digest=digest)


def recalled_by_access_token(means: Means, token: str) -> SignedIn | None:
    """Find whom an access token speaks of, as far as this process remembers."""
    held = _recalled_holder(means, token, None)
    return None if held is None else held.known


def recalled_by_api_key(means: Means, sent: str) -> Program | None:
    """Find whose key `sent` is, as far as this process remembers."""
    memory = means.memory
    if not memory.is_trusted:
        return None
    key_id = memory.credentials.get(secret.digest(sent))
    key = None if key_id is None else cast(ApiKey | None, memory.api_keys.get(key_id))
    account = None if key is None else cast(Account | None, memory.accounts.get(key.account_id))
    if key is None or account is None:
        return None
    memory.hits += 1
    return programs.at_work(means, key, account)


def _recalled_holder(means: Means, token: str, surface: str | None) -> Held | None:
    claims = _verified(means, token, surface) if means.memory.is_trusted else None
    if claims is None:
        return None
    known = _recalled(means, claims.session_id, audience=surface or NATIVE)
    return None if known is None else Held(known, claims)


def _verified(means: Means, token: str, surface: str | None) -> Claims | None:
    """Return what a token says that fitted its session once, and is still in its time."""
    claims = cast(Claims | None, means.memory.tokens.get(token))
    if claims is None or claims.surface != surface:
        return None
    now, until = means.clock.now(), claims.honoured_until
    if until is not None and now >= until:
        return None  # its key is over by the clock, of which no word is sent
    return claims if now < claims.expires_at + LEEWAY else None


def _recalled(
    means: Means, session_id: UUID, *, audience: str, digest: bytes | None = None
) -> SignedIn | None:
    memory, now = means.memory, means.clock.now()
    session = cast(Session | None, memory.sessions.get(session_id))
    # One that looks idle here may have been used elsewhere: it is read again.
    if session is None or not store.is_live(means, session, now=now):
        return None
    if session.audience != audience:
        return None
    if digest is not None and session.secret_digest != digest:
        return None  # it has got another secret meanwhile
    account = cast(Account | None, memory.accounts.get(session.account_id))
    if account is None:
        return None
    memory.hits += 1
    store.touch(means, session, now=now)
    return SignedIn(account=account, session=session)


def _remember(means: Means, found: SignedIn, loading: Loading) -> bool:
    """Keep what was read of an active account and a live session, unless it changed meanwhile."""
    session, account = found.session, found.account
    facts = (Fact.SESSION, session.id), (Fact.ACCOUNT, account.id)
    if not means.memory.is_trusted or not loading.is_good(*facts) or _is_bulky(account):
        return False
    means.memory.sessions.put(session.id, session)
    means.memory.accounts.put(account.id, account)
    return True


def _is_bulky(account: Account) -> bool:
    """Tell whether what a host or an older system keeps of an account would fill the memory."""
    return len(json.dumps(account.profile)) > _BULKY
