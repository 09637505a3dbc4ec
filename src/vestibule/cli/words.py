"""What the command line writes to standard error on its own: warnings, and what a part reports."""

import asyncio
import logging
import sys
from typing import TextIO

from vestibule.kernel.errors import CannotStart

_POOL = "vestibule.kernel.pool.FairPool"  # tells of every connection that comes and goes


class Spoken(logging.StreamHandler[TextIO]):
    """What `speak` sends lines with."""


def speak() -> None:
    """Send what the parts log to standard error, a line each."""
    handler = Spoken(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(is_news)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("vestibule").setLevel(logging.INFO)
    logging.getLogger(_POOL).setLevel(logging.WARNING)


def is_news(record: logging.LogRecord) -> bool:
    """Leave out two tracebacks: of a start that was refused, and of clients that hung up.

    The first is told in a line of its own. The second is SQLAlchemy's, about a connection that was
    cut off together with its request; nothing is lost.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (CannotStart, asyncio.CancelledError))
