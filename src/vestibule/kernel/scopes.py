"""What may be asked of an account piece by piece, and the notation that says whose roles give it.

It stands beside the settings because they check it: a slip is told before anything is served.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

_SCOPE = re.compile(r"[a-z][a-z0-9_.:-]{0,39}", re.ASCII)
_ROLE = re.compile(r"[^\s,=|]{1,40}")


@dataclass(frozen=True)
class Scope:
    """Something that an account may do if it has one of `roles`."""

    name: str
    roles: tuple[str, ...]


def is_role(name: str) -> bool:
    """Tell whether a role may be called so: no blank, and nothing that stands between names."""
    return _ROLE.fullmatch(name) is not None


def given_by(roles: Collection[str], scopes: Iterable[Scope]) -> frozenset[str]:
    """Return the names of those `scopes` that `roles` give."""
    return frozenset(scope.name for scope in scopes if not set(roles).isdisjoint(scope.roles))


def read(text: str) -> tuple[Scope, ...]:
    """Read scopes such as `notes:read=user, notes:write=editor|admin`.

    Raises:
        ValueError: saying which part is wrong, by its place, and what would be right.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found: dict[str, Scope] = {}
    for place, part in enumerate(parts, start=1):
        name, _, said = (word.strip() for word in part.partition("="))
        roles = tuple(role.strip() for role in said.split("|"))
        if not _SCOPE.fullmatch(name) or not all(map(_ROLE.fullmatch, roles)):
            raise ValueError(f"part {place} must be such as notes:write=editor|admin")
        if name in found:
            raise ValueError(f"part {place} names a scope that stands before it")
        found[name] = Scope(name, roles)
    return tuple(found.values())
