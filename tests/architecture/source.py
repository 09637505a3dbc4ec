"""What the architecture's tests read: our files, and which module imports which."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TOP = Path(__file__).parents[2]
PACKAGE = TOP / "src/vestibule"

# What running, building and checking leave behind, and what is not ours.
_NOT_OURS = {
    "*.egg-info",
    ".git",
    ".hypothesis",
    ".idea",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    ".venv-peers",
    ".vscode",
    "__pycache__",
    "build",
    "data",
    "dist",
    "htmlcov",
    "node_modules",
}


def ours(folder: Path = TOP) -> Iterator[Path]:
    """Yield every file that is written by hand or locked."""
    for path in sorted(folder.iterdir()):
        if any(path.match(pattern) for pattern in _NOT_OURS) or path.name.startswith(".coverage"):
            continue
        if path.is_dir():
            yield from ours(path)
        else:
            yield path


def modules() -> Iterator[Path]:
    """Yield every module of the package."""
    yield from (path for path in ours(PACKAGE) if path.suffix == ".py")


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def dotted(path: Path) -> str:
    """Return the name that a module is imported by."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield everything that a module imports, wherever in it, as dotted names.

    Of `from a.b import c` both `a.b` and `a.b.c`: c may be a module. What comes straight from the
    front door is always a module, `from vestibule import server`.
    """
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{dotted(path)} imports relatively"
            assert node.module is not None
            if node.module != "vestibule":
                yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
