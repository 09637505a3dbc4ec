"""What people call themselves: addresses and usernames, as typed and as compared.

The typed form is kept, shown and written to; the key decides whether two are the same.
"""

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from vestibule.kernel.errors import InvalidAddress, InvalidUsername

_ADDRESS_MOST = 254
_USERNAME = re.compile(r"[\w.\-]{3,80}")
_SPECIALS = re.compile(r"[\s\"(),:;<>@\[\]\\%!`|]")


@dataclass(frozen=True)
class Address:
    """`typed` is where mail goes; `key` is the same for every spelling of one mailbox."""

    typed: str
    key: str


def address(text: str) -> Address:
    """Read one e-mail address, without asking the network.

    Folded for the key: surrounding blanks, case, Unicode compatibility forms, IDN spelling of the
    domain. Kept apart: `v+1@` and `v@`, dots, because only the receiving server knows.

    Raises:
        InvalidAddress: not exactly one plain address. Quoted local parts, comments and routes are
            legal in RFC 5321 and refused here: parsers disagree about whom they name.
    """
    typed = unicodedata.normalize("NFC", text.strip())
    local, _, _ = typed.rpartition("@")
    if len(typed) > _ADDRESS_MOST or _SPECIALS.search(local) or "=?" in local:
        raise InvalidAddress
    try:
        checked: ValidatedEmail = validate_email(
            typed,
            check_deliverability=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            test_environment=True,  # people who try it out use @example.test
        )
    except EmailNotValidError:
        raise InvalidAddress from None
    folded = unicodedata.normalize("NFKC", checked.local_part).casefold()
    key = f"{unicodedata.normalize('NFKC', folded)}@{checked.ascii_domain.lower()}"
    if key.count("@") != 1 or _SPECIALS.search(key.partition("@")[0]) or len(key) > _ADDRESS_MOST:
        raise InvalidAddress
    return Address(typed=typed, key=key)


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
