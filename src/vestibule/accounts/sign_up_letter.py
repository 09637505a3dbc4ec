"""The letter that a sign-up posts."""

from uuid import UUID

from vestibule.accounts.challenges import Keys
from vestibule.accounts.models import Account
from vestibule.courier import letters
from vestibule.courier.letters import Draft
from vestibule.kernel.unit import Unit


def draft(
    unit: Unit,
    to: str,
    keys: Keys | None,
    *,
    owner: Account | None,
    opened: UUID | None,
    page: str | None = None,
) -> Draft:
    """Write the proof for an address that is free, and for one that is not, a word to its owner.

    Args:
        opened: the account that the sign-up opened at once.
        page: a page that proves the address by the link alone, with `{token}`.
    """
    if keys is None or (owner is not None and owner.email is not None):
        stored = owner.email if owner is not None and owner.email is not None else to
        return letters.already_registered(to=stored, now=unit.now, caller=unit.caller)
    expires_at = unit.now + unit.settings.sign_up_lifetime
    if page is not None:
        return letters.activate_account(
            to=to,
            link=page.replace("{token}", keys.token),
            asked_at=unit.now,
            caller=unit.caller,
            expires_at=expires_at,
            account_id=opened,
        )
    return letters.prove_address(
        unit.settings,
        to=to,
        token=keys.token,
        code=keys.code,
        asked_at=unit.now,
        caller=unit.caller,
        expires_at=expires_at,
        account_id=opened,
    )
