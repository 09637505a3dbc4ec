"""How letters leave the house. A transport delivers one message or says why it could not.

TransportError
├── Temporary        try again later; perhaps told when
├── Permanent        this letter will never get through: the address or the content is refused
└── Misconfigured    no letter will get through until somebody mends the settings
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Message:
    """A letter in its final words. `message_id` is the same at every attempt."""

    message_id: str
    sender: str
    recipient: str
    subject: str
    text: str
    html: str | None


class TransportError(Exception):
    """Why a letter did not leave, in words that hold no secret."""


class Temporary(TransportError):
    """Try again; if `retry_after` is set, the provider asked us to send nothing for so long."""

    def __init__(self, why: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Permanent(TransportError):
    """This letter is refused and would be refused again."""


class Misconfigured(TransportError):
    """The settings are refused: credentials, domain, encryption."""


class Transport(Protocol):
    async def send(self, message: Message) -> None:
        """Hand over one message; returning means that somebody else is responsible for it now.

        Raises:
            TransportError: it was not handed over, as far as we know.
        """
        ...

    async def check(self) -> str:
        """Find out without a letter whether one would be taken; return what was found.

        Raises:
            TransportError: none would.
        """
        ...

    async def close(self) -> None: ...
