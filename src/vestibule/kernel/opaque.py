"""Opaque secrets: the caller holds the secret, the database its digest.

The prefix says what a secret is for, and it is part of the digest: a secret found in a log can be
recognised, and one made for one purpose is nothing to another.
"""

from enum import StrEnum
from hashlib import sha256
from secrets import choice, token_urlsafe

# 32 letters and digits that nobody mistakes for another one when reading them aloud.
_UNAMBIGUOUS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_CODE_LENGTH = 8


class Purpose(StrEnum):
    SESSION = "vses_"
    SIGN_UP = "vsup_"
    LINK = "vlnk_"
    CLICK = "vclk_"  # as a link, and no password is asked for there
    REFRESH = "vref_"
    CONFIRMATION = "vcon_"
    API_KEY = "vst_"


def issue(purpose: Purpose, *, surface: str = "") -> tuple[str, bytes]:
    """Return a new secret of 256 random bits, and the digest under which to store it."""
    secret = purpose + token_urlsafe(32)
    return secret, digest(purpose, secret, surface=surface)


def digest(purpose: Purpose, secret: str, *, surface: str = "") -> bytes:
    """Return the digest to look `secret` up by; one made for another purpose is never found.

    Nor is one of another surface, where it is good on one alone. 256 random bits need no salt and
    no slow hash, only one-wayness.
    """
    return sha256(f"{purpose}{surface}\n{secret}".encode()).digest()


def code() -> str:
    """Return a new code for people to type: eight characters, 40 bits, as `XXXX-XXXX`."""
    letters = "".join(choice(_UNAMBIGUOUS) for _ in range(_CODE_LENGTH))
    return f"{letters[:4]}-{letters[4:]}"


def typed(code: str) -> str:
    """Return a typed code as it was issued, whatever its case, hyphens and blanks."""
    return "".join(code.split()).replace("-", "").upper()
