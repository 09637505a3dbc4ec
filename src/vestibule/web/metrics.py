"""`/metrics`: the numbers of this process, and of the outbox, for Prometheus."""

import asyncio
import hmac
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from quart import Blueprint, Response
from quart_schema import hide

from vestibule.courier import outbox
from vestibule.courier.models import State
from vestibule.extension import Vestibule, current_vestibule
from vestibule.kernel import sink
from vestibule.kernel.errors import DatabaseUnavailable
from vestibule.kernel.unit import Unit
from vestibule.web import identity
from vestibule.web.answers import problem

_PATIENCE = 1.0  # seconds that a scrape waits for the database
_FRESH = 5.0  # seconds for which the outbox is not asked again
_STALE = 60.0  # seconds after which what was seen is not shown any more

log = logging.getLogger("vestibule.metrics")


def blueprint() -> Blueprint:
    metrics = Blueprint("vestibule_metrics", __name__)
    looking = _Looking()
    metrics.after_app_serving(looking.stop)

    @metrics.get("/metrics")
    @hide
    async def show() -> Response:
        """Show the numbers, without those of the outbox while the database is away."""
        vestibule = current_vestibule()
        if not _may_look(vestibule):
            answer = problem(
                401, "metrics_token_needed", "Send the token of VESTIBULE_METRICS_TOKEN."
            )
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        seen = await looking.at(vestibule)
        shown = generate_latest(_Shown(vestibule, seen))
        return Response(shown, content_type=CONTENT_TYPE_LATEST)

    return metrics


def _may_look(vestibule: Vestibule) -> bool:
    wanted = vestibule.settings.metrics_token
    if wanted is None:
        return vestibule.settings.in_development
    sent = identity.bearer() or ""
    return hmac.compare_digest(sent.encode(), wanted.get_secret_value().encode())


@dataclass(frozen=True)
class _Outbox:
    counts: dict[str, int]
    oldest: float


async def _look(unit: Unit) -> _Outbox:
    counts = dict.fromkeys(State, 0) | dict(await outbox.count(unit))
    since = await outbox.oldest_queued(unit)
    return _Outbox(counts, (unit.now - since).total_seconds() if since else 0.0)


class _Looking:
    """Looks into the outbox, one look at a time and one in a few seconds.

    A scrape waits a second for it, however the database fails. A look that takes longer goes on,
    and its end is for those who come later.
    """

    def __init__(self) -> None:
        self._look: asyncio.Task[None] | None = None
        self._seen: _Outbox | None = None
        self._seen_at = -_STALE

    async def at(self, vestibule: Vestibule) -> _Outbox | None:
        clock = asyncio.get_running_loop().time
        if clock() - self._seen_at > _FRESH:
            if self._look is None or self._look.done():
                self._look = asyncio.create_task(self._see(vestibule))
            await asyncio.wait({self._look}, timeout=_PATIENCE)
        return self._seen if clock() - self._seen_at < _STALE else None

    async def _see(self, vestibule: Vestibule) -> None:
        try:
            self._seen = await vestibule.run(_look, reading=True)
        except DatabaseUnavailable:
            self._seen = None
        except Exception:
            self._seen = None
            log.exception("the outbox cannot be counted")
        else:
            self._seen_at = asyncio.get_running_loop().time()

    async def stop(self) -> None:
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait({self._look}, timeout=_PATIENCE)


class _Shown(CollectorRegistry):
    """Everything there is to show, each with the process that says it.

    Several workers share a port, and a scrape reaches one of them: without its name, counters of
    one would be taken for a reset of another's.
    """

    def __init__(self, vestibule: Vestibule, seen: _Outbox | None) -> None:
        super().__init__()
        self._sources: tuple[Collector, ...] = (vestibule.means.metrics.registry, _Around(seen))

    def collect(self) -> Iterator[Metric]:
        worker = {"worker": str(os.getpid())}
        for source in self._sources:
            for family in source.collect():
                family.samples = [
                    each._replace(labels=each.labels | worker)
                    for each in family.samples
                    if not each.name.endswith("_created")  # a series more for each, for nobody
                ]
                yield family


class _Around(Collector):
    """What stands outside of the flows: the outbox, the database, the log."""

    def __init__(self, seen: _Outbox | None) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "vestibule_database_up",
            "Whether the database told of the outbox in time.",
            self._seen is not None,
        )
        yield CounterMetricFamily(
            "vestibule_log_lines_dropped",
            "Log lines that nobody took in time.",
            sink.dropped(),
        )
        if self._seen is None:
            return
        letters = GaugeMetricFamily(
            "vestibule_letters", "Letters in the outbox, by state.", labels=("state",)
        )
        for state, count in self._seen.counts.items():
            letters.add_metric((state,), count)
        yield letters
        yield GaugeMetricFamily(
            "vestibule_oldest_letter_seconds",
            "For how long the oldest letter has waited that is to be sent.",
            self._seen.oldest,
        )
