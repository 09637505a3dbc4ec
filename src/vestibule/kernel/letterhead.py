"""What a surface has on the letters that it causes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Letterhead:
    """What stands before their subjects, and who sends them; empty: nothing, and the service."""

    subject_prefix: str = ""
    sender: str = ""
