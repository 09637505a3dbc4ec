"""Signing in with a provider: leaving for it, and coming back.

Who asks a provider holds no connection to the database: what is asked comes first, and a unit
after it decides.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from vestibule.accounts.login import LoggedIn
from vestibule.accounts.queries import SignedIn
from vestibule.federation import asking, entering, handing_in, refusals, spent
from vestibule.federation.pending import Intent, Pending, secret
from vestibule.federation.provider import Asked, Brought, Person, Provider
from vestibule.kernel.errors import ProviderRefused, StateRefused
from vestibule.kernel.means import Caller, Means
from vestibule.kernel.running import running
from vestibule.sessions.models import Kind
from vestibule.sessions.terms import Terms


@dataclass(frozen=True)
class Begun:
    """Where to send the browser, and what it has to bring back."""

    url: str
    state: str
    pending: Pending


@dataclass(frozen=True)
class Returned:
    """What a browser brought back from a provider (RFC 6749, 4.1.2; RFC 9207)."""

    code: str | None
    error: str | None
    issuer: str | None


async def begin(
    means: Means,
    provider: Provider,
    *,
    redirect_uri: str,
    surface: str,
    next: str,  # noqa: A002 - what everybody calls it
    intent: Intent = "either",
    remember: bool = False,
    login_hint: str | None = None,
    linking: SignedIn | None = None,
) -> Begun:
    """Begin a sign-in, or the linking of an identity to the account of `linking`.

    Raises:
        ProviderFailed: it cannot be asked where people sign in.
    """
    state, nonce, verifier = secret(), secret(), secret()
    asked = Asked(
        redirect_uri=redirect_uri,
        state=state,
        nonce=nonce,
        verifier=verifier,
        login_hint=login_hint,
    )
    url = await asking.told(provider, provider.way_there(means, asked))
    pending = Pending(
        issuer=provider.issuer,
        redirect_uri=redirect_uri,
        surface=surface,
        intent=intent,
        nonce=nonce,
        verifier=verifier,
        next=next,
        remember=remember,
        session=str(linking.session.id) if linking else None,
        begun_at=means.clock.now().timestamp(),
    )
    return Begun(url, state, pending)


async def come_back(
    means: Means,
    provider: Provider,
    pending: Pending | None,
    *,
    state: str,
    returned: Returned,
    redirect_uri: str,
    caller: Caller,
    known: SignedIn | None,
    terms: Terms | None = None,
) -> LoggedIn | None:
    """Finish what was begun in this browser; None where an identity was linked.

    Args:
        pending: what `state` was begun for, if in this browser.
        redirect_uri: where the provider sent the browser.
        known: who is signed in; that session ends, unless it is linked.
        terms: of another surface than the API; it hands out its credential itself.

    Raises:
        StateRefused: begun elsewhere, too long ago, for something else, or finished already.
        ProviderRefused: the person, or the provider, said no.
        ProviderFailed: what the provider says cannot be believed.
        NoAccount, IdentityTaken, NotSignedIn: as `enter` and `link`.
        TooManyAttempts: too many sign-ins from this client address.
    """
    async with _telling(means, provider, pending, caller=caller, known=known):
        if (
            pending is None
            or pending.issuer != provider.issuer
            or pending.redirect_uri != redirect_uri
            or pending.session != (str(known.session.id) if known and pending.session else None)
        ):
            raise StateRefused
        await _spend(means, caller, "state", state, pending)
        person = await asking.told(provider, _who(means, provider, pending, returned))
        if pending.session is not None:
            if known is None:
                raise StateRefused
            await handing_in.link(means, provider, person, caller=caller, known=known)
            return None
    return await entering.enter(
        means,
        person,
        provider=provider,
        intent=pending.intent,
        kind=Kind.COOKIE,
        remember=pending.remember,
        caller=caller,
        instead_of=known,
        terms=terms,
    )


def _telling(
    means: Means,
    provider: Provider,
    pending: Pending | None,
    *,
    caller: Caller,
    known: SignedIn | None,
) -> AbstractAsyncContextManager[None]:
    if pending is None or pending.session is None:
        return refusals.of_a_sign_in(means, provider, caller=caller)
    return refusals.of_a_link(means, provider, caller=caller, known=known)


async def _who(means: Means, provider: Provider, pending: Pending, returned: Returned) -> Person:
    await provider.check_issuer(means, returned.issuer)
    if returned.error is not None or not returned.code:
        raise ProviderRefused
    brought = Brought(
        code=returned.code,
        redirect_uri=pending.redirect_uri,
        verifier=pending.verifier,
        nonce=pending.nonce,
    )
    return await provider.redeem(means, brought)


async def _spend(means: Means, caller: Caller, kind: str, what: str, pending: Pending) -> None:
    await asking.count(means, caller)
    fresh = await running(means, lambda unit: spent.spend(unit, kind, what, until=pending.ends_at))
    if not fresh:
        raise StateRefused
