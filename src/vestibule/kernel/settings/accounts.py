"""What people may do, how often, and for how long it holds."""

from datetime import timedelta
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from vestibule.kernel import limits, scopes
from vestibule.kernel.limits import Limit
from vestibule.kernel.scopes import Scope
from vestibule.kernel.settings.group import PREFIX, Group
from vestibule.kernel.settings.values import PlainUrl, Problems, Span, is_loopback

_SHORTEST_IDLE = timedelta(minutes=5)
_LONGEST_RESET = timedelta(hours=24)


class Accounts(Group):
    title: ClassVar = "Accounts, sessions and limits"

    breach_check_url: PlainUrl = ""
    """Whom to ask whether a password that somebody chooses is known from a data breach:
    `https://api.pwnedpasswords.com/range`, or a mirror of it. It is told the first five of the 40
    signs of the password's SHA-1, which hundreds of known passwords share, and neither the password
    nor whose it is. Where no answer comes within two seconds, the password is taken and a warning
    logged. Off by default: whoever signs up waits for somebody else's server."""

    login_before_proof: bool = False
    """Open an account before its address is proved, and let it log in. Convenient for a product
    whose first minute must not wait for mail; it costs the certainty that every account's address
    is its owner's, and a stranger can learn by signing up whether an address has an account."""

    sign_up_lifetime: Span = timedelta(hours=24)
    """How long the link of a sign-up letter works."""

    reset_lifetime: Span = timedelta(hours=1)
    """How long the link to a new password works. Whoever reads the mailbox in that time can take
    the account: a longer one is more convenient, at most a day."""

    address_lifetime: Span = timedelta(hours=24)
    """How long the link that proves a new address works."""

    address_undo_lifetime: Span = timedelta(days=7)
    """How long the former address can take an account back after a change of address. A longer time
    helps whoever notices late, and whoever gets hold of a mailbox that was given up."""

    code_lifetime: Span = timedelta(minutes=30)
    """How long a typed code works; never longer than the link beside it."""

    closing_grace: Span = timedelta(days=14)
    """How long an account that its owner closed can be kept by the link of a letter; then `prune`
    erases it. A shorter time leaves less to whoever regrets it, or was closed out by a thief."""

    password_ends_api_keys: bool = True
    """Remove an account's API keys when its password is changed or reset, so that whoever made one
    with a stolen password loses it. Off: programs go on working, and so do a thief's. A reset that
    proves an address for the first time removes them in any case."""

    username_change: bool = False
    """Let people change their username. The old one is free at once: whoever takes it may be
    mistaken for the one before, wherever usernames are how people know each other."""

    double_hash_salt: SecretStr | None = None
    """What Flask-Security called `SECURITY_PASSWORD_SALT`, for people who moved in from there with
    its double hash. Without it none of their old passwords is right. It may go once nobody has such
    a hash any more (`vestibule accounts formats`)."""

    session_idle: Span = timedelta(hours=24)
    """A session that is not used for this long ends (ISO 8601, `PT24H`, or seconds)."""

    session_lifetime: Span = timedelta(days=7)
    """A session ends after this long however much it is used."""

    remember_idle: Span = timedelta(days=30)
    """As `SESSION_IDLE`, for log-ins that ask to be remembered."""

    remember_lifetime: Span = timedelta(days=90)
    """As `SESSION_LIFETIME`, for log-ins that ask to be remembered."""

    sessions_per_account: int = Field(default=10_000, ge=1)
    """How many devices an account is signed in on at once, browsers and clients with tokens taken
    together. A further log-in ends the session that was unused for longest, and the audit log tells
    it (`session.evicted`). More of them let whoever knows a password open more; fewer sign people
    out who have many devices, or whose programs log in again and again."""

    recent_authentication: Span = timedelta(minutes=10)
    """How long after a log-in, or after saying once more who they are, people may do what changes
    how they log in. A longer time is more convenient, also for somebody who finds a device open."""

    scopes: Annotated[tuple[Scope, ...], NoDecode] = ()
    """What routes may ask for piece by piece, and which roles give it:
    `notes:read=user, notes:write=editor|admin`. A route asks by `@requires(scope="notes:read")`. A
    role that there is not stops the start."""

    support_roles: Annotated[tuple[str, ...], NoDecode] = ()
    """Roles that may look after accounts beside `admin`, and less: `support, moderator`. They reach
    accounts alone that have no role but theirs, and give no others; the audit log and the letters
    are for `admin`. A role of yours is added by a migration of yours."""

    limits: Annotated[tuple[Limit, ...], NoDecode] = ()
    """How often somebody may try: `log_in_identifier=10/15m, letters=off`, each a number and a span
    in `s`, `m`, `h` or `d`. Those not named stay as they are. Default: the table below. Tighter
    ones turn honest people away sooner, looser ones give guessing more room."""

    @field_validator("limits", mode="before")
    @classmethod
    def _limits(cls, value: object) -> object:
        return limits.read(value) if isinstance(value, str) else value

    @field_validator("scopes", mode="before")
    @classmethod
    def _scopes(cls, value: object) -> object:
        return scopes.read(value) if isinstance(value, str) else value

    @field_validator("support_roles", mode="before")
    @classmethod
    def _support_roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(each.strip() for each in value.split(",") if each.strip())

    def problems(self) -> Problems:
        if "user" in self.support_roles:
            yield "support_roles", "must not name user: everybody is one"
        asked = urlsplit(self.breach_check_url)
        if asked.scheme == "http" and not (
            self.in_development or is_loopback(asked.hostname or "")
        ):
            yield "breach_check_url", "must be https: whoever answers decides about passwords"
        if self.reset_lifetime > _LONGEST_RESET:
            yield "reset_lifetime", "must be at most a day"
        for idle in ("session_idle", "remember_idle"):
            if getattr(self, idle) < _SHORTEST_IDLE:
                yield idle, "must be at least 5 minutes: the last use is written once a minute"
        for idle, lifetime in (
            ("session_idle", "session_lifetime"),
            ("remember_idle", "remember_lifetime"),
            ("code_lifetime", "sign_up_lifetime"),
        ):
            if getattr(self, idle) > getattr(self, lifetime):
                yield idle, f"must not be longer than {PREFIX}{lifetime.upper()}"

    def limit(self, limit: Limit) -> Limit:
        """Return a limit as it was set, or as it stands in the table."""
        return next((each for each in self.limits if each.name == limit.name), limit)
