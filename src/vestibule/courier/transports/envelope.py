"""What every transport checks before a letter leaves: one sender, one recipient, whole headers.

An address that two programs read differently sends a secret to a stranger. So we take less than
RFC 5322 allows: `local@domain`, without quotes, comments, groups, lists or encoded words.
"""

import re
from dataclasses import dataclass
from email.headerregistry import Address
from unicodedata import category, normalize

import idna

from vestibule.courier.transports import Message, Misconfigured, Permanent

_LONGEST_ADDRESS, _LONGEST_LOCAL = 254, 64  # octets, RFC 5321
_ATOM = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~"
)
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*")
_MESSAGE_ID = re.compile(r"<?([\w.+-]+)@([^@<>]+)>?", re.ASCII)
_BREAKING = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line separators


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """`recipient` is one address, its domain as the DNS knows it; `message_id` has its brackets."""

    sender: Address
    recipient: Address
    message_id: str

    @property
    def needs_utf8(self) -> bool:
        """Whether only servers that know SMTPUTF8 (RFC 6531) can take it."""
        return not (self.sender.addr_spec + self.recipient.addr_spec).isascii()


def address_to(message: Message) -> Envelope:
    """Check everything of a message that could break out of its place.

    Raises:
        Permanent: this message cannot be sent as it is meant.
        Misconfigured: the sender is not an address, or a name and <an address>.
    """
    if _breaks(message.subject):
        raise Permanent("the subject holds a line break or control character")
    body = message.text + (message.html or "")
    if "\0" in body or any(category(sign) == "Cs" for sign in body):
        raise Permanent("the text holds what no mail can carry: NUL or half a character")
    message_id = _MESSAGE_ID.fullmatch(message.message_id)
    if message_id is None or not (host := _host(message_id[2])):
        raise Permanent("the message id is not one")
    if (recipient := _address(message.recipient)) is None:
        raise Permanent("the recipient is not one plain address")
    if (sender := _sender(message.sender)) is None:
        raise Misconfigured("the sender is not an address, or a name and <an address>")
    return Envelope(sender=sender, recipient=recipient, message_id=f"<{message_id[1]}@{host}>")


def _sender(typed: str) -> Address | None:
    name, bracket, address = typed.strip().rpartition("<")
    if _breaks(name) or (bracket and not address.endswith(">")):
        return None
    return _address(address.removesuffix(">"), name=name.strip().strip('"'))


def _address(typed: str, *, name: str = "") -> Address | None:
    local, _, domain = typed.rpartition("@")
    host = _host(domain)
    if not host or len(f"{local}@{host}".encode()) > _LONGEST_ADDRESS or not _is_local(local):
        return None
    return Address(name, username=local, domain=host)


def _host(typed: str) -> str:
    """Return a domain as the DNS knows it; "" if it is none."""
    try:
        host = typed if typed.isascii() else idna.encode(typed, uts46=True).decode()
    except idna.IDNAError:
        return ""
    return host if _HOST.fullmatch(host) else ""


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


def _breaks(line: str) -> bool:
    return any(category(sign) in _BREAKING for sign in line)
