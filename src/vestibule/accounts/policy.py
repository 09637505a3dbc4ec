"""Which passwords nobody may choose: short, famous, or written on their owner's forehead.

NIST SP 800-63B and ASVS 6.2: length and a list, no rules about signs; every character counts as
received, nothing is cut.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from vestibule.kernel.errors import WeakPassword

SHORTEST, LONGEST = 8, 256


@dataclass(frozen=True)
class Rule:
    """How many characters a surface asks for, and takes."""

    shortest: int = SHORTEST
    longest: int = LONGEST


OURS = Rule()


def check(password: str, *, personal: Iterable[str | None], rule: Rule = OURS) -> None:
    """Refuse a password that somebody else would guess; `breaches.check` comes after it.

    Args:
        personal: address, names, the service's name; each alone is no password.

    Raises:
        WeakPassword: with the reason.
    """
    if len(password) < rule.shortest:
        raise WeakPassword("too_short")
    if len(password) > rule.longest:
        raise WeakPassword("too_long")
    folded = _fold(password)
    if folded in _common() or len(set(folded)) == 1:
        raise WeakPassword("common")
    if folded in {_fold(each) for each in _parts(personal)}:
        raise WeakPassword("personal")


def _parts(personal: Iterable[str | None]) -> Iterable[str]:
    known = [each for each in personal if each]
    yield from known
    yield from (each.partition("@")[0] for each in known if "@" in each)
    yield from (first + second for first in known for second in known if first != second)


def _fold(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


@cache
def _common() -> frozenset[str]:
    listed = files("vestibule.accounts").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(listed.split())
