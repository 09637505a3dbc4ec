"""What a route asks of who is signed in, beyond that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from vestibule.accounts.programs import Program
from vestibule.accounts.queries import SignedIn
from vestibule.extension import current_vestibule
from vestibule.kernel import scopes
from vestibule.kernel.errors import (
    AddressNotProved,
    ReauthenticationRequired,
    RoleRequired,
    ScopeRequired,
    SessionRequired,
)
from vestibule.sessions import confirming


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All of them have to be met; `any_of` by one of its roles."""

    any_of: tuple[str, ...]
    scope: str | None
    verified: bool
    recent: bool

    @classmethod
    def of(
        cls,
        role: str | None,
        *,
        any_of: Sequence[str],
        scope: str | None,
        verified: bool,
        recent: bool,
    ) -> Self:
        """Return the conditions that a decorator names.

        Raises:
            TypeError, ValueError: they say something else than their author meant.
        """
        if isinstance(any_of, str):
            raise TypeError(f'any_of takes several roles; for one: @requires("{any_of}")')
        if role is not None and any_of:
            raise TypeError("name one role, or any_of several")
        roles = tuple(any_of) if role is None else (role,)
        if "" in roles or scope == "":
            raise ValueError("a role or a scope has a name")
        return cls(any_of=roles, scope=scope, verified=verified, recent=recent)

    def check(self, known: SignedIn | Program) -> None:
        """Refuse who does not meet them, by what the rows say now.

        Raises:
            SessionRequired, RoleRequired, ScopeRequired, AddressNotProved,
            ReauthenticationRequired.
        """
        if isinstance(known, Program):
            self._check_program(known)
        else:
            self._check_person(known)
        if self.verified and known.account.email_verified_at is None:
            raise AddressNotProved

    def _check_program(self, program: Program) -> None:
        if self.scope is None or self.any_of or self.recent:
            raise SessionRequired
        if self.scope not in program.scopes:
            raise ScopeRequired

    def _check_person(self, person: SignedIn) -> None:
        vestibule = current_vestibule()
        settings, roles = vestibule.settings, person.account.roles
        if self.any_of and set(self.any_of).isdisjoint(roles):
            raise RoleRequired
        if self.scope is not None and self.scope not in scopes.given_by(roles, settings.scopes):
            raise ScopeRequired
        now = vestibule.means.clock.now()
        if self.recent and confirming.recent_until(settings, person.session) <= now:
            raise ReauthenticationRequired
