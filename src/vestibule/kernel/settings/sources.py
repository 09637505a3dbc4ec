"""Where settings come from besides the environment, and how their slips are told."""

import os
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any  # Any: whatever settings hold

from dotenv import dotenv_values
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import EnvSettingsSource, PydanticBaseSettingsSource

from vestibule.kernel.settings.federation import gathered
from vestibule.kernel.settings.group import PREFIX

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


class Files(EnvSettingsSource):
    """`VESTIBULE_X_FILE=/run/secrets/x` for `VESTIBULE_X`, as containers hand out secrets."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {
            name.removesuffix("_FILE").lower(): said
            for name, path in named_files()
            if (said := content(path)) is not None  # else told by `problems`
        }


class Named(PydanticBaseSettingsSource):
    """The providers of `VESTIBULE_OIDC_<NAME>_…`, from wherever other settings are read."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        dotenv = {name.upper(): said for name, said in dotenv_values(".env").items()}
        files = {name.removesuffix("_FILE"): content(path) for name, path in named_files()}
        found = gathered({**dotenv, **files, **os.environ})
        return {"oidc": found} if found else {}


def named_files() -> Iterator[tuple[str, str]]:
    for name, path in os.environ.items():
        if name.startswith(PREFIX) and name.endswith("_FILE") and path:
            yield name, path


def content(path: str) -> str | None:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None


def slip(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else "")


def sentence(error: ErrorDetails) -> str:
    """Return our words for what pydantic found; they never repeat the value."""
    said = error.get("ctx", {})
    if error["type"] == "literal_error":
        choices = said["expected"].replace(" or ", ", ").replace("'", "")
        return f"must be one of {choices}"
    if error["type"] in _WORDS:
        return _WORDS[error["type"]].format_map(said)
    return error["msg"].removeprefix("Value error, ")
