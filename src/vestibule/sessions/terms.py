"""On which terms a surface opens sessions."""

from dataclasses import dataclass
from datetime import timedelta

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
