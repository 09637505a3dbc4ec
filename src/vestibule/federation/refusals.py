"""Telling the audit log of sign-ins with a provider that came to nothing.

Whom the rules of merging refuse, `admission` tells in its own unit.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from vestibule.accounts.queries import SignedIn
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.federation.provider import Provider
from vestibule.kernel.errors import (
    DatabaseUnavailable,
    IdentityTaken,
    NotSignedIn,
    ProviderFailed,
    ProviderRefused,
    StateRefused,
)
from vestibule.kernel.limits import PROVIDER_REFUSALS
from vestibule.kernel.means import Caller, Means
from vestibule.kernel.running import running
from vestibule.kernel.unit import Unit
from vestibule.throttle import counters


@asynccontextmanager
async def of_a_sign_in(means: Means, provider: Provider, *, caller: Caller) -> AsyncIterator[None]:
    """Have it told if what is done within is refused."""
    async with _told(means, provider, Event.LOGIN_REFUSED, caller=caller):
        yield


@asynccontextmanager
async def of_a_link(
    means: Means, provider: Provider, *, caller: Caller, known: SignedIn | None
) -> AsyncIterator[None]:
    """As `of_a_sign_in`, where an identity is to be linked; `known`: who is signed in."""
    async with _told(means, provider, Event.IDENTITY_REFUSED, caller=caller, known=known):
        yield


@asynccontextmanager
async def _told(
    means: Means,
    provider: Provider,
    event: Event,
    *,
    caller: Caller,
    known: SignedIn | None = None,
) -> AsyncIterator[None]:
    async def tell(unit: Unit) -> None:
        # Links and pictures of any page bring browsers back with nothing: no flood of them is told.
        network = caller.network
        if network is None or await counters.admits(unit, PROVIDER_REFUSALS, network):
            account_id = known.account.id if known else None
            await log.record(unit, event, account_id=account_id, about=provider.name)

    try:
        yield
    except (StateRefused, ProviderRefused, ProviderFailed, IdentityTaken, NotSignedIn):
        with suppress(DatabaseUnavailable):  # what was refused stays refused
            await running(means, tell, caller=caller)
        raise
