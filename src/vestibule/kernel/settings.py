"""Every knob, read once at start-up and never changed afterwards.

Read from `VESTIBULE_*` environment variables, from files named by `VESTIBULE_*_FILE`, and from a
`.env` file, in this order. `docs/settings.md` is made from this file.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from vestibule.kernel import limits, mailboxes
from vestibule.kernel.database import why_unusable
from vestibule.kernel.errors import CannotStart
from vestibule.kernel.keyring import why_weak
from vestibule.kernel.limits import Limit

PREFIX = "VESTIBULE_"
_SHORTEST_IDLE = timedelta(minutes=5)
_NOT_ALONE = (
    "development mode is for one machine: no https, no secrets of your own; listen on "
    "127.0.0.1, set up production mode, or set VESTIBULE_DEV_REMOTE=true"
)
_WORDS = {
    "time_delta_type": "must be a span such as PT1H, or whole seconds",
    "time_delta_parsing": "must be a span such as PT1H, or whole seconds",
    "greater_than": "must be longer than no time at all",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must be one line",
}
_SQLITE = (
    "is SQLite; use PostgreSQL, or set VESTIBULE_SQLITE_IN_PRODUCTION=true for one process on "
    "one machine"
)


def _seconds(value: object) -> object:
    """Take digits for seconds; pydantic takes them as a number only."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Span = Annotated[timedelta, Field(gt=timedelta()), BeforeValidator(_seconds)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    mode: Literal["development", "production"] = "development"
    """`development` needs nothing and is for one machine: SQLite and keys under the data
    directory, letters in a mailbox of its own, http. `production` refuses to start unless the
    settings say where it runs: base URL, database, secrets, mail."""

    host: str = Field(default="127.0.0.1", validation_alias="HOST")
    """The address to listen on. In development any other than a loopback one is refused, unless
    `VESTIBULE_DEV_REMOTE` allows it."""

    port: int = Field(default=8000, validation_alias="PORT", ge=0, le=65535)
    """The port to listen on; 0 takes any free one."""

    base_url: str = ""
    """Where people reach the service, as they type it: every link in a letter starts with it, and
    its origin is the only one whose pages may send requests with cookies (in development
    `localhost` and `127.0.0.1` on its port count as its own too). In production it must be https.
    Default in development: `http://localhost:PORT`."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Further origins whose pages may send requests with cookies, separated by commas
    (`https://app.example.com`). Each can do what its user could do: list only your own."""

    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode] = ()
    """The proxies in front, as addresses or networks, separated by commas (`10.0.0.0/8, ::1`). Only
    from them is `X-Forwarded-For` believed. Behind a proxy that is not listed everybody shares its
    address, and with it the limits on client addresses; whoever is listed without being your proxy
    can give themselves any address."""

    limits: Annotated[tuple[Limit, ...], NoDecode] = ()
    """How often somebody may try: `log_in_identifier=10/15m, letters=off`, each a number and a span
    in `s`, `m`, `h` or `d`. Those not named stay as they are. Default: the table below. Tighter
    ones turn honest people away sooner, looser ones give guessing more room."""

    service_name: str = Field(
        default="Vestibule", min_length=1, max_length=80, pattern=r"^[^\r\n]+$"
    )
    """What letters and pages call the service. Nobody may use it as a password."""

    data_dir: Path = Path("data")
    """Where development keeps its database, secrets and letters; made with access for its owner
    only."""

    database_url: SecretStr | None = None
    """`postgresql://user:password@host/name` (`?sslmode=verify-full` and its like are understood)
    or `sqlite:///path`. Default in development: a SQLite file in the data directory."""

    database_pool_size: int = Field(default=10, ge=1, le=200)
    """Connections to PostgreSQL that this process may hold. More help only while the database has
    idle cores; the sum over all processes must stay below its `max_connections`."""

    keep_finished: Span = timedelta(days=30)
    """How long sessions that are over, and letters that are out of date, stay for whoever looks
    into what happened. Then `vestibule prune`, which the server also does by itself, removes them.
    Longer costs room, and keeps addresses of people for longer."""

    sqlite_in_production: bool = False
    """Run production on SQLite: one process, one machine, your own backups of one file."""

    secrets: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """At least 32 random bytes, as base64 or hex (`openssl rand -base64 32`). Keys for sealed rows
    and typed codes are derived from it. Several, separated by commas, are a rotation: the first
    seals, all open. Development makes one in the data directory."""

    mail_transport: Literal["console", "smtp", "mailgun"] | None = None
    """How letters leave: `smtp`, `mailgun`, or in development `console`, which keeps them in the
    data directory for `/dev/mailbox`."""

    mail_from: str = ""
    """The sender, `Name <no-reply@example.com>` or an address alone."""

    smtp_host: str = ""
    """The mail server's name."""

    smtp_port: int = Field(default=587, ge=1, le=65535)
    """587 for STARTTLS, 465 for TLS, 25 for a relay without either."""

    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """`starttls` refuses to send when the server does not offer it. `none` is for a relay on the
    same machine; credentials are never sent over it to another."""

    smtp_username: str = ""
    """The user name at the mail server; without one there is no authentication."""

    smtp_password: SecretStr | None = None
    """The password at the mail server."""

    mailgun_api_key: SecretStr | None = None
    """A sending key of the domain."""

    mailgun_domain: str = ""
    """The sending domain."""

    mailgun_base_url: str = "https://api.mailgun.net"
    """`https://api.eu.mailgun.net` for domains in the EU."""

    templates_dir: Path | None = None
    """A directory whose templates replace ours of the same name (`docs/letters.md`)."""

    link_sign_up: str = ""
    """Where the link of a sign-up letter leads, for front ends with a page of their own:
    `https://app.example.com/welcome?token={token}`. Default: our page, `/verify-email`."""

    courier: bool = True
    """Send letters from the serving process. Off where `vestibule courier run` does it."""

    login_before_proof: bool = False
    """Open an account before its address is proved, and let it log in. Convenient for a product
    whose first minute must not wait for mail; it costs the certainty that every account's address
    is its owner's, and a stranger can learn by signing up whether an address has an account."""

    username_change: bool = False
    """Let people change their username. The old one is free at once: whoever takes it may be
    mistaken for the one before, wherever usernames are how people know each other."""

    session_idle: Span = timedelta(hours=24)
    """A session that is not used for this long ends (ISO 8601, `PT24H`, or seconds)."""

    session_lifetime: Span = timedelta(days=7)
    """A session ends after this long however much it is used."""

    remember_idle: Span = timedelta(days=30)
    """As `SESSION_IDLE`, for log-ins that ask to be remembered."""

    remember_lifetime: Span = timedelta(days=90)
    """As `SESSION_LIFETIME`, for log-ins that ask to be remembered."""

    sign_up_lifetime: Span = timedelta(hours=24)
    """How long the link of a sign-up letter works."""

    code_lifetime: Span = timedelta(minutes=30)
    """How long a typed code works."""

    hash_threads: int | None = Field(default=None, ge=1, le=256)
    """Threads that hash passwords, each with 19 MiB. Default: the cores this process may use."""

    api_docs: bool | None = None
    """Serve `/docs` and `/openapi.json`. Default: in development."""

    dev_remote: bool = False
    """Let development listen on other than loopback addresses, without https and with a secret and
    letters that lie in the data directory. `/dev/mailbox` still answers this machine alone."""

    @field_validator("allowed_origins", "secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("limits", mode="before")
    @classmethod
    def _limits(cls, value: object) -> object:
        return limits.read(value) if isinstance(value, str) else value

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            raise ValueError("each must be an address or a network such as 10.0.0.0/8") from None

    @field_validator("base_url", "mailgun_base_url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if not origin_of(value):
            raise ValueError("must be a URL such as https://auth.example.com")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be scheme, host and path alone")
        return value.rstrip("/")

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        read = tuple(origin_of(origin) for origin in value)
        for origin, same in zip(value, read, strict=True):
            if not same or "*" in origin or (origin.isascii() and origin != same):
                raise ValueError("each must be an origin such as https://app.example.com")
        return read

    @field_validator("link_sign_up")
    @classmethod
    def _link(cls, value: str) -> str:
        if value and ("{token}" not in value or not origin_of(value)):
            raise ValueError("must be a URL that holds {token}")
        return value

    def model_post_init(self, _context: Any, /) -> None:
        if not self.base_url and self.mode == "development":
            object.__setattr__(self, "base_url", f"http://localhost:{self.port}")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, _Files(settings_cls), dotenv_settings

    @classmethod
    def load(cls, **given: Any) -> Self:  # Any: whatever the fields take
        """Read the settings and check them together.

        Raises:
            CannotStart: with every problem at once, a line each, and never a value.
        """
        aliases = {field.validation_alias for field in cls.model_fields.values()}
        unknown = given.keys() - cls.model_fields.keys() - aliases
        slips = [_slip(name, cls.model_fields) for name in sorted(unknown)]
        settings, wrong = cls.read(**given)
        _refuse(wrong, *slips)
        return settings

    @classmethod
    def read(cls, **given: Any) -> tuple[Self, list[tuple[str, str]]]:  # Any: as above
        """Read the settings as far as they are right, and say what is wrong with which fields."""
        wrong: dict[str, str] = {}
        try:
            settings = cls(**given)
        except ValidationError as error:
            wrong = {_field(str(e["loc"][0])): _sentence(e) for e in error.errors()}
            # Look at the rest as if the wrong ones were not set, so that one start tells it all.
            defaults = {name: cls.model_fields[name].get_default() for name in wrong}
            settings = cls(**given | defaults)
        found = [(name, words) for name, words in settings.problems() if name not in wrong]
        return settings, [*wrong.items(), *found]

    def check(self) -> None:
        """Refuse what `load` would refuse, for settings that were made otherwise.

        Raises:
            CannotStart: with every problem at once.
        """
        _refuse(list(self.problems()))

    def problems(self) -> Iterator[tuple[str, str]]:
        """Yield each field that keeps this from starting, and what to do about it."""
        unread = dict(_unread_files())
        yield from unread.items()
        for name, words in self._content_problems():
            if name not in unread:
                yield name, words

    def _content_problems(self) -> Iterator[tuple[str, str]]:
        yield from self._mode_problems()
        yield from self._mail_problems()
        yield from self._span_problems()
        for secret in self.secrets:
            if weakness := why_weak(secret.get_secret_value()):
                yield "secrets", weakness
        if self.database_url and (words := why_unusable(self.database)):
            yield "database_url", words
        if self.templates_dir and not self.templates_dir.is_dir():
            yield "templates_dir", "is not a directory"

    def _span_problems(self) -> Iterator[tuple[str, str]]:
        for idle in ("session_idle", "remember_idle"):
            if getattr(self, idle) < _SHORTEST_IDLE:
                yield idle, "must be at least 5 minutes: the last use is written once a minute"
        for idle, lifetime in (
            ("session_idle", "session_lifetime"),
            ("remember_idle", "remember_lifetime"),
            ("code_lifetime", "sign_up_lifetime"),
        ):
            if getattr(self, idle) > getattr(self, lifetime):
                yield idle, f"must not be longer than {variable(lifetime)}"

    def _mode_problems(self) -> Iterator[tuple[str, str]]:
        if self.mode == "development":
            if not self.dev_remote and not _is_loopback(self.host):
                yield "host", _NOT_ALONE
            return
        if not self.base_url:
            yield "base_url", "set the https URL that people reach the service at"
        elif urlsplit(self.base_url).scheme != "https":
            yield "base_url", "is http; production needs https"
        yield from self._database_problems()
        if not self.secrets:
            yield (
                "secrets",
                "set at least 32 random bytes, for example from: openssl rand -base64 32",
            )
        if self.mail_transport in (None, "console"):
            yield "mail_transport", "set smtp or mailgun"
        if not self.mail_from:
            yield "mail_from", "set the sender's address"
        if self.link_sign_up and urlsplit(self.link_sign_up).scheme != "https":
            yield "link_sign_up", "must be https: the link opens an account"

    def _database_problems(self) -> Iterator[tuple[str, str]]:
        if self.database_url is None:
            yield "database_url", "set postgresql://user:password@host/name"
        elif self.database.startswith("sqlite") and not self.sqlite_in_production:
            yield "database_url", _SQLITE

    def _mail_problems(self) -> Iterator[tuple[str, str]]:
        if self.mail_from and mailboxes.sender(self.mail_from) is None:
            yield "mail_from", "must be an address, or a name and <an address>"
        match self.mail_transport:
            case "smtp":
                yield from self._smtp_problems()
            case "mailgun":
                yield from self._mailgun_problems()

    def _smtp_problems(self) -> Iterator[tuple[str, str]]:
        if not self.smtp_host:
            yield "smtp_host", "set the mail server's name"
        if self.smtp_username and not self.smtp_password:
            yield "smtp_password", "is missing while VESTIBULE_SMTP_USERNAME is set"
        if self.smtp_password and not self.smtp_username:
            yield "smtp_username", "is missing while VESTIBULE_SMTP_PASSWORD is set"
        in_clear = self.smtp_security == "none" and not _is_loopback(self.smtp_host)
        if self.smtp_username and in_clear:
            yield "smtp_security", "credentials need starttls or tls"

    def _mailgun_problems(self) -> Iterator[tuple[str, str]]:
        if not self.mailgun_api_key:
            yield "mailgun_api_key", "set the domain's sending key"
        if not self.mailgun_domain:
            yield "mailgun_domain", "set the sending domain"
        base = urlsplit(self.mailgun_base_url)
        if base.scheme != "https" and not _is_loopback(base.hostname or ""):
            yield "mailgun_base_url", "must be https: the key goes there"

    def limit(self, limit: Limit) -> Limit:
        """Return a limit as it was set, or as it stands in the table."""
        return next((each for each in self.limits if each.name == limit.name), limit)

    @property
    def in_development(self) -> bool:
        return self.mode == "development"

    @property
    def database(self) -> str:
        """The database's URL; holds a password, never print it."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir}/vestibule.db"
        return self.database_url.get_secret_value()

    @property
    def sender(self) -> str:
        """Who letters come from; development needs nobody in particular."""
        return self.mail_from or "vestibule@localhost"

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


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def iso(span: timedelta) -> str:
    """Return a span as ISO 8601 writes it, in the largest unit that says it exactly."""
    seconds = int(span.total_seconds())
    for size, form in ((86_400, "P{}D"), (3_600, "PT{}H"), (60, "PT{}M")):
        count, rest = divmod(seconds, size)
        if rest == 0 and (count > 1 or form != "P{}D"):  # a day is 24 hours
            return form.format(count)
    return f"PT{seconds}S"


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each `VESTIBULE_*` variable that is no setting: usually a slip.

    In `environ`, and in the `.env` file of the current directory.
    """
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted({*environ, *(each.upper() for each in dotenv_values(".env"))}):
        if name.startswith(PREFIX) and name.removesuffix("_FILE") not in known:
            yield _slip(name, known)


def _slip(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")


def origin_of(url: str) -> str:
    """Return scheme, host and port of `url` as browsers write them; "" if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = parts.hostname
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():  # browsers send the name as the DNS knows it
        host = mailboxes.host(host)
        if not host:
            return ""
    standard = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, standard) else f":{port}")


class _Files(EnvSettingsSource):
    """`VESTIBULE_X_FILE=/run/secrets/x` for `VESTIBULE_X`, as containers hand out secrets."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name.removesuffix("_FILE").lower(): content
            for name, path in _named_files()
            if (content := _content(path)) is not None  # else told by `problems`
        }


def _named_files() -> Iterator[tuple[str, str]]:
    for name, path in os.environ.items():
        if name.startswith(PREFIX) and name.endswith("_FILE") and path:
            yield name, path


def _unread_files() -> Iterator[tuple[str, str]]:
    for name, path in _named_files():
        field = name.removeprefix(PREFIX).removesuffix("_FILE").lower()
        if field in Settings.model_fields and _content(path) is None:
            yield field, f"the file that {name} names cannot be read"


def _content(path: str) -> str | None:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def _refuse(problems: list[tuple[str, str]], *further: str) -> None:
    if problems or further:
        raise CannotStart(*further, *(f"{variable(name)}: {words}" for name, words in problems))


def _field(loc: str) -> str:
    return loc.lower() if loc in ("HOST", "PORT") else loc


def _sentence(error: ErrorDetails) -> str:
    """Return our words for what pydantic found; they never repeat the value."""
    said = error.get("ctx", {})
    if error["type"] == "literal_error":
        choices = said["expected"].replace(" or ", ", ").replace("'", "")
        return f"must be one of {choices}"
    if error["type"] in _WORDS:
        return _WORDS[error["type"]].format_map(said)
    return error["msg"].removeprefix("Value error, ")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
