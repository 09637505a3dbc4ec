"""What an attacker's tests look at: every row, every letter, every hash and every statement."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

import httpx
from argon2 import PasswordHasher
from sqlalchemy import LargeBinary, select

from tests.statements import heard
from tests.world import Mail, World
from vestibule.audit.log import Entry
from vestibule.courier.transports import Message
from vestibule.kernel.database import Base

CODE = re.compile(r"(?<![\w-])[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}(?![\w-])")
LINK = re.compile(r"https?://\S+")
_OURS_ALONE = (
    (re.compile(r"\b[0-9a-f]{32}\b"), "<request id>"),
    (re.compile(r"\bv(sup|lnk|ses)_[\w-]{43}"), r"<v\1>"),
)


class Kept:
    """A transport that keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    async def check(self) -> str:
        return "kept"

    async def close(self) -> None:
        pass


class House(World):
    """The service as production runs it: no mailbox to look into, so the letters are kept."""

    @property
    def messages(self) -> list[Message]:
        return cast(Kept, self.vestibule.transport).messages

    async def mails(self, to: str | None = None) -> list[Mail]:
        while await self.vestibule.courier.send_due():
            pass
        posted = sorted(self.messages, key=lambda each: each.message_id)  # they sort by time
        return [read(each) for each in posted if to in (None, each.recipient)]


def read(message: Message) -> Mail:
    link, code = LINK.search(message.text), CODE.search(LINK.sub(" ", message.text))
    return Mail(
        to=message.recipient,
        subject=message.subject,
        text=message.text,
        code=code and code[0],
        link=link and link[0],
    )


class CountingHasher(PasswordHasher):
    """A cheap hasher that knows how often it worked."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.hashed = self.verified = 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.hashed += 1
        return super().hash(password, salt=salt)

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - its name there
        self.verified += 1
        return super().verify(hash, password)

    @property
    def work(self) -> tuple[int, int]:
        return self.hashed, self.verified


@contextmanager
def statements(world: World) -> Iterator[list[str]]:
    """Collect the SQL that the service sends."""
    said: list[str] = []
    with heard(world, said.append):
        yield said


async def everything(world: World, *, but: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Every row of every table: equal before and after means that nothing was written."""
    async with world.vestibule.unit(reading=True) as unit:
        return {
            table.name: sorted(
                repr(tuple(row)) for row in (await unit.session.execute(select(table))).all()
            )
            for table in Base.metadata.sorted_tables
            if table.name not in but
        }


async def every_value(world: World) -> Iterator[tuple[str, bytes]]:
    """Every column of every row, as bytes."""
    found = []
    async with world.vestibule.unit(reading=True) as unit:
        for table in Base.metadata.sorted_tables:
            for row in (await unit.session.execute(select(table))).all():
                for column, value in zip(table.columns, row, strict=True):
                    binary = isinstance(column.type, LargeBinary) and value is not None
                    found.append((str(column), value if binary else str(value).encode()))
    return iter(found)


async def events(world: World) -> Counter[str]:
    """How often each event stands in the audit log."""
    return Counter(event for (event,) in await world.rows(select(Entry.event)))


def face(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    """All that a stranger can tell answers apart by, without ids that differ every time."""
    headers = [(name.lower(), _mask(value)) for name, value in answer.headers.multi_items()]
    return answer.status_code, _mask(answer.text), headers


def _mask(text: str) -> str:
    for pattern, instead in _OURS_ALONE:
        text = pattern.sub(instead, text)
    return text
