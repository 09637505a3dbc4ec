"""Who sends a request, by their access token alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any  # Any: claims are JSON
from urllib.parse import urlsplit
from uuid import UUID

from vestibule.kernel.clock import Clock, SystemClock
from vestibule.kernel.errors import NotSignedIn
from vestibule.tokens import checks
from vestibule.verify.keys import Keys
from vestibule.verify.refusals import AddressNotProved, RoleRequired, TokenMissing, TokenRefused

_OWN_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Caller:
    """Who asks, as they were when their token was issued, some minutes ago."""

    account_id: UUID
    session_id: UUID
    roles: frozenset[str]
    email_verified: bool
    amr: tuple[str, ...]  # how they logged in (RFC 8176)
    auth_time: datetime
    expires_at: datetime  # the token


@dataclass(frozen=True)
class Rule:
    """What somebody who is signed in must be besides."""

    every: Collection[str] = ()
    any_of: Collection[str] = ()
    verified: bool = False

    def check(self, caller: Caller) -> None:
        """Let the caller pass, or raise AddressNotProved or RoleRequired."""
        if self.verified and not caller.email_verified:
            raise AddressNotProved
        if not caller.roles.issuperset(self.every):
            raise RoleRequired
        if self.any_of and caller.roles.isdisjoint(self.any_of):
            raise RoleRequired


class Verifier:
    """Verifies the access tokens of one issuer; construct one for the whole process.

    It fetches the keys when the first token comes. It cannot know that a session ended, an account
    was disabled or a role was lost after the token was issued: who must know asks the issuer.
    """

    def __init__(
        self, issuer: str, *, keys_at: str | None = None, clock: Clock | None = None
    ) -> None:
        """Fetch nothing yet.

        Args:
            issuer: the service's VESTIBULE_BASE_URL, to the letter.
            keys_at: where its keys are, if they are fetched by another name than the issuer's. In
                clear only over a network that you trust: who answers decides who may sign.

        Raises:
            ValueError: the issuer is no URL of https, nor one of this machine.
        """
        parts = urlsplit(issuer)
        near = parts.scheme == "http" and parts.hostname in _OWN_NAMES
        if not ((parts.scheme == "https" and parts.hostname) or near):
            raise ValueError(f"not an https URL: {issuer}")
        self.issuer = issuer
        self._keys = Keys(keys_at or f"{issuer}/.well-known/jwks.json")
        self._clock = clock or SystemClock()

    def verify(self, token: str) -> Caller:
        """Return whom a token speaks of. Blocks for seconds at most, and seldom.

        Raises:
            TokenRefused: it is not good. KeysUnavailable: nobody can know.
        """
        return self._caller(token, self._keys.find(_kid(token)))

    async def verify_async(self, token: str) -> Caller:
        """As `verify`, and others go on meanwhile."""
        return self._caller(token, await self._keys.find_async(_kid(token)))

    def admit(self, authorization: Sequence[str], rule: Rule) -> Caller:
        """Return who sends a request with these `Authorization` headers, if the rule lets them in.

        Raises:
            Refused: it does not.
        """
        caller = self.verify(_bearer(authorization))
        rule.check(caller)
        return caller

    async def admit_async(self, authorization: Sequence[str], rule: Rule) -> Caller:
        """As `admit`, and others go on meanwhile."""
        caller = await self.verify_async(_bearer(authorization))
        rule.check(caller)
        return caller

    def _caller(self, token: str, key: checks.Verifier) -> Caller:
        try:
            return _read(checks.verify(token, key, self.issuer, now=self._clock.now()))
        except (NotSignedIn, KeyError, TypeError, ValueError, OverflowError):
            raise TokenRefused from None


def _bearer(authorization: Sequence[str]) -> str:
    if not authorization:
        raise TokenMissing
    scheme, blank, token = authorization[0].partition(" ")
    if scheme.lower() != "bearer":
        raise TokenMissing
    if len(authorization) > 1 or not blank:
        raise TokenRefused
    return token.strip()


def _kid(token: str) -> str:
    try:
        return checks.kid_of(token)
    except NotSignedIn:
        raise TokenRefused from None


def _read(said: dict[str, Any]) -> Caller:
    return Caller(
        account_id=UUID(said["sub"]),
        session_id=UUID(said["sid"]),
        roles=frozenset(_words(said["roles"])),
        email_verified=_flag(said["email_verified"]),
        amr=tuple(_words(said["amr"])),
        auth_time=checks.moment(said["auth_time"]),
        expires_at=checks.moment(said["exp"]),
    )


def _words(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value
