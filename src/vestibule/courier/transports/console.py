"""Development's mailbox: a file a letter, which `/dev/mailbox` shows."""

import asyncio
import json
import logging
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkstemp
from typing import TypedDict

from vestibule.courier.transports import Message, Temporary
from vestibule.courier.transports.envelope import Envelope, address_to
from vestibule.kernel.clock import Clock, SystemClock

_KEPT = 200
_LINK = re.compile(r"https?://[^\s<>\"']+")
_AFTER_LINK = ".,;:!?)]}"
_CODE = re.compile(r"(?<![\w-])[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}(?![\w-])")
_log = logging.getLogger(__name__)


class Shown(TypedDict):
    """A letter as the mailbox shows it; `links` stand as in the text."""

    to: str
    subject: str
    text: str
    html: str | None
    links: list[str]
    code: str | None
    created_at: str


class Console:
    """Keeps the newest 200 letters, readable for their owner only. A resend replaces the first."""

    def __init__(self, directory: Path, *, clock: Clock | None = None) -> None:
        self._directory = directory
        self._clock = clock or SystemClock()

    async def send(self, message: Message) -> None:
        envelope = address_to(message)  # what production refuses, development refuses
        try:
            await asyncio.to_thread(self._spool, message, envelope)
        except OSError as error:
            raise Temporary(f"the letter cannot be written: {error.strerror}") from error
        _log.info("letter to %s: %s", message.recipient, message.subject)

    async def check(self) -> str:
        return f"letters stay in {self._directory}"

    async def close(self) -> None:
        pass

    def _spool(self, message: Message, envelope: Envelope) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        local = re.sub(r"[^\w-]", "_", envelope.message_id[1:].partition("@")[0])
        letters = _newest_first(self._directory)
        path = next(
            (letter for letter in letters if letter.stem.partition("-")[2] == local),
            self._directory / f"{self._clock.now().timestamp() * 1000:013.0f}-{local}.json",
        )
        _write(
            path,
            json.dumps(
                {
                    "message_id": envelope.message_id,
                    "to": message.recipient,
                    "subject": message.subject,
                    "text": message.text,
                    "html": message.html,
                    "created_at": _created_at(path),
                }
            ),
        )
        for old in _newest_first(self._directory)[_KEPT:]:
            old.unlink(missing_ok=True)


async def read(directory: Path) -> list[Shown]:
    """Return the letters that were spooled to `directory`, newest first."""
    return await asyncio.to_thread(_read, directory)


def _read(directory: Path) -> list[Shown]:
    mailbox = []
    for path in _newest_first(directory):
        try:
            letter = json.loads(path.read_text())
        except FileNotFoundError:  # made room for a newer one meanwhile
            continue
        code = _CODE.search(_LINK.sub(" ", letter["text"]))
        shown = Shown(
            to=letter["to"],
            subject=letter["subject"],
            text=letter["text"],
            html=letter["html"],
            links=[link.rstrip(_AFTER_LINK) for link in _LINK.findall(letter["text"])],
            code=code[0] if code else None,
            created_at=letter["created_at"],
        )
        mailbox.append(shown)
    return mailbox


def _newest_first(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.json"), reverse=True)


def _created_at(path: Path) -> str:
    milliseconds = int(path.stem.partition("-")[0])
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"  # as the API's


def _write(path: Path, content: str) -> None:
    """Write all of it or nothing; mkstemp makes files for their owner only."""
    descriptor, temporary = mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
