"""What is kept, where, for how long and under which secrets."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, SecretStr
from pydantic_settings import NoDecode

from vestibule.kernel.database_url import why_unusable
from vestibule.kernel.keyring import why_weak
from vestibule.kernel.settings.group import Group
from vestibule.kernel.settings.values import CommaSeparated, Problems, Span

_SQLITE = (
    "is SQLite; use PostgreSQL, or set VESTIBULE_SQLITE_IN_PRODUCTION=true for one process on "
    "one machine"
)

_SHORTEST_AUDIT = timedelta(days=30)


class Storage(Group):
    title: ClassVar = "Database and secrets"

    database_url: SecretStr | None = None
    """`postgresql://user:password@host/name` (`?sslmode=verify-full` and its like are understood)
    or `sqlite:///path`. Several hosts, `host1:5432,host2:5432`, are one database that may move from
    one to the other: each connection looks for the one that takes writes. Default in development: a
    SQLite file in the data directory."""

    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Connections to PostgreSQL that this process may hold. More help only while the database has
    idle cores; the sum over all processes must stay below its `max_connections`."""

    pgbouncer: bool = False
    """The database is reached through PgBouncer, or another pooler, that hands out its connections
    by transaction: no prepared statement is kept. Statements then cost a little more."""

    feed_url: SecretStr | None = None
    """Where servers listen for changes that others make to sessions and accounts: PostgreSQL
    itself, as in `VESTIBULE_DATABASE_URL`, where that one leads to PgBouncer. Without it each
    request asks the database there. Default: the database's URL, unless `VESTIBULE_PGBOUNCER` is
    set."""

    redis_url: SecretStr | None = None
    """Where the limits count in place of the database: `redis://:password@host:6379/0`,
    `rediss://…` for TLS, or `unix:///path?db=0`; a database of its own, with `maxmemory-policy
    noeviction`. Needs the extra `redis`. It spares the database some short statements for each
    log-in and sign-up. While Redis does not work, the database counts, from nothing on, so as many
    attempts may pass once more."""

    keep_finished: Span = timedelta(days=30)
    """How long sessions that are over, and letters that are out of date, stay for whoever looks
    into what happened. Then `vestibule prune`, which the server also does by itself, removes them.
    Longer costs room, and keeps addresses of people for longer."""

    audit_retention: Span = timedelta(days=400)
    """How long the audit log is kept; at least 30 days. The database itself refuses to lose an
    entry before, once a server has started with this. Longer costs room, and keeps addresses and
    browsers of people for longer; shorter leaves less to look into when something comes to light
    late."""

    sqlite_in_production: bool = False
    """Run production on SQLite: one process, one machine, your own backups of one file."""

    secrets: Annotated[tuple[SecretStr, ...], NoDecode, CommaSeparated] = ()
    """At least 32 random bytes, as base64 or hex (`openssl rand -base64 32`). Keys for sealed rows
    and typed codes are derived from it. Several, separated by commas, are a rotation: the first
    seals, all open. Development makes one in the data directory."""

    hash_threads: int | None = Field(default=None, ge=1, le=256)
    """Threads of each process that hash passwords, each with 19 MiB. Default: the cores that it may
    use, shared out among `VESTIBULE_WORKERS`."""

    def problems(self) -> Problems:
        if not self.in_development:
            yield from self._storage_needed()
        for secret in self.secrets:
            if weakness := why_weak(secret.get_secret_value()):
                yield "secrets", weakness
        if self.audit_retention < _SHORTEST_AUDIT:
            yield "audit_retention", "must be at least 30 days: P30D"
        if self.redis_url and _scheme(self.redis_url) not in ("redis", "rediss", "unix"):
            yield "redis_url", "must begin with redis://, rediss:// or unix://"
        if self.feed_url and not self.feed.startswith("postgres"):
            yield "feed_url", "must begin with postgresql://"
        elif self.feed_url and (words := why_unusable(self.feed)):
            yield "feed_url", words
        if self.database_url and (words := why_unusable(self.database)):
            yield "database_url", words

    def _storage_needed(self) -> Problems:
        if self.database_url is None:
            yield "database_url", "set postgresql://user:password@host/name"
        elif self.database.startswith("sqlite") and not self.sqlite_in_production:
            yield "database_url", _SQLITE
        if not self.secrets:
            yield (
                "secrets",
                "set at least 32 random bytes, for example from: openssl rand -base64 32",
            )

    @property
    def database(self) -> str:
        """The database's URL; holds a password, never print it."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir}/vestibule.db"
        return self.database_url.get_secret_value()

    @property
    def feed(self) -> str:
        """Where to listen for changes, "" for nowhere; holds a password, never print it."""
        if not self.database.startswith("postgres"):
            return ""
        if self.feed_url is not None:
            return self.feed_url.get_secret_value()
        return "" if self.pgbouncer else self.database


def _scheme(url: SecretStr) -> str:
    return url.get_secret_value().partition("://")[0]
