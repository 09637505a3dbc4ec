"""The secrets that keys are derived from: what is strong enough, where development keeps its."""

import base64
import binascii
import os
from pathlib import Path
from secrets import token_urlsafe

from vestibule.kernel.errors import CannotStart

_BYTES = 32
# 32 random bytes hold 30 different values on average and fewer than 20 practically never; words
# typed again and again do.
_DIFFERENT = 20
# 43 random signs of base64 hold 31 different ones on average; a sentence has a dozen or so.
_SIGNS = 20


def why_weak(secret: str) -> str | None:
    """Return what is wrong with `secret`, or None if it looks like 32 random bytes or more."""
    decoded = _decode(secret)
    if decoded is None or len(decoded) < _BYTES or len(set(decoded)) < _DIFFERENT:
        return (
            "each must be at least 32 random bytes in base64 or hex, for example from: "
            "openssl rand -base64 32"
        )
    return None


def development_secret(data_dir: Path) -> str:
    """Return this machine's own secret, made at the first call; only its owner can read it.

    Raises:
        CannotStart: it cannot be written.
    """
    try:
        return _development_secret(data_dir)
    except OSError as error:
        raise CannotStart(f"VESTIBULE_DATA_DIR: cannot be written to ({error.strerror})") from None


def _development_secret(data_dir: Path) -> str:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / "secret"
    if not path.exists():
        draft = data_dir / f".secret-{os.getpid()}"
        descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token_urlsafe(_BYTES))
        try:
            os.link(draft, path)  # of two processes at once one is first, and both read its secret
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


def _decode(secret: str) -> bytes | None:
    try:
        return bytes.fromhex(secret)
    except ValueError:
        pass
    if len(set(secret)) < _SIGNS:
        return None
    try:
        padded = secret.rstrip("=") + "=" * (-len(secret.rstrip("=")) % 4)
        return base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
