"""The form of API keys: `vst_`, 256 random bits, and a checksum, all in letters and digits.

Programs that look through repositories and logs find it by `vst_[0-9A-Za-z]{49}`, and the checksum
spares them false alarms; a slip of the pen is found without asking the database.
"""

import re
from secrets import randbits
from zlib import crc32

from vestibule.kernel import opaque
from vestibule.kernel.opaque import Purpose

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BITS, _RANDOM, _CHECK = 256, 43, 6  # 62 ** 43 > 2 ** 256, and 62 ** 6 > 2 ** 32
_FORM = re.compile(rf"{Purpose.API_KEY}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}", re.ASCII)


def issue() -> tuple[str, bytes]:
    """Return a new key, and the digest under which to store it."""
    secret = Purpose.API_KEY + _written(randbits(_BITS), _RANDOM)
    secret += _check(secret)
    return secret, digest(secret)


def digest(secret: str) -> bytes:
    return opaque.digest(Purpose.API_KEY, secret)


def is_whole(secret: str) -> bool:
    """Tell whether `secret` has the form of a key, to its last sign."""
    return bool(_FORM.fullmatch(secret)) and _check(secret[:-_CHECK]) == secret[-_CHECK:]


def _check(text: str) -> str:
    return _written(crc32(text.encode()), _CHECK)


def _written(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
