"""Where the service runs, and who reaches it how."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from vestibule.kernel.settings.group import Group
from vestibule.kernel.settings.values import (
    CommaSeparated,
    Networks,
    PlainUrl,
    Problems,
    Span,
    is_loopback,
    origin_of,
)

_NOT_ALONE = (
    "development mode is for one machine: no https, no secrets of your own; listen on "
    "127.0.0.1, set up production mode, or set VESTIBULE_DEV_REMOTE=true"
)


class Serving(Group):
    title: ClassVar = "Where it runs"

    host: str = Field(default="127.0.0.1", validation_alias="HOST")
    """The address to listen on. In development any other than a loopback one is refused, unless
    `VESTIBULE_DEV_REMOTE` allows it."""

    port: int = Field(default=8000, validation_alias="PORT", ge=0, le=65535)
    """The port to listen on; 0 takes any free one."""

    workers: int | None = Field(default=None, ge=1, le=64)
    """How many processes `vestibule serve` starts on the one port, under a supervisor that replaces
    those that die, and renews all of them at SIGHUP. Each has the memory and the database
    connections of a whole server, and keeps one core busy. Default: `WEB_CONCURRENCY`, or one
    process without a supervisor. SQLite is for one."""

    web_concurrency: int | None = Field(
        default=None, validation_alias="WEB_CONCURRENCY", ge=1, le=64
    )
    """What platforms set for `VESTIBULE_WORKERS`, which comes first."""

    connections: int = Field(default=4096, ge=1)
    """Connections of clients that a process holds at once, if it may open so many files (`ulimit
    -n`). Who comes when there are so many is answered 503, with `Retry-After`. Each costs some
    40 KiB."""

    idle_timeout: Span = timedelta(seconds=30)
    """A connection without a request is closed after this long; so is one that has not sent the
    whole head of its request. A proxy in front must close what rests a few seconds earlier, or now
    and then it sends a request into a connection that has just been closed."""

    base_url: PlainUrl = ""
    """Where people reach the service, as they type it: every link in a letter starts with it, and
    its origin is the only one whose pages may send requests with cookies (in development
    `localhost` and `127.0.0.1` on its port count as its own too). In production it must be https.
    Default in development: `http://localhost:PORT`."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode, CommaSeparated] = ()
    """Further origins whose pages may send requests with cookies, separated by commas
    (`https://app.example.com`), and read the answers (CORS). Each can do what its user could do:
    list only your own."""

    allowed_hosts: Annotated[tuple[str, ...], NoDecode, CommaSeparated] = ()
    """Further names that the service answers to, besides that of the base URL, separated by commas
    (`auth.internal, 10.0.0.7`). Requests for any other are refused; `/healthz` and `/readyz` answer
    to all. Development answers to this machine's names as well."""

    trusted_proxies: Networks = ()
    """The proxies in front, as addresses or networks, separated by commas (`10.0.0.0/8, ::1`). Only
    from them are `X-Forwarded-For` and `X-Forwarded-Proto` believed. Behind a proxy that is not
    listed everybody shares its address, and with it the limits on client addresses; whoever is
    listed without being your proxy can give themselves any address."""

    outgoing_allow: Networks = ()
    """Addresses or networks of your own that requests of ours may go to in production
    (`10.1.2.3, fd00::/8`), separated by commas: for a breach check inside your network. All other
    private addresses are refused, whatever name leads there. Whoever can choose where a request
    goes reaches what is listed. The mail server and the database need no entry."""

    service_name: str = Field(
        default="Vestibule", min_length=1, max_length=80, pattern=r"^[^\r\n]+$"
    )
    """What letters and pages call the service. Nobody may use it as a password."""

    dev_remote: bool = False
    """Let development listen on other than loopback addresses, without https and with a secret and
    letters that lie in the data directory. `/dev/mailbox` still answers this machine alone."""

    api_docs: bool | None = None
    """Serve `/docs` and `/openapi.json`. Default: in development."""

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read = tuple(urlsplit(origin_of(f"http://{_bracketed(name)}")) for name in value)
        if not all(parts.hostname and parts.port is None for parts in read):
            raise ValueError("each must be a name or an address alone, such as auth.example.com")
        return tuple(str(parts.hostname) for parts in read)

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read = tuple(origin_of(origin) for origin in value)
        for origin, same in zip(value, read, strict=True):
            if not same or "*" in origin or (origin.isascii() and origin != same):
                raise ValueError("each must be an origin such as https://app.example.com")
        return read

    def model_post_init(self, _context: Any, /) -> None:
        if not self.base_url and self.mode == "development":
            object.__setattr__(self, "base_url", f"http://localhost:{self.port}")

    def problems(self) -> Problems:
        if self.in_development:
            if not self.dev_remote and not is_loopback(self.host):
                yield "host", _NOT_ALONE
        elif not self.base_url:
            yield "base_url", "set the https URL that people reach the service at"
        elif urlsplit(self.base_url).scheme != "https":
            yield "base_url", "is http; production needs https"

    @property
    def processes(self) -> int:
        """How many processes serve together."""
        return self.workers or self.web_concurrency or 1

    @property
    def origins(self) -> frozenset[str]:
        """The origins whose pages may send requests with cookies."""
        own = {origin_of(self.base_url)}
        if self.in_development:
            parts = urlsplit(self.base_url)
            port = f":{parts.port}" if parts.port else ""
            own |= {f"{parts.scheme}://{name}{port}" for name in ("localhost", "127.0.0.1")}
        return frozenset(own | set(self.allowed_origins))

    @property
    def shows_docs(self) -> bool:
        return self.in_development if self.api_docs is None else self.api_docs


def _bracketed(name: str) -> str:
    """Write an IPv6 address as URLs do."""
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name
