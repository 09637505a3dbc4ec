"""What must hold after any fault: the database, held against what clients were told.

Each rule is a sentence about rows; `violations` returns those that some row breaks.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any  # Any: rows

from sqlalchemy import Row, Select, select

from vestibule.accounts import names
from vestibule.accounts.models import Account, Challenge
from vestibule.audit.events import Event
from vestibule.audit.log import Detail, Entry
from vestibule.courier.models import Letter, State
from vestibule.kernel.database import Database
from vestibule.sessions.models import Session

# A lease, the courier's own pace, and a busy machine.
OVERDUE = timedelta(seconds=60)


@dataclass
class Told:
    """What clients were told, and what they asked without ever hearing an answer."""

    asked: Counter[str] = field(default_factory=Counter)  # address → sign-ups answered 202
    unheard: Counter[str] = field(default_factory=Counter)  # address → sign-ups without an answer
    again: Counter[str] = field(default_factory=Counter)  # address → another letter, answered 202
    proved: set[str] = field(default_factory=set)  # addresses
    entered: int = 0  # log-ins answered 200
    left: int = 0  # log-outs answered 204


class Rows:
    """Everything there is, read once."""

    def __init__(self) -> None:
        self.accounts: Sequence[Row[Any]]
        self.challenges: Sequence[Row[Any]]
        self.letters: Sequence[Row[Any]]
        self.sessions: Sequence[Row[Any]]
        self.entries: Sequence[Row[Any]]

    @classmethod
    async def read(cls, database: Database) -> "Rows":
        rows = cls()
        async with database.engine.begin() as connection:

            async def all_of(statement: Select[Any]) -> Sequence[Row[Any]]:
                found: Sequence[Row[Any]] = (await connection.execute(statement)).all()
                return found

            rows.accounts = await all_of(select(Account.__table__))
            rows.challenges = await all_of(select(Challenge.__table__))
            rows.letters = await all_of(select(Letter.__table__))
            rows.sessions = await all_of(select(Session.__table__))
            rows.entries = await all_of(
                select(Entry.__table__, Detail.identifier).outerjoin(
                    Detail, Detail.entry_id == Entry.id
                )
            )
        return rows

    def told(self, *events: Event) -> Iterator[Row[Any]]:
        return (entry for entry in self.entries if entry.event in events)


async def violations(
    database: Database,
    told: Told,
    *,
    delivered: Iterable[str] | None = None,
    now: datetime | None = None,
) -> list[str]:
    """Return every rule that is broken, and by what.

    Args:
        delivered: recipients of the letters that the mail server took, a copy each; once all of
            them had the time to leave.
        now: what the service takes for now.
    """
    rows = await Rows.read(database)
    return [
        *_sign_ups(rows, told),
        *_letters(rows, now or datetime.now(UTC)),
        *_accounts(rows, told),
        *_proofs(rows),
        *_sessions(rows, told),
        *_audit(rows),
        *(() if delivered is None else _arrivals(rows, delivered)),
    ]


def _sign_ups(rows: Rows, told: Told) -> Iterator[str]:
    """Each that was answered has one challenge, and a letter or an entry that says why not."""
    challenges = Counter(row.address for row in rows.challenges)
    letters = Counter(row.recipient for row in rows.letters)
    withheld = Counter(entry.identifier for entry in rows.told(Event.LETTER_WITHHELD))
    for address in challenges | told.asked | told.unheard:
        least = told.asked[address]
        most = least + told.unheard[address]
        if not least <= challenges[address] <= most:
            yield f"I1: {address} has {challenges[address]} challenges, not {least} to {most}"
        if letters[address] + withheld[address] < challenges[address] + told.again[address]:
            yield f"I1: {address} has {letters[address]} letters, {withheld[address]} withheld"
    for address in letters.keys() - challenges.keys():
        yield f"I2: {address} got a letter about nothing"


def _letters(rows: Rows, now: datetime) -> Iterator[str]:
    """No letter is forgotten, and none keeps its secrets longer than it needs them."""
    for letter in rows.letters:
        waits = letter.state in (State.QUEUED, State.SENDING)
        if waits and letter.next_try_at < now - OVERDUE:
            yield f"I7: the letter to {letter.recipient} waits for nothing"
        if waits and letter.payload is None:
            yield f"I7: the letter to {letter.recipient} lost its words"
        if letter.state in (State.SENT, State.DROPPED) and letter.payload is not None:
            yield f"I7: the letter to {letter.recipient} keeps its words"
        if (letter.state == State.SENT) != (letter.sent_at is not None):
            yield f"I7: the letter to {letter.recipient} is {letter.state} at {letter.sent_at}"
        if letter.state in (State.FAILED, State.DROPPED) and letter.last_error is None:
            yield f"I2: the letter to {letter.recipient} is {letter.state} without a reason"


def _accounts(rows: Rows, told: Told) -> Iterator[str]:
    """One account an address, opened by one proof; a proof that was used has its effect."""
    keys = Counter(names.address(row.email).key for row in rows.accounts if row.email)
    proved = {row.email_key for row in rows.accounts if row.email_verified_at}
    used = {row.email_key for row in rows.challenges if row.used_at}
    for row in rows.accounts:
        if row.email and row.email_key != names.address(row.email).key:
            yield f"I5: {row.email} is kept as {row.email_key}"
    for key, count in keys.items():
        if count != 1:
            yield f"I5: {key} has {count} accounts"
    for address in told.proved:
        if names.address(address).key not in proved:
            yield f"I1: {address} was proved and has no account"
    for key in used - proved:
        yield f"I3: a proof of {key} is used and has no effect"
    for key in proved - used:
        yield f"I3: {key} is proved and no proof is used"


def _proofs(rows: Rows) -> Iterator[str]:
    """What is proved once leaves nothing that could prove it again."""
    proved = {row.email_key for row in rows.accounts if row.email_verified_at}
    for row in rows.challenges:
        if row.email_key in proved and row.used_at is None and row.created_at < _proof(rows, row):
            yield f"I6: a proof of {row.address} is open though it was proved"
        if row.used_at is not None and row.payload is not None:
            yield f"I3: a used proof of {row.address} keeps its words"


def _proof(rows: Rows, challenge: Row[Any]) -> datetime:
    proved_at: datetime = min(
        row.email_verified_at
        for row in rows.accounts
        if row.email_key == challenge.email_key and row.email_verified_at
    )
    return proved_at


def _sessions(rows: Rows, told: Told) -> Iterator[str]:
    """Who is shut out has no session; who was let in has had one."""
    shut = {row.id for row in rows.accounts if row.state != "active"}
    for row in rows.sessions:
        if row.account_id in shut and row.ended_at is None:
            yield f"I4: session {row.id} of a shut account lives"
        if (row.ended_at is None) != (row.end_reason is None):
            yield f"I4: session {row.id} ended at {row.ended_at}, {row.end_reason}"
    if len(rows.sessions) < told.entered:
        yield f"I1: {told.entered} log-ins were told and {len(rows.sessions)} sessions are there"
    if sum(row.ended_at is not None for row in rows.sessions) < told.left:
        yield f"I6: of {told.left} log-outs some ended nothing"


def _audit(rows: Rows) -> Iterator[str]:
    """Each change that matters for security is in the log, once."""
    asked = Counter(entry.identifier for entry in rows.told(Event.SIGN_UP_ASKED))
    if asked != Counter(row.address for row in rows.challenges):
        yield "I9: sign-ups and what the log tells of them differ"
    for event in (Event.ACCOUNT_OPENED, Event.ADDRESS_PROVED):
        logged = Counter(entry.account_id for entry in rows.told(event))
        there = Counter(
            row.id
            for row in rows.accounts
            if row.email_verified_at or event is Event.ACCOUNT_OPENED
        )
        if logged != there:
            yield f"I9: {event} is told of {logged.total()}, and so it was for {there.total()}"
    entered = Counter(entry.session_id for entry in rows.told(Event.LOGIN_SUCCEEDED))
    if entered != Counter(row.id for row in rows.sessions):
        yield "I9: sessions and what the log tells of them differ"
    ended = {entry.session_id for entry in rows.told(Event.SESSION_ENDED)}
    everywhere = {entry.account_id for entry in rows.told(Event.SESSIONS_ENDED)}
    for row in rows.sessions:
        if row.ended_at and row.id not in ended and row.account_id not in everywhere:
            yield f"I9: session {row.id} ended and the log does not know"
    shut = {entry.account_id for entry in rows.told(Event.ACCOUNT_DISABLED)}
    for row in rows.accounts:
        if row.state == "disabled" and row.id not in shut:
            yield f"I9: account {row.id} is shut and the log does not know"


def _arrivals(rows: Rows, delivered: Iterable[str]) -> Iterator[str]:
    """Each letter that is called sent has arrived."""
    arrived = Counter(delivered)
    sent = Counter(letter.recipient for letter in rows.letters if letter.state == State.SENT)
    for address, count in sent.items():
        if arrived[address] < count:
            yield f"I2: of {count} letters to {address}, {arrived[address]} arrived"
    for letter in rows.letters:
        if letter.state in (State.QUEUED, State.SENDING):
            yield f"I2: the letter to {letter.recipient} is still {letter.state}"
