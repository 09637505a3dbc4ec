"""One-time proofs about an account that there is: made, looked up, spent, voided.

As those of a sign-up they are challenges, with a link and a code in a letter. What one is bound to
is sealed in it, and looked at again by the flow that acts on it.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from secrets import token_bytes
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, insert, select, update

from vestibule.accounts import challenges
from vestibule.accounts.challenges import SEAL, Keys
from vestibule.accounts.models import Challenge
from vestibule.accounts.names import Address
from vestibule.kernel import opaque
from vestibule.kernel.errors import ProofRefused
from vestibule.kernel.ids import uuid7
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.seal import Unsealable
from vestibule.kernel.unit import Unit

Bound = Mapping[str, str | None]


class Proof(StrEnum):
    """What a letter's keys are for."""

    RESET = "password_reset"
    CHANGE = "address_change"
    UNDO = "address_undo"
    KEEP = "account_keep"


async def ask(
    unit: Unit,
    proof: Proof,
    address: Address,
    *,
    account_id: UUID | None,
    lifetime: timedelta,
    bound: Bound,
) -> Keys:
    """Write a proof and return its keys, for a letter.

    Without an account it proves nothing, and costs the same.
    """
    challenge_id = uuid7()
    keys, columns = challenges.new_keys(unit, challenge_id, lifetime)
    await unit.session.execute(
        insert(Challenge).values(
            id=challenge_id,
            purpose=proof,
            account_id=account_id,
            email_key=address.key,
            address=address.typed,
            payload=unit.seals.seal(SEAL, json.dumps(bound).encode(), row=challenge_id.bytes),
            handle_digest=token_bytes(32),  # nobody holds one
            created_at=unit.now,
            **columns,
        )
    )
    return keys


async def by_token(unit: Unit, proof: Proof, token: str) -> Challenge | None:
    """Find the proof that a letter's link leads to, also one that is used or out of date."""
    return await unit.session.scalar(
        select(Challenge).where(
            Challenge.token_digest == opaque.digest(Purpose.LINK, token),
            Challenge.purpose == proof,
        )
    )


async def of_account(unit: Unit, proof: Proof, account_id: UUID) -> Challenge | None:
    """Find the newest open proof of an account."""
    return await unit.session.scalar(
        select(Challenge)
        .where(
            Challenge.purpose == proof,
            Challenge.account_id == account_id,
            Challenge.used_at.is_(None),
        )
        .order_by(Challenge.id.desc())
        .limit(1)
    )


async def of_address(unit: Unit, proof: Proof, email_key: str) -> Challenge | None:
    """Find the newest open proof of an address."""
    return await unit.session.scalar(
        select(Challenge)
        .where(
            Challenge.purpose == proof,
            Challenge.email_key == email_key,
            Challenge.used_at.is_(None),
        )
        .order_by(Challenge.id.desc())
        .limit(1)
    )


def bound_to(unit: Unit, challenge: Challenge) -> Bound:
    """Unseal what a proof is bound to.

    Raises:
        ProofRefused: it was sealed under a secret that is gone.
    """
    try:
        content = unit.seals.open(SEAL, challenge.payload or b"", row=challenge.id.bytes)
    except Unsealable:
        raise ProofRefused from None
    return cast(Bound, json.loads(content))


async def spend(unit: Unit, challenge: Challenge) -> bool:
    """Use a proof up; False if somebody was faster, or it is out of date."""
    spent = await unit.session.scalar(
        update(Challenge)
        .where(
            Challenge.id == challenge.id,
            Challenge.used_at.is_(None),
            Challenge.expires_at > unit.now,
        )
        .values(used_at=unit.now, payload=None)
        .returning(Challenge.id)
        .execution_options(synchronize_session=False)
    )
    return spent is not None


async def void(unit: Unit, account_id: UUID, *proofs: Proof, since: datetime | None = None) -> None:
    """Make an account's open proofs of these kinds worth nothing.

    Args:
        since: those alone that were written then or later.
    """
    theirs = (Challenge.account_id == account_id, Challenge.purpose.in_(proofs))
    later = () if since is None else (Challenge.created_at >= since,)
    await _void(unit, *theirs, *later)


async def void_of_address(unit: Unit, proof: Proof, email_key: str) -> None:
    """Make the open proofs of an address worth nothing, whoever asked for them."""
    await _void(unit, Challenge.purpose == proof, Challenge.email_key == email_key)


async def _void(unit: Unit, *which: ColumnElement[bool]) -> None:
    found = select(Challenge.id).where(*which, Challenge.used_at.is_(None))
    locked = found.order_by(Challenge.id).with_for_update()
    await unit.session.execute(
        update(Challenge)
        .where(Challenge.id.in_(locked))
        .values(used_at=unit.now, payload=None)
        .execution_options(synchronize_session=False)
    )


def moment(at: datetime | None) -> str | None:
    """Return a time as a proof holds it."""
    return None if at is None else at.isoformat()


def at_moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
