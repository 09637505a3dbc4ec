"""Signing in, and linking, by what a client of ours got from a provider by itself.

A code for which it ran the redirect, or an ID token that its platform gave it.
"""

from datetime import timedelta

from vestibule.accounts.login import LoggedIn
from vestibule.accounts.queries import SignedIn
from vestibule.federation import asking, entering, id_tokens, identities, refusals, spent
from vestibule.federation.choose import Providers
from vestibule.federation.pending import Intent
from vestibule.federation.provider import Brought, Person, Provider
from vestibule.kernel.errors import FieldError, InvalidFields, StateRefused
from vestibule.kernel.means import Caller, Means
from vestibule.kernel.running import running
from vestibule.sessions.models import Kind


async def exchange(
    means: Means,
    provider: Provider,
    brought: Brought,
    *,
    issuer: str | None,
    intent: Intent,
    caller: Caller,
) -> LoggedIn:
    """Sign in by a code; answers tokens.

    Args:
        issuer: who sent the code, as the answer to the client said (RFC 9207).

    Raises:
        InvalidFields: no nonce, where there is an ID token to hold it; no issuer, where it is
            needed.
        ProviderFailed, NoAccount, TooManyAttempts: as `come_back`.
    """
    async with refusals.of_a_sign_in(means, provider, caller=caller):
        person = await _of_code(means, provider, brought, issuer, caller)
    return await _entered(means, provider, person, intent, caller)


async def by_id_token(
    means: Means, provider: Provider, *, id_token: str, nonce: str, intent: Intent, caller: Caller
) -> LoggedIn:
    """Sign in by an ID token; each works once, for this or for linking. Answers tokens.

    Raises:
        ProviderFailed, NoAccount, TooManyAttempts: as `come_back`.
        StateRefused: it was used before.
    """
    async with refusals.of_a_sign_in(means, provider, caller=caller):
        person = await _of_id_token(means, provider, id_token, nonce, caller)
    return await _entered(means, provider, person, intent, caller)


async def link_by_code(
    means: Means,
    provider: Provider,
    brought: Brought,
    *,
    issuer: str | None,
    caller: Caller,
    known: SignedIn,
) -> None:
    """Let whom a code speaks of open the account of `known` from now on.

    Raises:
        InvalidFields, ProviderFailed, TooManyAttempts: as `exchange`.
        NotSignedIn, IdentityTaken: as `identities.link`.
    """
    async with refusals.of_a_link(means, provider, caller=caller, known=known):
        person = await _of_code(means, provider, brought, issuer, caller)
        await link(means, provider, person, caller=caller, known=known)


async def link_by_id_token(
    means: Means, provider: Provider, *, id_token: str, nonce: str, caller: Caller, known: SignedIn
) -> None:
    """Let whom an ID token speaks of open the account of `known` from now on.

    Raises:
        ProviderFailed, StateRefused, TooManyAttempts: as `by_id_token`.
        NotSignedIn, IdentityTaken: as `identities.link`.
    """
    async with refusals.of_a_link(means, provider, caller=caller, known=known):
        person = await _of_id_token(means, provider, id_token, nonce, caller)
        await link(means, provider, person, caller=caller, known=known)


async def link(
    means: Means, provider: Provider, person: Person, *, caller: Caller, known: SignedIn
) -> None:
    """As `identities.link`, in a unit of its own."""
    await running(
        means,
        lambda unit: identities.link(unit, caller=known, person=person, provider=provider),
        caller=caller,
    )


async def _entered(
    means: Means, provider: Provider, person: Person, intent: Intent, caller: Caller
) -> LoggedIn:
    return await entering.enter(
        means, person, provider=provider, intent=intent, kind=Kind.TOKENS, caller=caller
    )


async def _of_code(
    means: Means, provider: Provider, brought: Brought, issuer: str | None, caller: Caller
) -> Person:
    if provider.has_id_tokens and not brought.nonce:
        raise InvalidFields([_NO_NONCE])
    await asking.count(means, caller)
    return await asking.told(provider, _redeemed(means, provider, brought, issuer))


async def _redeemed(
    means: Means, provider: Provider, brought: Brought, issuer: str | None
) -> Person:
    # With one provider there is none to mistake it for: RFC 9207, 2.4.
    alone = len(means.part(Providers)) == 1
    if issuer is None and not alone and await provider.tells_issuer(means):
        raise InvalidFields([_NO_ISSUER])
    if issuer is not None:
        await provider.check_issuer(means, issuer)
    return await provider.redeem(means, brought)


async def _of_id_token(
    means: Means, provider: Provider, id_token: str, nonce: str, caller: Caller
) -> Person:
    await asking.count(means, caller)
    person = await asking.told(provider, provider.read(means, id_token, nonce))
    until = id_tokens.OLDEST + 2 * id_tokens.LEEWAY + timedelta(minutes=1)
    # Not the token but what it is for: the same signature can be written in several ways.
    once = f"{person.issuer}\n{person.subject}\n{nonce}"
    if not await running(
        means, lambda unit: spent.spend(unit, "ID token", once, until=unit.now + until)
    ):
        raise StateRefused
    return person


_NO_NONCE = FieldError("nonce", "required", "Send the nonce that you asked with.")
_NO_ISSUER = FieldError("iss", "required", "Send the iss that came with the code.")
