"""Which front ends of Flask set-ups are served, where, and for how long what they hold lasts."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, field_validator
from pydantic_settings import NoDecode

from vestibule.kernel import mailboxes
from vestibule.kernel.letterhead import Letterhead
from vestibule.kernel.settings import front_end
from vestibule.kernel.settings.front_end import FrontEnd
from vestibule.kernel.settings.group import Group
from vestibule.kernel.settings.values import Problems, Span, origin_of

NAMES = ("classic", "doubledibz", "jwt_extended", "openrank", "praetorian")

_PAGES = ("openrank_activation_url", "praetorian_confirmation_url", "praetorian_reset_url")
_LONGEST_PREFIX = 60  # characters


@dataclass(frozen=True)
class Mounted:
    """A dialect, and the host that it has to itself; None: it shares the service's."""

    name: str
    host: str | None = None

    def __str__(self) -> str:
        return f"{self.name}@{self.host}" if self.host else self.name


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

    static: Path | None = None
    """A folder with a built front end, served on the same origin as the dialect that is named first
    in `VESTIBULE_DIALECTS`: its files, and its `index.html` at `/` and wherever else a browser goes
    that nothing of ours is. With `doubledibz` it may be the `app` folder of a Flask app: then
    `templates/app.html` is the page, and `static` its files. Everybody can read what lies in it,
    but for names that begin with a dot. Not set, nothing is served from files."""

    doubledibz_remember_lifetime: Span = timedelta(days=365)
    """How long a log-in by `doubledibz` lasts that says `remember_me`. Others, and the browser
    forgets them when it closes, last `SESSION_LIFETIME`."""

    classic_lifetime: Span = timedelta(hours=1)
    """How long an access token of `classic` lasts. How often one client address may ask is set by
    `LIMITS`: `classic_log_in`, `classic_hour`, `classic_day`."""

    classic_refresh_lifetime: Span = timedelta(days=30)
    """How long its refresh token lasts, and the session with it: it is not renewed. Whoever copies
    one can use it as long; a log-out or a new password ends it at once."""

    jwt_extended_lifetime: Span = timedelta(hours=1)
    """How long an access token of `jwt_extended` lasts. Its front end has nothing to renew it by
    but the answers to its requests, so whoever rests for longer logs in again."""

    jwt_extended_renewed_below: Span = timedelta(minutes=30)
    """When less than this is left of such a token, each answer that is a JSON object holds a new
    one."""

    openrank_lifetime: Span = timedelta(days=30)
    """For how long the cookie of `openrank`, and the session behind it, lasts after it was last
    used. Scripts on its pages can read it, so whoever copies it is in for as long."""

    openrank_activation_url: str = ""
    """The front end's page to which an activation letter leads; `?user_uuid=…` is added. Default:
    `/welcome/activate` where the dialect is served."""

    openrank_subject_prefix: str = "[OpenRankTracker]"
    """What stands before the subject of each letter that `openrank` causes."""

    openrank_sender: str = ""
    """Who sends these letters, in place of `MAIL_FROM`."""

    praetorian_lifetime: Span = timedelta(hours=24)
    """How long an access token of `praetorian` lasts."""

    praetorian_window: Span = timedelta(days=30)
    """For how long after a log-in such a token is renewed, also when it is out of date. Whoever
    copies one can renew it as long; a log-out everywhere or a new password ends it at once."""

    praetorian_registration: Literal["letter", "simple"] = "letter"
    """`letter`: with an address; the account opens at once, and lets nobody in before its owner has
    opened the letter's link. `simple`: name and password alone, which is in at once."""

    praetorian_confirmation_url: str = ""
    """The front end's page to which a sign-up letter leads; `?token=…` is added. Default:
    `/#/finalize` where the dialect is served."""

    praetorian_reset_url: str = ""
    """The same for letters to a new password. Default: `/#/new_password`."""

    praetorian_reset_lifetime: Span = timedelta(hours=24)
    """As `RESET_LIFETIME`, for the letters of `praetorian`; its front end tells of a day."""

    @field_validator(*_PAGES)
    @classmethod
    def _page(cls, value: str) -> str:
        if value and not origin_of(value):
            raise ValueError("must be a URL such as https://app.example.com/#/finalize")
        return value

    @field_validator("openrank_subject_prefix")
    @classmethod
    def _prefix(cls, value: str) -> str:
        if mailboxes.breaks(value) or len(value) > _LONGEST_PREFIX:
            raise ValueError(f"must be one line of at most {_LONGEST_PREFIX} characters")
        return value

    @field_validator("openrank_sender")
    @classmethod
    def _sender(cls, value: str) -> str:
        if value and mailboxes.sender(value) is None:
            raise ValueError("must be an address, or a name and <an address>")
        return value

    @field_validator("dialects")
    @classmethod
    def _each_once(cls, value: tuple[Mounted, ...]) -> tuple[Mounted, ...]:
        if len({each.name for each in value}) != len(value):
            raise ValueError("each may be named once: people and tokens are of one of them")
        return value

    def problems(self) -> Problems:
        try:
            _ = self.front_end
        except ValueError as error:
            yield "static", str(error)
        if self.classic_lifetime > self.classic_refresh_lifetime:
            yield "classic_lifetime", "must not be longer than its refresh token lasts"
        if self.jwt_extended_renewed_below > self.jwt_extended_lifetime:
            yield "jwt_extended_renewed_below", "must not be longer than the token lasts"
        if self.praetorian_lifetime > self.praetorian_window:
            yield "praetorian_lifetime", "must not be longer than its window"
        if self.praetorian_reset_lifetime > timedelta(hours=24):
            yield "praetorian_reset_lifetime", "must be at most a day"
        for name in _PAGES:
            value = getattr(self, name)
            if value and not self.in_development and urlsplit(value).scheme != "https":
                yield name, "must be https: the link opens an account"

    @property
    def longest_of_dialects(self) -> timedelta:
        """For how long a token that a dialect hands out is looked at."""
        spans = {
            "classic": self.classic_refresh_lifetime,
            "jwt_extended": self.jwt_extended_lifetime,
            "openrank": self.openrank_lifetime,
            "praetorian": self.praetorian_window,
        }
        named = (spans.get(each.name, timedelta()) for each in self.dialects)
        return max(named, default=timedelta())

    @property
    def openrank_letterhead(self) -> Letterhead:
        return Letterhead(subject_prefix=self.openrank_subject_prefix, sender=self.openrank_sender)

    @property
    def dialect_hosts(self) -> frozenset[str]:
        """The hosts that a dialect has to itself."""
        return frozenset(each.host for each in self.dialects if each.host)

    def dialects_on(self, host: str | None) -> tuple[str, ...]:
        """The dialects of a host, as they are named; None: of the service's own."""
        return tuple(each.name for each in self.dialects if each.host == host)

    @property
    def front_end_host(self) -> str | None:
        """Where the front end is served; None: on the service's own host."""
        return self.dialects[0].host if self.dialects else None

    @property
    def front_end(self) -> FrontEnd | None:
        """What lies in the folder of the front end.

        Raises:
            ValueError: no folder, or nothing to serve in it.
        """
        if self.static is None:
            return None
        has_tokens = bool(self.dialects) and self.dialects[0].name == "doubledibz"
        return front_end.found_in(self.static, templates=has_tokens)
