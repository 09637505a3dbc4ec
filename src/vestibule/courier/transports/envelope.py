"""What every transport checks before a letter leaves: one sender, one recipient, whole headers."""

import re
from dataclasses import dataclass
from email.headerregistry import Address
from unicodedata import category

from vestibule.courier.transports import Message, Misconfigured, Permanent
from vestibule.kernel import mailboxes

_MESSAGE_ID = re.compile(r"<?([\w.+-]+)@([^@<>]+)>?", re.ASCII)


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
    if mailboxes.breaks(message.subject):
        raise Permanent("the subject holds a line break or control character")
    body = message.text + (message.html or "")
    if "\0" in body or any(category(sign) == "Cs" for sign in body):
        raise Permanent("the text holds what no mail can carry: NUL or half a character")
    message_id = _MESSAGE_ID.fullmatch(message.message_id)
    if message_id is None or not (host := mailboxes.host(message_id[2])):
        raise Permanent("the message id is not one")
    if (recipient := mailboxes.mailbox(message.recipient)) is None:
        raise Permanent("the recipient is not one plain address")
    if (sender := mailboxes.sender(message.sender)) is None:
        raise Misconfigured("the sender is not an address, or a name and <an address>")
    return Envelope(sender=sender, recipient=recipient, message_id=f"<{message_id[1]}@{host}>")
