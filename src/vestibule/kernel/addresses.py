"""E-mail addresses of people: as typed, which mail goes to, and as compared."""

import re
import unicodedata
from dataclasses import dataclass

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from vestibule.kernel.errors import InvalidAddress

_ADDRESS_MOST = 254
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


def folded(text: str) -> str:
    """Return the key of an address, by which everything about it is found; of another text, it."""
    try:
        return address(text).key
    except InvalidAddress:
        return text
