"""Rendering our pages, in an environment of our own so that a host's templates stay its own."""

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from quart import Response

from vestibule.extension import current_vestibule
from vestibule.kernel.errors import VestibuleError
from vestibule.web.answers import Answers, envelope_headers

_STYLE = files("vestibule.web.pages").joinpath("templates/style.css").read_text("utf-8")
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)

_templates = Environment(
    loader=PackageLoader("vestibule.web.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, status: int = 200, **words: object) -> Response:
    """Return a page that loads nothing, frames nowhere and passes no address on."""
    text = _templates.get_template(template).render(
        style=_STYLE, service_name=current_vestibule().settings.service_name, **words
    )
    response = Response(text, status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def button(answers: Answers, error: VestibuleError | None, **words: object) -> Response:
    """Return a page with a button that spends a letter's token.

    Args:
        answers: what the page says of the errors after which somebody may try once more.
    """
    status, wrong = answers[type(error)] if error else (200, None)
    return envelope_headers(page("button.html", status, wrong=wrong, **words), error)
