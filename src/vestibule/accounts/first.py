"""The first administrator, for whoever starts the service in development and sees its link."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from sqlalchemy import exists, select

from vestibule.accounts import breaches, names, policy
from vestibule.accounts.challenges import Wanted
from vestibule.accounts.models import Account
from vestibule.accounts.powers import ADMIN
from vestibule.accounts.signup import open_account
from vestibule.kernel.errors import ProofRefused
from vestibule.kernel.seal import Seals
from vestibule.kernel.unit import Unit
from vestibule.roles import grants
from vestibule.roles.models import Grant, Role

_PURPOSE = "first administrator"


def proof(seals: Seals) -> str:
    """Return what opens the first administrator's account: the same in all processes."""
    return urlsafe_b64encode(seals.mac(_PURPOSE, b"")).decode()


async def is_missing(unit: Unit) -> bool:
    """Tell whether nobody has been made an administrator."""
    return not await unit.session.scalar(select(exists().where(Grant.role == ADMIN)))


async def open_first(unit: Unit, *, proof: str, email: str, password: str) -> Account:
    """Open the account of the first administrator, whose address counts as proved.

    Raises:
        ProofRefused: that is no proof, or there is an administrator.
        InvalidAddress, WeakPassword: what was typed.
        AddressTaken: there is such an account.
        Busy: too many passwords wait to be hashed.
    """
    if not _is_proved(unit.seals, proof) or not await is_missing(unit):
        raise ProofRefused
    address = names.address(email)
    policy.check(password, personal=(address.typed, unit.settings.service_name))
    await breaches.check(unit, password)
    await unit.pause()
    wanted = Wanted(password_hash=await unit.passwords.hash(password))
    # Of several who come at once, the next looks when the first is done.
    await unit.session.execute(select(Role.name).where(Role.name == ADMIN).with_for_update())
    if not await is_missing(unit):
        raise ProofRefused
    account = await open_account(unit, wanted, address=address, proved=True)
    await grants.grant(unit, account.id, ADMIN)
    return account


def _is_proved(seals: Seals, proof: str) -> bool:
    try:
        mac = urlsafe_b64decode(proof)
    except ValueError:  # also of what is not ASCII
        return False
    return seals.verify(_PURPOSE, b"", mac)
