"""The page of a front end: written with a token where it has one, and what it may load and run."""

import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from html.parser import HTMLParser

from jinja2 import ChainableUndefined, FileSystemLoader, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from vestibule.kernel.errors import CannotStart
from vestibule.kernel.settings import variable
from vestibule.kernel.settings.front_end import FrontEnd

_META = re.compile(r"""<meta\b[^>]*\bname\s*=\s*["']?csrf-token\b[^>]*>""", re.IGNORECASE)
_CONTENT = re.compile(r"""\s+content\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>/]*)""", re.IGNORECASE)
_OF_JINJA = re.compile(r"{%|{{\s*(?:csrf_token|url_for)\(")
_SOURCE = re.compile(
    r"(?:(https:)?//)([\w.-]+(?::\d+)?/[\w./@~+-]*)(?:\?[^\s]*)?", re.ASCII | re.IGNORECASE
)


class Page:
    """Read anew for each request, so that a new build is served as soon as it is there."""

    def __init__(self, front_end: FrontEnd, *, has_token: bool) -> None:
        self._path = front_end.pages / front_end.page
        self._is_template = front_end.is_template
        self._has_token = has_token
        static = front_end.files if front_end.is_template else front_end.files / "static"
        self._static = "/static/" if static.is_dir() else "/"
        self._templates = SandboxedEnvironment(
            loader=FileSystemLoader(front_end.pages),
            autoescape=True,
            undefined=ChainableUndefined,  # what the Flask app would have said besides
        )
        try:
            self.written("" if has_token else None)
        except (OSError, TemplateError, ValueError) as error:
            raise CannotStart(f"{variable('static')}: {self._path.name}: {error}") from None

    def written(self, token: str | None) -> str:
        """Return the page as it is, or with the token of whoever asks for it.

        Raises:
            OSError, TemplateError, ValueError: it is gone, or no page any more.
        """
        text = self._path.read_text("utf-8")
        if token is None:
            return text
        if self._is_template or _OF_JINJA.search(text):
            return self._rendered(token)
        return _META.sub(lambda meta: _filled(meta[0], token), text)

    def _rendered(self, token: str) -> str:
        try:
            template = self._templates.get_template(self._path.name)
            return template.render(csrf_token=lambda: token, url_for=self._url_for)
        except (OSError, TemplateError):
            raise
        except Exception as error:  # whatever it does is the template's own
            raise TemplateError(f"{type(error).__name__}: {error}") from error

    def _url_for(self, endpoint: str, *, filename: str = "", **_more: object) -> str:
        return f"{self._static}{filename}" if endpoint == "static" else "/"


@lru_cache(maxsize=64)
def policy(text: str) -> str:
    """Return the Content-Security-Policy under which a page of an old build runs.

    Its own files, the scripts that stand in it, and what it names elsewhere by a tag: no other
    script. Styles may stand anywhere, and fetch others over https. Forms may lead to a provider, so
    nothing is said of those.
    """
    found = _Loads()
    found.feed(text)
    found.close()
    scripts = " ".join(("'self'", *found.hashes(), *found.scripts))
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline' https:; "
        "img-src 'self' data: blob: https:; font-src 'self' data: https:; object-src 'none'; "
        "base-uri 'self'; frame-ancestors 'none'"
    )


class _Loads(HTMLParser):
    """What a page names that would be loaded or run."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.scripts: list[str] = []
        self._inline: list[list[str]] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(reversed(attrs))  # of those that stand twice, browsers take the first
        if tag == "script" and "src" in named:
            self.scripts += _elsewhere(named["src"])
        elif tag == "script":
            self._in_script = True
            self._inline.append([])

    def handle_endtag(self, tag: str) -> None:
        self._in_script = self._in_script and tag != "script"

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self._inline[-1].append(data)

    def hashes(self) -> Iterator[str]:
        for parts in self._inline:
            text = re.sub("\r\n?", "\n", "".join(parts))  # as browsers read it
            yield f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _elsewhere(url: str | None) -> Iterator[str]:
    """Yield what to allow for a URL of another origin; of our own, 'self' does."""
    if found := _SOURCE.fullmatch((url or "").strip()):
        yield f"https://{found[2]}" if found[1] else found[2]  # by the page's own scheme


def _filled(meta: str, token: str) -> str:
    bare = _CONTENT.sub("", meta)
    end = "/>" if bare.endswith("/>") else ">"
    return f'{bare.removesuffix(end).rstrip()} content="{token}"{end}'
