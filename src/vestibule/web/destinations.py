"""Where a browser may be sent: pages of our own origin, and of those that the settings list."""

from urllib.parse import urljoin

from vestibule.kernel.errors import FieldError, InvalidFields
from vestibule.kernel.settings import Settings, origin_of

_LONGEST = 1000  # characters: it travels in a cookie


def read(settings: Settings, wanted: str | None) -> str:
    """Return the URL that somebody asked to be sent to, or the one for those who did not ask.

    Raises:
        InvalidFields: it leads elsewhere, or is read in more ways than one.
    """
    base = f"{settings.base_url}/"
    if wanted is None:
        return settings.signed_in_url or urljoin(base, "signed-in")
    # Browsers take \\ for /, and drop what is not printable.
    plain = wanted.isascii() and wanted.isprintable() and not set(wanted) & set("\\ ")
    if plain and len(wanted) <= _LONGEST:
        absolute = wanted.startswith(("http://", "https://"))
        local = wanted.startswith("/") and not wanted.startswith("//")
        try:
            url = urljoin(base, wanted) if absolute or local else ""
        except ValueError:
            url = ""
        if "@" not in url.partition("?")[0] and origin_of(url) in settings.origins:
            return url
    raise InvalidFields(
        [FieldError("next", "not_ours", "Send a path, or a URL of an origin that is allowed.")]
    )
