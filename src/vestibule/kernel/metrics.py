"""What is counted while the service works, in Prometheus' terms; `docs/operating.md` lists it."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from vestibule.kernel.database import Database
from vestibule.kernel.memory import Memory
from vestibule.kernel.passwords import Passwords

_LOG_INS = {"login.succeeded": "succeeded", "login.refused": "refused"}


class Metrics:
    """The numbers of one Vestibule, in a registry of its own: two in one process do not meet."""

    def __init__(self, passwords: Passwords, database: Database, memory: Memory) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Queues(passwords, database))
        if not database.is_sqlite:
            self.registry.register(_Remembered(memory))
        self._requests = Counter(
            "vestibule_requests",
            "Requests that were answered, by the class of their status.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "vestibule_request_seconds",
            "How long requests took.",
            ("method", "route"),
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self._let_in = self._requests.labels("GET", "/v1/verify", "2xx")
        self._log_ins = Counter(
            "vestibule_log_ins",
            "Log-ins with a password or a provider, by what became of them.",
            ("outcome",),
            registry=self.registry,
        )
        self._refusals = Counter(
            "vestibule_limit_refusals",
            "Attempts that a limit refused.",
            ("limit",),
            registry=self.registry,
        )
        self._pruned = Counter(
            "vestibule_pruned_rows",
            "Rows that were removed because they were out of date.",
            ("table",),
            registry=self.registry,
        )
        for outcome in (*_LOG_INS.values(), "limited", "busy"):
            self._log_ins.labels(outcome)  # there from the start, so that the first one is a rise

    def answered(self, method: str, route: str, status: str, seconds: float) -> None:
        """Count a request. All but `seconds` are of few kinds: no caller chooses a label."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)

    def let_in(self) -> None:
        """Count a request of a proxy's for somebody who is remembered."""
        self._let_in.inc()

    def happened(self, event: str) -> None:
        """Count what the audit log tells, once it is in the database."""
        if outcome := _LOG_INS.get(event):
            self._log_ins.labels(outcome).inc()

    def log_in_turned_away(self, why: str) -> None:
        """Count a log-in whose password nobody looked at: `limited` or `busy`."""
        self._log_ins.labels(why).inc()

    def refused(self, limit: str) -> None:
        self._refusals.labels(limit).inc()

    def pruned(self, table: str, rows: int) -> None:
        self._pruned.labels(table).inc(rows)


class _Queues(Collector):
    """What waits inside this process, asked when somebody looks."""

    def __init__(self, passwords: Passwords, database: Database) -> None:
        self._passwords = passwords
        self._database = database

    def collect(self) -> Iterator[Metric]:
        load = self._passwords.load()
        hashes = GaugeMetricFamily(
            "vestibule_hashes",
            "Passwords that are being hashed, or wait for it.",
            labels=("state",),
        )
        hashes.add_metric(("running",), load.running)
        hashes.add_metric(("waiting",), load.waiting)
        yield hashes
        yield CounterMetricFamily(
            "vestibule_hashes_refused",
            "Passwords that were not hashed, because too many waited or they waited too long.",
            load.refused,
        )
        held = GaugeMetricFamily(
            "vestibule_database_connections",
            "Connections to the database: in use, and what the pool may hold.",
            labels=("pool", "state"),
        )
        waiting = GaugeMetricFamily(
            "vestibule_database_waiting", "Who waits for a connection.", labels=("pool",)
        )
        for name, pool in self._database.pools().items():
            held.add_metric((name, "in_use"), pool.checkedout())
            held.add_metric((name, "most"), pool.size())
            waiting.add_metric((name,), pool.waiting)
        yield held
        yield waiting


class _Remembered(Collector):
    """How often this process knew who asks, and whether it still hears of changes."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def collect(self) -> Iterator[Metric]:
        looks = CounterMetricFamily(
            "vestibule_callers",
            "Callers who were known, by where from: memory or database.",
            labels=("source",),
        )
        looks.add_metric(("memory",), self._memory.hits)
        looks.add_metric(("database",), self._memory.misses)
        yield looks
        yield GaugeMetricFamily(
            "vestibule_feed_up",
            "Whether other processes' changes are heard of; otherwise each is asked for.",
            self._memory.is_trusted,
        )
