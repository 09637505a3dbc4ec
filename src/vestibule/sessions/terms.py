"""On which terms a surface opens sessions."""

from dataclasses import dataclass
from datetime import timedelta

from vestibule.kernel.settings import Settings
from vestibule.sessions.models import Kind


@dataclass(frozen=True, kw_only=True)
class Terms:
    """For another surface than the API: its sessions are its alone, and last as its clients know.

    A session rests for `idle` at most, however it is used, unless `rotation.prolong` says so.
    """

    audience: str
    kind: Kind
    idle: timedelta
    lifetime: timedelta


def spans(settings: Settings, kind: Kind, *, remember: bool) -> tuple[timedelta, timedelta]:
    """Return for how long a session of the API rests, and lasts, at most."""
    if kind == Kind.TOKENS:
        return settings.token_idle, settings.token_lifetime
    if remember:
        return settings.remember_idle, settings.remember_lifetime
    return settings.session_idle, settings.session_lifetime
