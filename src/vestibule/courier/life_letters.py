"""The letters of an account's life: a new password, a new address, its end. As `letters`."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from vestibule.courier.letters import NEWS, Draft, minute, origin
from vestibule.courier.rendering import spoken
from vestibule.kernel.means import Caller
from vestibule.kernel.settings import Settings


def reset_password(
    settings: Settings,
    *,
    to: str,
    account_id: UUID,
    keys: tuple[str, str],
    now: datetime,
    caller: Caller,
    lifetime: timedelta,
    page: str | None = None,
) -> Draft:
    """A link and a code for a new password, and from where they were asked for.

    Args:
        keys: token and code.
        lifetime: how long the link works.
        page: where it leads, in place of the settings' page.
    """
    token, code = keys
    link = settings.link_password_reset or f"{settings.base_url}/reset-password/{{token}}"
    return Draft(
        kind="reset_password",
        recipient=to,
        account_id=account_id,
        expires_at=now + lifetime,
        words=origin(now, caller)
        | {
            "link": (page or link).replace("{token}", token),
            "code": code,
            "link_lifetime": spoken(lifetime),
            "code_lifetime": spoken(min(settings.code_lifetime, lifetime)),
        },
    )


def no_account(*, to: str, now: datetime, caller: Caller) -> Draft:
    """Tells whoever asked for a new password that there is nothing here to log in to."""
    return Draft(kind="no_account", recipient=to, expires_at=now + NEWS, words=origin(now, caller))


def password_changed(*, to: str, account_id: UUID, now: datetime, caller: Caller) -> Draft:
    """Tells an owner that the account has another password; never which."""
    return Draft(
        kind="password_changed",
        recipient=to,
        account_id=account_id,
        expires_at=now + NEWS,
        words=origin(now, caller) | {"changed_at": minute(now)},
    )


def change_address(
    settings: Settings,
    *,
    to: str,
    account_id: UUID,
    keys: tuple[str, str],
    now: datetime,
    caller: Caller,
) -> Draft:
    """To the address that is to be new: a link and a code that prove it.

    Args:
        keys: token and code.
    """
    token, code = keys
    link = settings.link_address_change or f"{settings.base_url}/confirm-email?token={{token}}"
    return Draft(
        kind="change_address",
        recipient=to,
        account_id=account_id,
        expires_at=now + settings.address_lifetime,
        words=origin(now, caller)
        | {
            "link": link.replace("{token}", token),
            "code": code,
            "link_lifetime": spoken(settings.address_lifetime),
            "code_lifetime": spoken(min(settings.code_lifetime, settings.address_lifetime)),
        },
    )


def address_wanted(*, to: str, now: datetime, caller: Caller) -> Draft:
    """Tells an owner that somebody's other account is to have this address, and will not."""
    return Draft(
        kind="address_wanted", recipient=to, expires_at=now + NEWS, words=origin(now, caller)
    )


def to_former_address(
    settings: Settings,
    kind: Literal["address_change_asked", "address_changed"],
    *,
    to: str,
    account_id: UUID,
    token: str,
    now: datetime,
    caller: Caller,
) -> Draft:
    """To the address that an account has, or had until now: what becomes of it, and the way back.

    Which address is to be the new one stays out: whoever asked chose its words.
    """
    link = settings.link_address_undo or f"{settings.base_url}/undo-email?token={{token}}"
    return Draft(
        kind=kind,
        recipient=to,
        account_id=account_id,
        expires_at=now + settings.address_undo_lifetime,
        words=origin(now, caller)
        | {
            "link": link.replace("{token}", token),
            "link_lifetime": spoken(settings.address_undo_lifetime),
        },
    )


def account_closing(
    settings: Settings,
    *,
    to: str,
    account_id: UUID,
    token: str,
    closes_at: datetime,
    now: datetime,
    caller: Caller,
) -> Draft:
    """Tells an owner when the account will be erased, and how to keep it."""
    link = settings.link_account_keep or f"{settings.base_url}/keep-account?token={{token}}"
    return Draft(
        kind="account_closing",
        recipient=to,
        account_id=account_id,
        expires_at=closes_at,
        words=origin(now, caller)
        | {"link": link.replace("{token}", token), "closes_at": minute(closes_at)},
    )
