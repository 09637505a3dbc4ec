"""What people call themselves: addresses and usernames, as typed and as compared.

The typed form is kept, shown and written to; the key decides whether two are the same.
"""

import re
import unicodedata

from vestibule.kernel.addresses import Address, address
from vestibule.kernel.errors import InvalidAddress, InvalidUsername

__all__ = ["Address", "address", "counted_as", "if_address", "key_of", "username"]

_USERNAME = re.compile(r"[\w.\-]{3,80}")


def username(text: str) -> str:
    """Return the key of a username.

    Raises:
        InvalidUsername: not 3 to 80 letters, digits, `_`, `.`, `-`.
    """
    if not _USERNAME.fullmatch(text):
        raise InvalidUsername
    key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if not _USERNAME.fullmatch(key):
        raise InvalidUsername
    return key


def if_address(identifier: str) -> str | None:
    """Return `identifier` if it is an address; what else is typed there may be a password."""
    found = key_of(identifier)
    return identifier if found is not None and found[0] == "email" else None


def counted_as(identifier: str) -> str:
    """Return what guesses at `identifier` count as: the same for all spellings of one name."""
    return " ".join(key_of(identifier) or ("nobody", identifier.strip().casefold()))


def key_of(identifier: str) -> tuple[str, str] | None:
    """Tell what somebody who logs in may be called: ("email" | "username", key), if anything."""
    try:
        if "@" in identifier:
            return "email", address(identifier).key
        return "username", username(identifier.strip())
    except (InvalidAddress, InvalidUsername):
        return None
