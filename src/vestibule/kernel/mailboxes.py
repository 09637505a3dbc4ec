"""Reading e-mail addresses for sending: one reading, the same for whoever checks and whoever sends.

An address that two programs read differently sends a secret to a stranger. So we take less than
RFC 5322 allows: `local@domain`, without quotes, comments, groups, lists or encoded words.
"""

import re
from email.headerregistry import Address
from unicodedata import category, normalize

import idna

_LONGEST_ADDRESS, _LONGEST_LOCAL = 254, 64  # octets, RFC 5321
_ATOM = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~"
)
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_BREAKING = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line separators


def sender(typed: str) -> Address | None:
    """Read an address, or a name and <an address>; None if it is neither."""
    name, bracket, address = typed.strip().rpartition("<")
    if breaks(name) or (bracket and not address.endswith(">")):
        return None
    return mailbox(address.removesuffix(">"), name=name.strip().strip('"'))


def mailbox(typed: str, *, name: str = "") -> Address | None:
    """Read one plain address, its domain as the DNS knows it; None if it is not one."""
    local, _, domain = typed.rpartition("@")
    at = host(domain)
    if not at or len(f"{local}@{at}".encode()) > _LONGEST_ADDRESS or not _is_local(local):
        return None
    return Address(name, username=local, domain=at)


def host(typed: str) -> str:
    """Return a domain as the DNS knows it; "" if it is none."""
    try:
        known = typed if typed.isascii() else idna.encode(typed, uts46=True).decode()
    except idna.IDNAError:
        return ""
    return known if _HOST.fullmatch(known) else ""


def _is_local(local: str) -> bool:
    # Folded too: no sign that another program takes for a comma or an @.
    signs = (local + normalize("NFKC", local)).replace(".", "")
    return (
        all(local.split("."))
        and all(sign in _ATOM or _is_foreign(sign) for sign in signs)
        and "=?" not in local  # an encoded word: some readers see another address in it
        and len(local.encode()) <= _LONGEST_LOCAL
    )


def _is_foreign(sign: str) -> bool:
    return not sign.isascii() and category(sign)[0] in "LMNPS"


def breaks(line: str) -> bool:
    """Tell whether a header line would not stay one line."""
    return any(category(sign) in _BREAKING for sign in line)
