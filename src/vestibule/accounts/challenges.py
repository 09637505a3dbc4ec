"""One-time proofs sent by letter: made, looked up, spent.

Every challenge has three ways in: the handle that the asking client holds, the token in the
letter's link, and the code in the letter. Clear ones exist only with their holders.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import LargeBinary, exists, func, insert, select, update
from sqlalchemy.orm import aliased

from vestibule.accounts.models import Challenge
from vestibule.accounts.names import Address
from vestibule.kernel import opaque
from vestibule.kernel.errors import ProofRefused, Why
from vestibule.kernel.ids import uuid7
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.removal import remove
from vestibule.kernel.seal import Unsealable
from vestibule.kernel.sealed import Sealed
from vestibule.kernel.unit import Unit

SIGN_UP = "sign_up"
SEAL = "challenge"
_CODE = "code"
SEALED = Sealed(Challenge, Challenge.payload, SEAL)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a sign-up will open once it is proved."""

    password_hash: str | None
    username: str | None = None
    given_name: str | None = None
    family_name: str | None = None


@dataclass(frozen=True)
class Keys:
    """What goes out in a letter, this once."""

    token: str
    code: str


@dataclass(frozen=True)
class Click:
    """A surface's page, with `{token}`, that asks no password; its links are good there alone."""

    page: str
    surface: str


async def ask(
    unit: Unit,
    address: Address,
    wanted: Wanted,
    *,
    account_id: UUID | None = None,
    click_at: str | None = None,
) -> tuple[str, Keys]:
    """Write a new sign-up challenge; return the handle for the client and the keys for a letter.

    Args:
        click_at: the surface where the letter's link alone proves the address.
    """
    challenge_id = uuid7()
    handle, handle_digest = opaque.issue(Purpose.SIGN_UP)
    keys, columns = new_keys(unit, challenge_id, unit.settings.sign_up_lifetime, click_at=click_at)
    payload = json.dumps(asdict(wanted)).encode()
    await unit.session.execute(
        insert(Challenge).values(
            id=challenge_id,
            purpose=SIGN_UP,
            account_id=account_id,
            email_key=address.key,
            address=address.typed,
            payload=unit.seals.seal(SEAL, payload, row=challenge_id.bytes),
            handle_digest=handle_digest,
            created_at=unit.now,
            **columns,
        )
    )
    return handle, keys


async def ask_again(unit: Unit, challenge: Challenge) -> Keys | None:
    """Give an open challenge new keys, so that an older letter's are worth nothing."""
    keys, columns = new_keys(unit, challenge.id, unit.settings.sign_up_lifetime)
    renewed = await unit.session.scalar(
        update(Challenge)
        .where(
            Challenge.id == challenge.id,
            Challenge.used_at.is_(None),
            Challenge.expires_at > unit.now,
        )
        .values(columns)
        .returning(Challenge.id)
        .execution_options(synchronize_session=False)
    )
    return keys if renewed else None


async def by_handle(unit: Unit, handle: str) -> Challenge | None:
    """Find a challenge by what its client holds, also one that is used or out of date."""
    return await unit.session.scalar(
        select(Challenge).where(
            Challenge.handle_digest == opaque.digest(Purpose.SIGN_UP, handle),
            Challenge.purpose == SIGN_UP,
        )
    )


async def by_token(unit: Unit, token: str, *, click_at: str | None = None) -> Challenge | None:
    """Find the challenge that a letter's link opens, where it asks for the password.

    Args:
        click_at: the surface where it asks for none; links of another are not found.
    """
    digest = opaque.digest(_link(click_at), token, surface=click_at or "")
    return await unit.session.scalar(
        select(Challenge).where(
            Challenge.token_digest == digest,
            Challenge.purpose == SIGN_UP,
        )
    )


def is_open(unit: Unit, challenge: Challenge) -> bool:
    return challenge.used_at is None and challenge.expires_at > unit.now


def why(unit: Unit, challenge: Challenge | None) -> Why:
    """Return what is the matter with a challenge that is not open, or not there."""
    if challenge is not None and challenge.used_at is None and challenge.expires_at <= unit.now:
        return Why.EXPIRED
    return Why.UNKNOWN


def is_code(unit: Unit, challenge: Challenge, code: str) -> bool:
    message = _code_message(challenge.id, opaque.typed(code))
    right = unit.seals.verify(_CODE, message, challenge.code_mac)
    return right and challenge.code_expires_at > unit.now


def wanted(unit: Unit, challenge: Challenge) -> Wanted:
    """Unseal what the sign-up will open.

    Raises:
        ProofRefused: it was sealed under a secret that is gone, so nobody can prove it any more.
    """
    try:
        content = unit.seals.open(SEAL, challenge.payload or b"", row=challenge.id.bytes)
    except Unsealable:
        raise ProofRefused from None
    return Wanted(**json.loads(content))


async def sealed(unit: Unit, *, most: int) -> tuple[int, int]:
    """Look at open challenges; return how many, and how many nobody can open any more."""
    is_open = Challenge.used_at.is_(None) & (Challenge.expires_at > unit.now)
    statement = select(Challenge).where(is_open, Challenge.payload.is_not(None)).limit(most)
    opened = [
        unit.seals.opens(SEAL, each.payload or b"", row=each.id.bytes)
        for each in (await unit.session.scalars(statement)).all()
    ]
    return len(opened), opened.count(False)


async def spend(unit: Unit, challenge: Challenge) -> bool:
    """Use `challenge` up, and with it every other open sign-up of the address; False if too late.

    One statement, and its locks are taken in the order of ids, so that of any number of proofs at
    once one spends and the others find nothing, without a deadlock.
    """
    mine = aliased(Challenge)
    still_open = exists().where(
        mine.id == challenge.id, mine.used_at.is_(None), mine.expires_at > unit.now
    )
    open_ones = (
        select(Challenge.id)
        .where(
            Challenge.purpose == challenge.purpose,
            Challenge.email_key == challenge.email_key,
            Challenge.used_at.is_(None),
            still_open,
        )
        .order_by(Challenge.id)
        .with_for_update(of=Challenge)
    )
    spent = await unit.session.scalars(
        update(Challenge)
        .where(Challenge.id.in_(open_ones))
        .values(used_at=unit.now, payload=None)
        .returning(Challenge.id)
        .execution_options(synchronize_session=False)
    )
    return challenge.id in spent.all()


async def older_codes_until(unit: Unit) -> datetime | None:
    """Return when the last code that only an older secret can judge is out of date."""
    newest = unit.seals.newest
    older = func.substr(Challenge.code_mac, 1, len(newest), type_=LargeBinary) != newest
    typed = (Challenge.used_at.is_(None), Challenge.code_expires_at > unit.now, older)
    return await unit.session.scalar(select(func.max(Challenge.code_expires_at)).where(*typed))


async def prune(unit: Unit, *, most: int) -> int:
    """Remove challenges that are out of date, used or not; from then on nobody knows them."""
    return await remove(unit, Challenge, Challenge.expires_at, until=unit.now, most=most)


def new_keys(
    unit: Unit, challenge_id: UUID, lifetime: timedelta, *, click_at: str | None = None
) -> tuple[Keys, dict[str, bytes | datetime]]:
    """Return a token and a code for a letter, and what a row keeps of them."""
    token, token_digest = opaque.issue(_link(click_at), surface=click_at or "")
    code = opaque.code()
    message = _code_message(challenge_id, opaque.typed(code))
    columns: dict[str, bytes | datetime] = {
        "token_digest": token_digest,
        # 40 bits under a plain digest would fall to whoever copies the database.
        "code_mac": unit.seals.mac(_CODE, message),
        "code_expires_at": unit.now + min(unit.settings.code_lifetime, lifetime),
        "expires_at": unit.now + lifetime,
    }
    return Keys(token, code), columns


def _link(click_at: str | None) -> Purpose:
    return Purpose.LINK if click_at is None else Purpose.CLICK


def _code_message(challenge_id: UUID, code: str) -> bytes:
    return challenge_id.bytes + code.encode()
