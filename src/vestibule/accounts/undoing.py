"""Taking an account back from the address that it had.

For a week, whatever happens to the password meanwhile: whoever changed the address of somebody
else's account had its password, too.
"""

from vestibule.accounts import address, challenges, ending, holding, proofs, resetting
from vestibule.accounts.models import Account
from vestibule.accounts.names import Address
from vestibule.accounts.proofs import Proof
from vestibule.audit import log
from vestibule.audit.events import Event
from vestibule.kernel.unit import Unit


async def undo_change(unit: Unit, *, token: str) -> Account:
    """Give an account the address back from which it was changed, or is about to be.

    Whoever asked for the change had the password: it is worth nothing from then on, every session
    and every API key ends, nobody signs in by an account elsewhere any more, and a letter for a new
    password leaves for the address.

    Raises:
        ProofRefused: unknown, used, out of date, or of an account that was disabled.
        AddressTaken: another account has the address by now; nothing is spent.
    """
    challenge = await proofs.by_token(unit, Proof.UNDO, token)
    if challenge is None or not challenges.is_open(unit, challenge):
        await address.refuse(unit, challenge)
    held = await holding.hold(unit, challenge.account_id)
    if held is None or held.state == "disabled" or not await proofs.spend(unit, challenge):
        await address.refuse(unit, challenge)
    # A later one would give it to whoever it was taken from; an earlier one has the older right.
    await proofs.void(unit, held.id, Proof.UNDO, since=challenge.created_at)
    await ending.void_open(unit, held.id)
    former = Address(challenge.address, challenge.email_key)
    until_now = held.email_key if held.email_verified_at else None
    account = await address.write(
        unit,
        held,
        former,
        state="active",
        closes_at=None,  # the thief may have closed it
        password_hash=None,
        password_changed_at=unit.now,
    )
    await ending.end_everything(unit, account.id, reason="address_undone")
    await ending.remove_identities(unit, account.id)
    await log.record(unit, Event.ADDRESS_UNDONE, account_id=account.id, identifier=until_now)
    await resetting.write_letter(unit, former, account)
    return account
