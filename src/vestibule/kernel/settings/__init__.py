"""Every knob, read once at start-up and never changed afterwards.

Read from `VESTIBULE_*` environment variables, from files named by `VESTIBULE_*_FILE`, and from a
`.env` file, in this order. `docs/settings.md` is made from the groups in this folder.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from vestibule.kernel.errors import CannotStart
from vestibule.kernel.settings.accounts import Accounts
from vestibule.kernel.settings.dialects import Dialects
from vestibule.kernel.settings.federation import NAMED, Federation
from vestibule.kernel.settings.group import PREFIX, Group
from vestibule.kernel.settings.mail import Mail
from vestibule.kernel.settings.serving import Serving
from vestibule.kernel.settings.sources import Files, Named, content, named_files, sentence, slip
from vestibule.kernel.settings.storage import Storage
from vestibule.kernel.settings.telemetry import Telemetry
from vestibule.kernel.settings.tokens import Tokens
from vestibule.kernel.settings.values import iso, origin_of

__all__ = (
    "GROUPS",
    "PREFIX",
    "Settings",
    "iso",
    "origin_of",
    "unknown_variables",
    "variable",
)

GROUPS: tuple[type[Group], ...] = (
    Serving,
    Storage,
    Mail,
    Accounts,
    Tokens,
    Federation,
    Dialects,
    Telemetry,
)


_ONE_WRITER = "is more than 1, and SQLite is for one process; use PostgreSQL, or set it to 1"


class Settings(Serving, Storage, Mail, Accounts, Tokens, Federation, Dialects, Telemetry):
    """All groups in one object, frozen."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named = Named(settings_cls)
        return init_settings, env_settings, Files(settings_cls), named, dotenv_settings

    @classmethod
    def load(cls, **given: Any) -> Self:  # Any: whatever the fields take
        """Read the settings and check them together.

        Raises:
            CannotStart: with every problem at once, a line each, and never a value.
        """
        aliases = {field.validation_alias for field in cls.model_fields.values()}
        unknown = given.keys() - cls.model_fields.keys() - aliases
        slips = [slip(name, cls.model_fields) for name in sorted(unknown)]
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
            wrong = {_field(str(e["loc"][0])): sentence(e) for e in error.errors()}
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
        if self.processes > 1 and self.database.startswith("sqlite"):
            yield "workers" if self.workers else "web_concurrency", _ONE_WRITER
        for group in GROUPS:
            yield from (told for told in group.problems(self) if told[0] not in unread)


def variable(field: str) -> str:
    """Return the environment variable of a field."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field.upper()


def unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each `VESTIBULE_*` variable that is no setting: usually a slip.

    In `environ`, and in the `.env` file of the current directory.
    """
    known = {variable(name) for name in Settings.model_fields}
    for name in sorted({*environ, *(each.upper() for each in dotenv_values(".env"))}):
        said = name.removesuffix("_FILE")
        if name.startswith(PREFIX) and said not in known and not NAMED.fullmatch(said):
            yield slip(name, known)


def _unread_files() -> Iterator[tuple[str, str]]:
    for name, path in named_files():
        field = name.removeprefix(PREFIX).removesuffix("_FILE").lower()
        if field in Settings.model_fields and content(path) is None:
            yield field, f"the file that {name} names cannot be read"


def _refuse(problems: list[tuple[str, str]], *further: str) -> None:
    if problems or further:
        raise CannotStart(*further, *(f"{variable(name)}: {words}" for name, words in problems))


def _field(loc: str) -> str:
    return loc.lower() if loc in ("HOST", "PORT", "WEB_CONCURRENCY") else loc
