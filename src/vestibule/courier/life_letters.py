"""The letters of an account's life: a new password, a new address, its end. As `letters`."""

from datetime import datetime, timedelta
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
    ours = f"{settings.base_url}/reset-password/{{token}}"
    return Draft(
        kind="reset_password",
        recipient=to,
        account_id=account_id,
        expires_at=now + lifetime,
        words=origin(now, caller)
        | {
            "link": (page or settings.link_password_reset or ours).replace("{token}", token),
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
