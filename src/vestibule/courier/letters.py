"""The letters we write, one function each; those of an account's life are in `life_letters`.

A letter names a template (`templates/<kind>.subject.txt`, `.txt`, `.html`) and what to fill in.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from vestibule.courier.browser import browser_name, network_name
from vestibule.courier.rendering import spoken
from vestibule.kernel.means import Caller
from vestibule.kernel.settings import Settings

NEWS = timedelta(days=3)  # how long it is worth telling somebody something


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A letter before it is posted; `words` is JSON and may hold secrets."""

    kind: str
    recipient: str
    expires_at: datetime
    words: dict[str, str | None]
    account_id: UUID | None = None
    # A newer one makes an older one that still waits pointless.
    displaces: bool = False


def prove_address(
    settings: Settings,
    *,
    to: str,
    token: str,
    code: str,
    asked_at: datetime,
    caller: Caller,
    expires_at: datetime,
    account_id: UUID | None = None,
) -> Draft:
    """The letter of a sign-up: a link, a code, and from where it was asked for."""
    template = settings.link_sign_up or f"{settings.base_url}/verify-email?token={{token}}"
    return Draft(
        kind="prove_address",
        recipient=to,
        account_id=account_id,
        expires_at=expires_at,
        words=origin(asked_at, caller) | {"link": template.replace("{token}", token), "code": code},
    )


def activate_account(
    *,
    to: str,
    link: str,
    asked_at: datetime,
    caller: Caller,
    expires_at: datetime,
    account_id: UUID | None = None,
) -> Draft:
    """The letter of a sign-up at a surface where its link is enough: that, and who asked for it."""
    return Draft(
        kind="activate_account",
        recipient=to,
        account_id=account_id,
        expires_at=expires_at,
        words=origin(asked_at, caller) | {"link": link},
    )


def already_registered(*, to: str, now: datetime, caller: Caller) -> Draft:
    """Tells an owner that somebody, perhaps they themselves, tried to sign up again."""
    return Draft(
        kind="already_registered",
        recipient=to,
        expires_at=now + NEWS,
        words=origin(now, caller),
    )


def token_replayed(
    *, to: str, account_id: UUID, opened_at: datetime, opened_by: str | None, now: datetime
) -> Draft:
    """Tells an owner that a session was ended because its refresh token had been copied."""
    return Draft(
        kind="token_replayed",
        recipient=to,
        account_id=account_id,
        expires_at=now + NEWS,
        words={"opened_at": minute(opened_at), "browser": browser_name(opened_by)},
    )


def confirm_identity(
    *,
    to: str,
    account_id: UUID,
    code: str,
    lifetime: timedelta,
    asked_at: datetime,
    caller: Caller,
) -> Draft:
    """The code by which somebody who is signed in says once more who they are."""
    return Draft(
        kind="confirm_identity",
        recipient=to,
        account_id=account_id,
        expires_at=asked_at + lifetime,
        words=origin(asked_at, caller) | {"code": code, "code_lifetime": spoken(lifetime)},
        displaces=True,
    )


def api_key_made(*, to: str, account_id: UUID, now: datetime, caller: Caller) -> Draft:
    """Tells an owner of a new key; what it is called stays out, for its maker chose that."""
    return Draft(
        kind="api_key_made",
        recipient=to,
        account_id=account_id,
        expires_at=now + NEWS,
        words=origin(now, caller),
    )


def custom(
    *,
    to: str,
    subject: str,
    text: str,
    html: str | None = None,
    expires_at: datetime,
    account_id: UUID | None = None,
    displaces: bool = False,
) -> Draft:
    """A host's own letter, sent as it is.

    Args:
        expires_at: after this it is not worth sending.
        account_id: whom it is about; erased with the account.
        displaces: drop an older custom letter to the same account that still waits.
    """
    return Draft(
        kind="custom",
        recipient=to,
        expires_at=expires_at,
        words={"subject": subject, "text": text, "html": html},
        account_id=account_id,
        displaces=displaces,
    )


def origin(at: datetime, caller: Caller) -> dict[str, str | None]:
    """Return when and from where something was asked for, in words of ours."""
    return {
        "asked_at": minute(at),
        "browser": browser_name(caller.user_agent),
        "network": network_name(caller.address),
    }


def minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
