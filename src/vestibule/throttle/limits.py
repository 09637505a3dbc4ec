"""Every limit of the system, in one table."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Limit:
    """At most `most` counts within any span of length `within`, for each key."""

    name: str
    most: int
    within: timedelta


# Ten guesses at 40 bits. Counted by address, so a new sign-up or a new letter refills nothing.
SIGN_UP_CODES = Limit("sign_up_codes", most=10, within=timedelta(hours=24))
# Counted by challenge: only who holds a letter's link can reach it.
SIGN_UP_PASSWORDS = Limit("sign_up_passwords", most=10, within=timedelta(hours=24))
