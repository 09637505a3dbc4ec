"""Which database, as its URL says it: ours to read, to check and to name without its password."""

import re
from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

_POSTGRESQL, _SQLITE = "postgresql+asyncpg", "sqlite+aiosqlite"
_OPTIONS = frozenset({"host", "port", "user", "password", "ssl", "target_session_attrs"})
_HIGHEST_PORT = 65_535
_STANDARD_PORT = 5432
# As libpq writes several hosts: scheme://user:password@one:5432,two:5432/name
_SEVERAL = re.compile(r"(?P<before>\w+://(?:[^/?#]*@)?)(?P<hosts>[^/?#@]*,[^/?#@]*)(?P<after>.*)")


def dialect_url(url: str) -> URL:
    """Return `url` with the driver that we use; a plain postgres:// or sqlite:// is enough.

    Several hosts mean one database that may move between them: the one that takes writes is meant.

    Raises:
        ArgumentError, ValueError: it is no URL.
    """
    parsed = make_url(_with_hosts_apart(url))
    match parsed.drivername:
        case "postgres" | "postgresql":
            parsed = parsed.set(drivername=_POSTGRESQL)
        case "sqlite":
            parsed = parsed.set(drivername=_SQLITE)
    if mode := parsed.query.get("sslmode"):  # as libpq calls what asyncpg calls ssl
        parsed = parsed.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    if len(hosts(parsed)) > 1 and "target_session_attrs" not in parsed.query:
        parsed = parsed.update_query_dict({"target_session_attrs": "read-write"})
    return parsed


def hosts(url: URL) -> tuple[str, ...]:
    """Return the hosts that `url` names after the `?`."""
    named = url.query.get("host", ())
    return (named,) if isinstance(named, str) else tuple(named)


def _with_hosts_apart(url: str) -> str:
    """Write several hosts as SQLAlchemy reads them: `?host=one:5432&host=two:5432`."""
    found = _SEVERAL.fullmatch(url)
    if found is None:
        return url
    named = [
        host if re.search(r":\d+$", host) else f"{host}:{_STANDARD_PORT}"
        for host in found["hosts"].split(",")
    ]
    after, mark, query = found["after"].partition("?")
    parameters = "&".join(f"host={quote(host)}" for host in named)
    return f"{found['before']}{after}?{parameters}{'&' if mark else ''}{query}"


def where(url: URL) -> str:
    """Return the server, socket or file that `url` leads to; "" where that might be a secret."""
    if len(several := hosts(url)) > 1:
        return "" if "@" in "".join(several) else " or ".join(several)
    host = str(url.host or "".join(several))
    if "@" in f"{host}{url.database}":  # then a piece of the password is taken for the host
        return ""
    if url.drivername == _SQLITE:
        return url.database or ""
    port = url.port or url.query.get("port", 5432)
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{port}"
    return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") if host else "the local socket"


def why_unusable(url: str) -> str | None:
    """Return what is wrong with a database's URL, never repeating it; None for a good one."""
    try:
        parsed = dialect_url(url)
    except (ArgumentError, ValueError):
        return "must be a URL such as postgresql://user:password@host/name"
    if parsed.drivername == _SQLITE:
        in_memory = parsed.database in (None, "", ":memory:")
        return "must name a file, such as sqlite:////srv/vestibule.db" if in_memory else None
    if parsed.drivername != _POSTGRESQL:
        return "must begin with postgresql:// or sqlite://"
    if not 0 < (parsed.port or 1) <= _HIGHEST_PORT:
        return "has a port that no server can have"
    if not _OPTIONS.issuperset(parsed.query):
        return f"has an option after the ? that is none of {', '.join(sorted(_OPTIONS))}"
    return None
