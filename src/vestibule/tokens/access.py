"""Access tokens: short-lived JWTs (RFC 7519, 9068) of a session, verified without a database."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from joserfc import jwt

from vestibule.kernel.ids import uuid7
from vestibule.kernel.settings import Settings
from vestibule.tokens import checks
from vestibule.tokens.checks import Verifier
from vestibule.tokens.keyring import Pair

_JITTER = 0.05


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who a token speaks of: an account, by one of its sessions."""

    account_id: UUID
    session_id: UUID
    roles: Sequence[str]
    amr: str
    auth_time: datetime
    email_verified: bool
    expires_at: datetime


@dataclass(frozen=True)
class Claims:
    """What a verified token says: a guess until the session's row agrees."""

    account_id: UUID
    session_id: UUID
    expires_at: datetime
    kid: str
    honoured_until: datetime | None = None  # what that key signed; None: for the time being
    surface: str | None = None  # whose token it is; None: the API's own
    use: str | None = None  # what it is for, where a surface has several kinds


@dataclass(frozen=True)
class Issued:
    token: str
    expires_in: int  # seconds


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the tokens of another surface than the API differ from its own."""

    surface: str
    lifetime: timedelta
    claims: Mapping[str, object] = field(default_factory=dict)
    token_id: str | None = None  # where all tokens of a session have the same


def issue(
    pair: Pair, settings: Settings, holder: Holder, *, now: datetime, form: Form | None = None
) -> Issued:
    """Sign a token that ends with its session at the latest."""
    if form is None:
        spread = 1 + random.uniform(-_JITTER, _JITTER)  # noqa: S311 - no secret
        lifetime = settings.access_lifetime * spread
    else:
        lifetime = form.lifetime  # as its clients know it
    ends = min(now + lifetime, holder.expires_at)
    issued_at = int(now.timestamp())
    claims = (dict(form.claims) | {"nbf": issued_at} if form else {}) | {
        "iss": settings.base_url,
        "aud": audience(settings, form.surface if form else None),
        "sub": str(holder.account_id),
        "sid": str(holder.session_id),
        "jti": (form.token_id if form else None) or str(uuid7()),
        "iat": issued_at,
        "exp": int(ends.timestamp()),
        "roles": list(holder.roles),
        "amr": holder.amr.split(),
        "auth_time": int(holder.auth_time.timestamp()),
        "email_verified": holder.email_verified,
    }
    header = {"alg": pair.algorithm, "kid": pair.kid, "typ": checks.TYPE}
    with checks.quietly(pair.algorithm):
        token = jwt.encode(header, claims, pair.private, algorithms=[pair.algorithm])
    return Issued(token, int(ends.timestamp()) - issued_at)


def audience(settings: Settings, surface: str | None) -> str:
    """Return whom the tokens of a surface are for."""
    return settings.base_url if surface is None else f"{settings.base_url}#{surface}"


def verify(
    token: str,
    verifier: Verifier,
    settings: Settings,
    *,
    now: datetime,
    surface: str | None = None,
    however_old: bool = False,
) -> Claims:
    """Return what a token says, if one of our keys signed it for `surface` and it is in its time.

    Raises:
        NotSignedIn: anything is not as `issue` writes it.
    """
    whom = audience(settings, surface)
    said = checks.verify(
        token, verifier, settings.base_url, now=now, audience=whom, however_old=however_old
    )
    return Claims(
        account_id=UUID(said["sub"]),
        session_id=UUID(said["sid"]),
        expires_at=checks.moment(said["exp"]),
        kid=verifier.kid,
        honoured_until=verifier.until,
        surface=surface,
        use=said.get("type"),
    )
