"""Which front ends of Flask set-ups are served, where, and for how long what they hold lasts."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, field_validator
from pydantic_settings import NoDecode

from vestibule.kernel.settings.group import Group
from vestibule.kernel.settings.values import Problems, Span, origin_of

NAMES = ("jwt_extended",)


@dataclass(frozen=True)
class Mounted:
    """A dialect, and the host that it has to itself; None: it shares the service's."""

    name: str
    host: str | None = None


def _mounted(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_read(part.strip()) for part in value.split(",") if part.strip())


def _read(text: str) -> Mounted:
    name, at, host = text.partition("@")
    if name not in NAMES:
        raise ValueError(f"each must be one of {', '.join(NAMES)}, alone or as name@host")
    if not at:
        return Mounted(name)
    parts = urlsplit(origin_of(f"http://{host}"))
    if not parts.hostname or parts.port is not None or "/" in host:
        raise ValueError("a host must be a name alone, such as jwt_extended@legacy.example.com")
    return Mounted(name, parts.hostname)


class Dialects(Group):
    title: ClassVar = "Front ends of Flask set-ups"

    dialects: Annotated[tuple[Mounted, ...], NoDecode, BeforeValidator(_mounted)] = ()
    """Whose front ends are served as they are, separated by commas: `jwt_extended`, on the paths
    that they know; or as `jwt_extended@legacy.example.com`, on a host that answers nothing else.
    Two that want the same path of one host stop the start. Each has weaknesses of what it stands
    for: see [moving from Flask](moving-from-flask/README.md)."""

    jwt_extended_lifetime: Span = timedelta(hours=1)
    """How long an access token of `jwt_extended` lasts. Its front end has nothing to renew it by
    but the answers to its requests, so whoever rests for longer logs in again."""

    jwt_extended_renewed_below: Span = timedelta(minutes=30)
    """When less than this is left of such a token, each answer that is a JSON object holds a new
    one."""

    @field_validator("dialects")
    @classmethod
    def _each_once(cls, value: tuple[Mounted, ...]) -> tuple[Mounted, ...]:
        if len({each.name for each in value}) != len(value):
            raise ValueError("each may be named once: people and tokens are of one of them")
        return value

    def problems(self) -> Problems:
        if self.jwt_extended_renewed_below > self.jwt_extended_lifetime:
            yield "jwt_extended_renewed_below", "must not be longer than the token lasts"

    @property
    def dialect_hosts(self) -> frozenset[str]:
        """The hosts that a dialect has to itself."""
        return frozenset(each.host for each in self.dialects if each.host)
