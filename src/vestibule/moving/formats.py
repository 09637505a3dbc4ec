"""Recognising password hashes of other software by how they are written."""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable

from argon2 import Type, extract_parameters
from argon2.exceptions import InvalidHashError

from vestibule.kernel import foreign
from vestibule.kernel.foreign import HMAC, SHA256, Foreign, Unreadable
from vestibule.kernel.passwords import STANDARD

_LONGEST = 400
_TYPES = {Type.ID: "argon2id", Type.I: "argon2i", Type.D: "argon2d"}


def recognise(text: str, *, double_hash: bool = False) -> str:
    """Return a hash as we keep it.

    Args:
        double_hash: Flask-Security mixed its salt into the passwords before they were hashed.

    Raises:
        Unreadable: with the reason, and nothing of the hash.
    """
    if foreign.is_foreign(text):
        return _fitting(foreign.read(text))
    tried = ((re.fullmatch(pattern, text, re.DOTALL), read) for pattern, read in _FORMATS)
    found, read = next(((found, read) for found, read in tried if found), (None, _bcrypt))
    if found is None:
        raise Unreadable("no kind of hash that we know")
    try:
        made = read(*found.groups())
    except (ValueError, Base64Error, InvalidHashError):
        raise Unreadable("a hash that is cut or changed") from None
    if double_hash and read in _DOUBLE:
        made = Foreign(made.method, made.costs, made.salt, made.digest, HMAC)
    elif made.method == "argon2id" and not STANDARD.check_needs_rehash(made.digest.decode()):
        return made.digest.decode()  # as if we had made it
    made.check()
    return _fitting(made)


def _fitting(made: Foreign) -> str:
    written = made.written()
    if len(written) > _LONGEST:
        raise Unreadable("a hash that is too long")
    return written


def label_of(kept: str) -> str:
    """Return what kind of hash we keep, without anything of the hash."""
    return foreign.read(kept).label if foreign.is_foreign(kept) else "ours"


def _werkzeug_scrypt(n: str, r: str, p: str, salt: str, digest: str) -> Foreign:
    return Foreign("scrypt", (n, r, p), salt.encode(), bytes.fromhex(digest))


def _werkzeug_pbkdf2(name: str, rounds: str, salt: str, digest: str) -> Foreign:
    return Foreign("pbkdf2", (name, rounds), salt.encode(), bytes.fromhex(digest))


def _bcrypt(whole: str, cost: str) -> Foreign:
    return Foreign("bcrypt", (str(int(cost)),), b"", whole.encode())


def _argon2(whole: str) -> Foreign:
    cost = extract_parameters(whole)
    costs = (str(cost.memory_cost), str(cost.time_cost), str(cost.parallelism))
    return Foreign(_TYPES[cost.type], costs, b"", whole.encode())


def _passlib_pbkdf2(name: str | None, rounds: str, salt: str, digest: str) -> Foreign:
    return Foreign("pbkdf2", (name or "sha1", rounds), _adapted(salt), _adapted(digest))


def _django_pbkdf2(name: str, rounds: str, salt: str, digest: str) -> Foreign:
    return Foreign("pbkdf2", (name, rounds), salt.encode(), b64decode(digest, validate=True))


def _django_scrypt(n: str, salt: str, r: str, p: str, digest: str) -> Foreign:
    return Foreign("scrypt", (n, r, p), salt.encode(), b64decode(digest, validate=True))


def _django_argon2(whole: str) -> Foreign:
    return _argon2(whole)


def _django_bcrypt(whole: str, cost: str) -> Foreign:
    return _bcrypt(whole, cost)


def _django_bcrypt_sha256(whole: str, cost: str) -> Foreign:
    plain = _bcrypt(whole, cost)
    return Foreign(plain.method, plain.costs, plain.salt, plain.digest, SHA256)


def _adapted(text: str) -> bytes:
    """Read base64 as passlib writes it: `.` for `+`, no padding."""
    standard = text.replace(".", "+")
    return b64decode(standard + "=" * (-len(standard) % 4), validate=True)


_NUMBER = r"([1-9][0-9]{0,9})"
_WHOLE_BCRYPT = r"(\$2[abxy]\$([0-3][0-9])\$[./A-Za-z0-9]{53})"
_FORMATS: tuple[tuple[str, Callable[..., Foreign]], ...] = (
    (rf"scrypt:{_NUMBER}:{_NUMBER}:{_NUMBER}\$([^$]+)\$([0-9a-f]+)", _werkzeug_scrypt),
    (rf"pbkdf2:(sha1|sha256|sha512):{_NUMBER}\$([^$]+)\$([0-9a-f]+)", _werkzeug_pbkdf2),
    (_WHOLE_BCRYPT, _bcrypt),
    (r"(\$argon2(?:id|i|d)\$.+)", _argon2),
    (rf"\$pbkdf2(?:-(sha256|sha512))?\${_NUMBER}\$([^$]*)\$([^$]+)", _passlib_pbkdf2),
    (rf"pbkdf2_(sha1|sha256)\${_NUMBER}\$([^$]+)\$([^$]+)", _django_pbkdf2),
    (rf"scrypt\${_NUMBER}\$([^$]+)\${_NUMBER}\${_NUMBER}\$([^$]+)", _django_scrypt),
    (r"argon2(\$argon2(?:id|i|d)\$.+)", _django_argon2),
    (rf"bcrypt\${_WHOLE_BCRYPT}", _django_bcrypt),
    (rf"bcrypt_sha256\${_WHOLE_BCRYPT}", _django_bcrypt_sha256),
)
# What Flask-Security hashes twice; what it takes over from Django it does not.
_DOUBLE = (_bcrypt, _argon2, _passlib_pbkdf2)
