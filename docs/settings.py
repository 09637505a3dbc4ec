"""Writes `settings.md` from the settings themselves; with `--check`, says whether it is current."""

import sys
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Literal, Union, get_args, get_origin

from vestibule.kernel.limits import TABLE
from vestibule.kernel.settings import GROUPS, Settings, iso, variable

PAGE = Path(__file__).with_suffix(".md")
HEAD = """\
# Settings

Every setting is an environment variable. Three places are asked, in this order:

1. the environment: `VESTIBULE_SERVICE_NAME=Example`,
2. a file that the environment names, for secrets that a container is handed:
   `VESTIBULE_SECRETS_FILE=/run/secrets/vestibule`,
3. a `.env` file in the folder where the command starts.

An empty variable counts as not set. Settings are read once, at the start. Whatever is wrong with
them is told at once, a line for each variable, before anything is served; `vestibule doctor` tells
the same without serving. A `VESTIBULE_*` variable that is no setting is warned about, with the name
that was probably meant.

Spans of time are ISO 8601 (`PT30M`, `P7D`) or whole seconds.

This page is made from `src/vestibule/kernel/settings/` by `.venv/bin/python docs/settings.py`.
"""


def page() -> str:
    parts = [HEAD]
    told: set[str] = set()
    for group in GROUPS:
        parts.append(f"\n## {group.title}\n")
        for name in group.model_fields:
            if name not in told:
                parts.append(entry(name))
                told.add(name)
            if name == "limits":
                parts.append(limits())
    return "".join(parts)


def entry(name: str) -> str:
    field = Settings.model_fields[name]
    if not field.description:
        sys.exit(f"docs/settings.py: {name} has no paragraph")
    words = " ".join(field.description.split())
    facts = []
    if choices := choices_of(field.annotation):
        facts.append(f"One of {', '.join(f'`{each}`' for each in choices)}.")
    if field.default not in (None, "", ()):
        facts.append(f"Default: {shown(field.default)}.")
    elif "Default" not in words:
        facts.append("Not set by default.")
    paragraphs = [f"\n### `{variable(name)}`", " ".join(facts), words]
    return "\n\n".join(each for each in paragraphs if each) + "\n"


def limits() -> str:
    """Return the table of limits, each as it is when nothing sets it."""
    rows = [str(limit).partition("=") for limit in TABLE.values()]
    lines = [f"| `{name}` | `{value}` | {TABLE[name].counts} |\n" for name, _, value in rows]
    return "\n| limit | default | counts |\n|---|---|---|\n" + "".join(lines)


def choices_of(annotation: object) -> tuple[str, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        return tuple(choice for each in get_args(annotation) for choice in choices_of(each))
    return ("true", "false") if annotation is bool else ()


def shown(default: object) -> str:
    match default:
        case bool():
            return f"`{str(default).lower()}`"
        case timedelta():
            return f"`{iso(default)}`"
    return f"`{default}`"


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if not PAGE.exists() or PAGE.read_text("utf-8") != page():
            sys.exit("docs/settings.md is not what the settings say: run docs/settings.py")
    elif sys.argv[1:]:
        sys.exit("usage: docs/settings.py [--check]")
    else:
        PAGE.write_text(page(), "utf-8")
