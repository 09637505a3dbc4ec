"""What people may do, how often, and for how long it holds."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import field_validator
from pydantic_settings import NoDecode

from vestibule.kernel import limits
from vestibule.kernel.limits import Limit
from vestibule.kernel.settings.group import PREFIX, Group
from vestibule.kernel.settings.values import Problems, Span

_SHORTEST_IDLE = timedelta(minutes=5)


class Accounts(Group):
    title: ClassVar = "Accounts, sessions and limits"

    login_before_proof: bool = False
    """Open an account before its address is proved, and let it log in. Convenient for a product
    whose first minute must not wait for mail; it costs the certainty that every account's address
    is its owner's, and a stranger can learn by signing up whether an address has an account."""

    sign_up_lifetime: Span = timedelta(hours=24)
    """How long the link of a sign-up letter works."""

    code_lifetime: Span = timedelta(minutes=30)
    """How long a typed code works."""

    username_change: bool = False
    """Let people change their username. The old one is free at once: whoever takes it may be
    mistaken for the one before, wherever usernames are how people know each other."""

    session_idle: Span = timedelta(hours=24)
    """A session that is not used for this long ends (ISO 8601, `PT24H`, or seconds)."""

    session_lifetime: Span = timedelta(days=7)
    """A session ends after this long however much it is used."""

    remember_idle: Span = timedelta(days=30)
    """As `SESSION_IDLE`, for log-ins that ask to be remembered."""

    remember_lifetime: Span = timedelta(days=90)
    """As `SESSION_LIFETIME`, for log-ins that ask to be remembered."""

    limits: Annotated[tuple[Limit, ...], NoDecode] = ()
    """How often somebody may try: `log_in_identifier=10/15m, letters=off`, each a number and a span
    in `s`, `m`, `h` or `d`. Those not named stay as they are. Default: the table below. Tighter
    ones turn honest people away sooner, looser ones give guessing more room."""

    @field_validator("limits", mode="before")
    @classmethod
    def _limits(cls, value: object) -> object:
        return limits.read(value) if isinstance(value, str) else value

    def problems(self) -> Problems:
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
