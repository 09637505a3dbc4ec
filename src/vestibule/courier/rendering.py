"""From a kind of letter and its words to the final text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    select_autoescape,
)

from vestibule.kernel.settings import Settings

_OURS = Path(__file__).parent / "templates"
_LONGEST_SUBJECT = 200


@dataclass(frozen=True)
class Rendered:
    subject: str
    text: str
    html: str | None


class Unrenderable(Exception):
    """A template is missing, broken, or asks for a word that its letter does not have."""


class Templates:
    """Ours, and before them the host's of the same names; an empty `.html` means text alone.

    Every template knows `service_name`, `base_url`, `code_lifetime` and `link_lifetime` ("30
    minutes"), and the words of its letter (`letters.py`).
    """

    def __init__(self, settings: Settings) -> None:
        folders = [settings.templates_dir, _OURS] if settings.templates_dir else [_OURS]
        self._environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(folder) for folder in folders]),
            autoescape=select_autoescape(enabled_extensions=("html",), default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            service_name=settings.service_name,
            base_url=settings.base_url,
            code_lifetime=spoken(settings.code_lifetime),
            link_lifetime=spoken(settings.sign_up_lifetime),
        )

    def render(self, kind: str, words: Mapping[str, str | None]) -> Rendered:
        """Fill in a letter; `custom` ones come with their text.

        Raises:
            Unrenderable: no attempt will do better before somebody mends the template.
        """
        if kind == "custom":
            return Rendered(
                subject=_one_line(words["subject"] or ""),
                text=words["text"] or "",
                html=words["html"],
            )
        try:
            return Rendered(
                subject=_one_line(self._fill(f"{kind}.subject.txt", words)),
                text=self._fill(f"{kind}.txt", words).strip() + "\n",
                html=self._fill(f"{kind}.html", words).strip() or None,
            )
        except TemplateNotFound as error:
            raise Unrenderable(f"there is no template {error.name}") from error
        except TemplateError as error:
            raise Unrenderable(f"a template of {kind} fails: {error.message}") from error

    def _fill(self, name: str, words: Mapping[str, str | None]) -> str:
        return self._environment.get_template(name).render(words)


def spoken(span: timedelta) -> str:
    """Return a span in the largest unit that says it exactly: "30 minutes", "7 days"."""
    seconds = int(span.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count, rest = divmod(seconds, size)
        if rest == 0 and (count > 1 or unit != "day"):  # "24 hours" leaves no question
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds} seconds"


def _one_line(subject: str) -> str:
    return " ".join(subject.split())[:_LONGEST_SUBJECT].rstrip()
