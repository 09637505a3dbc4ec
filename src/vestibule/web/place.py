"""Where an app is reached: at the base URL, or on a host of its own."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from quart import Quart, current_app

from vestibule.extension import current_vestibule
from vestibule.kernel.settings import Settings, origin_of

_PLACE = "vestibule_place"


@dataclass(frozen=True)
class Place:
    """A URL that people type, and the origins whose pages may send requests with cookies."""

    base_url: str
    origins: frozenset[str]

    @property
    def origin(self) -> str:
        return origin_of(self.base_url)


def give(app: Quart, settings: Settings, host: str) -> None:
    """Give `app` a host of its own, with the scheme and the port of the base URL."""
    parts = urlsplit(settings.base_url)
    port = f":{parts.port}" if parts.port else ""
    name = f"[{host}]" if ":" in host else host
    own = f"{parts.scheme}://{name}{port}"
    app.extensions[_PLACE] = Place(own, frozenset({own, *settings.allowed_origins}))


def place() -> Place:
    """Return where the app at work is reached."""
    given = current_app.extensions.get(_PLACE)
    if isinstance(given, Place):
        return given
    settings = current_vestibule().settings
    return Place(settings.base_url, settings.origins)
