"""Entering an account, however often somebody else is faster, and what follows from it."""

from contextlib import suppress

from vestibule.accounts import address, challenges, proofs
from vestibule.accounts.login import LoggedIn
from vestibule.accounts.proofs import Proof
from vestibule.accounts.queries import SignedIn
from vestibule.federation import admission
from vestibule.federation.admission import Raced
from vestibule.federation.pending import Intent
from vestibule.federation.provider import Person, Provider
from vestibule.kernel.errors import DatabaseUnavailable, InvalidAddress, TooManyAttempts
from vestibule.kernel.means import Caller, Means
from vestibule.kernel.running import running
from vestibule.kernel.unit import Unit
from vestibule.sessions.models import Kind
from vestibule.sessions.terms import Terms

_TRIES, _RETRY_AFTER = 3, 1


async def enter(
    means: Means,
    person: Person,
    *,
    provider: Provider,
    intent: Intent,
    kind: Kind,
    caller: Caller,
    remember: bool = False,
    instead_of: SignedIn | None = None,
    terms: Terms | None = None,
) -> LoggedIn:
    """As `admission.enter`, in a unit of its own.

    Raises:
        NoAccount: as there.
        DatabaseUnavailable: as `running`, or somebody else was faster again and again.
    """

    async def flow(unit: Unit) -> LoggedIn:
        return await admission.enter(
            unit,
            person,
            provider=provider,
            intent=intent,
            kind=kind,
            remember=remember,
            instead_of=instead_of,
            terms=terms,
        )

    for _ in range(_TRIES):
        try:
            entered = await running(means, flow, caller=caller)
        except Raced:
            continue
        await _ask_for_proof(means, entered, person, caller)
        return entered
    raise DatabaseUnavailable(_RETRY_AFTER)


async def _ask_for_proof(means: Means, entered: LoggedIn, person: Person, caller: Caller) -> None:
    """Post a proof to the address for which the provider may not speak, to who has none yet.

    If an account has it, its owner gets a letter. Nobody is told here which it was. Whoever was cut
    off before this is asked when they come again.
    """
    account, email = entered.account, person.email
    if email is None or account.email is not None:
        return
    known = SignedIn(account=account, session=entered.opened.session)

    async def ask(unit: Unit) -> None:
        asked = await proofs.of_account(unit, Proof.CHANGE, account.id)
        if asked is None or not challenges.is_open(unit, asked):
            await address.ask_to_change(unit, caller=known, email=email)

    with suppress(InvalidAddress, TooManyAttempts):
        await running(means, ask, caller=caller)
