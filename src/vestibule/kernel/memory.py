"""What one process remembers of rows that others may change: little, for a minute, and not blindly.

Whoever changes such a row says so (`Unit.forget`), and it is forgotten here at once and elsewhere
when the word arrives. Who brings the words tells with `hear` how far it has listened: a second
after that nothing is recalled any more, and the database is asked.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import StrEnum
from math import inf
from typing import Generic, TypeVar
from uuid import UUID

K = TypeVar("K")
V = TypeVar("V")

TRUST = 1.0  # seconds from the sending of the last word that came
_CEILING = 60.0  # seconds that anything is remembered: for changes that nobody announces
_MOST = 5_000  # of each kind


class Fact(StrEnum):
    """What is remembered. Signing keys are forgotten together, whichever of them changed."""

    SESSION = "session"
    ACCOUNT = "account"
    API_KEY = "api_key"
    SIGNING_KEYS = "signing_keys"


Forgotten = tuple[Fact, UUID | None]

CHANNEL = "vestibule"
_EVERYTHING = "*"
_LONGEST = 7_900  # bytes; PostgreSQL carries less than 8 000


def words(facts: Collection[Forgotten]) -> str:
    """Write what changed, for other processes; where that is too much, that everything did."""
    written = " ".join(sorted(f"{fact}:{named.hex if named else ''}" for fact, named in facts))
    return written if len(written) <= _LONGEST else _EVERYTHING


def read_words(written: str) -> set[Forgotten] | None:
    """Read what `words` wrote; None for everything, and for what we do not understand."""
    facts: set[Forgotten] = set()
    try:
        for each in written.split():
            fact, _, named = each.partition(":")
            facts.add((Fact(fact), UUID(hex=named) if named else None))
    except ValueError:
        return None
    return facts


class Remembered(Generic[K, V]):
    """A map with room for so many, whose entries end with their time; the oldest goes first."""

    def __init__(self, most: int = _MOST, ceiling: float = _CEILING) -> None:
        self._most, self._ceiling = most, ceiling
        self._held: dict[K, tuple[V, float]] = {}

    def get(self, key: K) -> V | None:
        held = self._held.get(key)
        return held[0] if held is not None and time.monotonic() < held[1] else None

    def put(self, key: K, value: V) -> None:
        self._held.pop(key, None)
        if len(self._held) >= self._most:
            del self._held[next(iter(self._held))]
        self._held[key] = value, time.monotonic() + self._ceiling

    def drop(self, key: K) -> None:
        self._held.pop(key, None)

    def clear(self) -> None:
        self._held.clear()

    def __len__(self) -> int:
        return len(self._held)


class Loading:
    """Rows on their way into the memory, and what was forgotten meanwhile."""

    def __init__(self) -> None:
        self._forgotten: set[Forgotten] = set()
        self._everything = False

    def missed(self, facts: Collection[Forgotten] | None) -> None:
        if facts is None:
            self._everything = True
        else:
            self._forgotten.update(facts)

    def is_good(self, *facts: Forgotten) -> bool:
        """Tell whether nothing of what was read may have changed since."""
        return not self._everything and self._forgotten.isdisjoint(facts)


class Memory:
    """Maps of objects that nobody changes, and whether they may be believed."""

    def __init__(self) -> None:
        self.sessions: Remembered[UUID, object] = Remembered()
        self.accounts: Remembered[UUID, object] = Remembered()
        self.api_keys: Remembered[UUID, object] = Remembered()
        # What follows from a credential itself: whose it is, and what a verified token says.
        self.credentials: Remembered[str | bytes, UUID] = Remembered()
        self.tokens: Remembered[str, object] = Remembered(ceiling=inf)  # they end by themselves
        self.signing: Remembered[str, str] = Remembered()
        self.hits = self.misses = 0
        # All that was said before is known; in `time.monotonic()`.
        self.heard_until = -inf
        self._loading: set[Loading] = set()

    @property
    def is_trusted(self) -> bool:
        """Whether every change is known here that was made a second ago or earlier."""
        return time.monotonic() - self.heard_until < TRUST

    def hear(self, *, until: float) -> None:
        self.heard_until = max(self.heard_until, until)

    @contextmanager
    def loading(self) -> Iterator[Loading]:
        """Read rows that may be remembered afterwards, unless they were forgotten meanwhile."""
        loading = Loading()
        self._loading.add(loading)
        try:
            yield loading
        finally:
            self._loading.discard(loading)

    def forget(self, facts: Collection[Forgotten]) -> None:
        """Forget rows that changed, those that are being read among them."""
        for loading in self._loading:
            loading.missed(facts)
        for fact, named in facts:
            if fact is Fact.SIGNING_KEYS:
                self.tokens.clear()
                self.signing.clear()
            elif named is not None:
                self._map(fact).drop(named)

    def forget_everything(self) -> None:
        """Forget all: words may have been lost."""
        for loading in self._loading:
            loading.missed(None)
        for each in (self.sessions, self.accounts, self.api_keys):
            each.clear()
        self.tokens.clear()
        self.signing.clear()

    def _map(self, fact: Fact) -> Remembered[UUID, object]:
        match fact:
            case Fact.SESSION:
                return self.sessions
            case Fact.ACCOUNT:
                return self.accounts
        return self.api_keys
