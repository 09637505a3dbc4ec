"""How PostgreSQL is reached: time-outs, pools, PgBouncer, failover, and what time it is there."""

from contextlib import suppress
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from vestibule.kernel.clock import Clock
from vestibule.kernel.database_url import hosts
from vestibule.kernel.pool import PATIENCE, FairPool

_CONNECTING = 3.0  # seconds, for all hosts together
# What SQLAlchemy takes for an error like any other: the server is going, or is no longer the one
# that takes writes. Every connection leads there, so none of them is used again.
_GOING = frozenset({"57P01", "57P02", "57P03", "25006"})


def connecting(url: URL, *, pgbouncer: bool) -> dict[str, Any]:  # Any: asyncpg's arguments
    """Return how asyncpg shall connect."""
    arguments = {"timeout": _CONNECTING / max(1, len(hosts(url))), "command_timeout": PATIENCE}
    if not pgbouncer:
        return arguments
    # The next statement may meet another server connection, which knows none of ours by name.
    return arguments | {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"vestibule_{uuid4().hex}",
    }


def engine(url: URL, *, pool_size: int, connecting: dict[str, Any]) -> AsyncEngine:
    made = create_async_engine(
        url,
        poolclass=FairPool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=PATIENCE,
        hide_parameters=True,  # digests and addresses have no place in a log
        connect_args=connecting,
    )

    @event.listens_for(made.sync_engine, "handle_error")
    def leave(context: ExceptionContext) -> None:
        if getattr(context.original_exception, "sqlstate", None) in _GOING:
            context.is_disconnect = True

    return made


def keep_time(engine: AsyncEngine, clock: Clock) -> None:
    """Ask each new connection what time it is there."""

    @event.listens_for(engine.sync_engine, "connect")
    def ask(connection: Any, _record: Any) -> None:  # Any: the driver's connection
        asked = clock.here()
        with suppress(Exception):  # who uses it next meets what is wrong with it
            there = connection.run_async(lambda own: own.fetchval("SELECT clock_timestamp()"))
            clock.follow(there, asked=asked, answered=clock.here())
