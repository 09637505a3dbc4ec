"""Access tokens, refresh tokens and the keys that sign them."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vestibule.kernel.settings.group import PREFIX, Group
from vestibule.kernel.settings.values import Problems, Span, SpanOrNone

_LONGEST_ACCESS = timedelta(hours=24)


class Tokens(Group):
    title: ClassVar = "Tokens"

    signing_algorithm: Literal["ES256", "EdDSA", "RS256"] = "ES256"
    """How access tokens are signed. `RS256` is for verifiers that know nothing else: its keys and
    tokens are larger and take ten times as long to sign. After a change the next rotation brings
    the first key of the new kind: `vestibule keys rotate`."""

    signing_key_lifetime: SpanOrNone = timedelta(days=90)
    """How long a key signs before the next one takes over by itself; `0` for never. A verifier that
    asks for our keys when it meets an unknown one notices nothing."""

    access_lifetime: Span = timedelta(minutes=10)
    """How long an access token is good, give or take five hundredths, so that clients which started
    together do not come back together. Services that verify by themselves honour it to its end,
    even if its session has ended: a longer one lets a stolen token live longer."""

    token_idle: Span = timedelta(days=14)
    """As `SESSION_IDLE`, for log-ins that ask for tokens: a refresh counts as use."""

    token_lifetime: Span = timedelta(days=90)
    """As `SESSION_LIFETIME`, for log-ins that ask for tokens."""

    refresh_grace: Annotated[SpanOrNone, Field(le=timedelta(seconds=300))] = timedelta(seconds=30)
    """For how long a refresh token that was just replaced still works, from 0 to 300 seconds: tabs
    ask at the same time, and answers get lost. A thief has the same time to use it unnoticed; with
    0 whoever comes second with a token ends the session."""

    def problems(self) -> Problems:
        if self.access_lifetime > _LONGEST_ACCESS:
            yield "access_lifetime", "must be at most a day: refresh tokens are for what lasts"
        if self.token_idle > self.token_lifetime:
            yield "token_idle", f"must not be longer than {PREFIX}TOKEN_LIFETIME"
