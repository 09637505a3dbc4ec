"""What a folder with a front end holds: files, and a page."""

from dataclasses import dataclass
from pathlib import Path

_PAGE = "index.html"
_FLASKS = ("app.html", _PAGE)


@dataclass(frozen=True)
class FrontEnd:
    """Files are served below `under`; the page lies in `pages`, which may be another folder."""

    files: Path
    under: str
    pages: Path
    page: str
    is_template: bool


def found_in(folder: Path, *, templates: bool) -> FrontEnd:
    """Look at a folder.

    Args:
        templates: that of a Flask app will do, or the `static` in it: only what lies in `static` is
            served then, and its page is a template.

    Raises:
        ValueError: no folder, or no page in it.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    root = folder.resolve()
    if (root / _PAGE).is_file():
        return FrontEnd(root, "/", root, _PAGE, is_template=False)
    if templates:
        home = root.parent if root.name == "static" else root
        for page in _FLASKS:
            if (home / "templates" / page).is_file() and (home / "static").is_dir():
                return FrontEnd(home / "static", "/static/", home / "templates", page, True)
        raise ValueError(f"there is no {_PAGE} in {folder}, nor templates/app.html beside static")
    raise ValueError(f"there is no {_PAGE} in {folder}; build the front end first")
