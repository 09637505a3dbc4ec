"""What every unit of one Vestibule works with, and who is at the other end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast
from uuid import UUID

from vestibule.kernel.client import Client
from vestibule.kernel.clock import Clock
from vestibule.kernel.counting import Counters
from vestibule.kernel.database import Database
from vestibule.kernel.letterhead import Letterhead
from vestibule.kernel.memory import Memory
from vestibule.kernel.metrics import Metrics
from vestibule.kernel.passwords import Passwords
from vestibule.kernel.seal import Seals
from vestibule.kernel.settings import Settings
from vestibule.kernel.signals import Signals

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Who is at the other end, as far as the network tells; `network` is what limits count.

    `letterhead` is on the letters that they cause: that of the surface by which they came.
    """

    address: str | None = None
    user_agent: str | None = None
    network: str | None = None
    letterhead: Letterhead | None = None


NOBODY = Caller()


@dataclass(frozen=True, kw_only=True)
class Means:
    """What every unit of one Vestibule works with."""

    settings: Settings
    database: Database
    passwords: Passwords
    seals: Seals
    clock: Clock
    wake_courier: Callable[[], None]
    signals: Signals
    metrics: Metrics
    client: Client
    counters: Counters
    # What concerns this process alone, and is forgotten with it.
    counters_here: Counters
    memory: Memory = field(default_factory=Memory)
    # Sessions used since their rows were last written.
    touched: set[UUID]
    # What features keep in this process, one of each kind.
    parts: Mapping[type[object], object] = field(default_factory=dict)

    def part(self, kind: type[T]) -> T:
        return cast(T, self.parts[kind])
