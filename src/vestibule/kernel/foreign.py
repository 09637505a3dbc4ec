"""Password hashes that other software made, as we keep them until their owners log in.

`~<label>~<salt>~<digest>`, where the label says all that checking one costs:
`pbkdf2:sha256:600000`, `scrypt:32768:8:1`, `bcrypt:12`, `argon2id:65536:3:4`. Before it may stand
what is done to the password first: `hmac+` (Flask-Security's double hash) or `sha256+` (Django's
BCryptSHA256). So a hash that nobody has can be made up from a label, and costs the same.
"""

import hashlib
import hmac
import re
import unicodedata
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

import bcrypt
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError
from argon2.low_level import Type, verify_secret

MARK = "~"
HMAC, SHA256 = "hmac", "sha256"  # what is done to a password first

# What checking may cost at most: beyond this a hash is corrupt, and would cost everybody.
_MOST_MEMORY = 256 * 1024 * 1024  # bytes
_MOST_PASSES = 16
_MOST_LANES = 16  # a thread each
_MOST_ROUNDS = 5_000_000
_MOST_DOUBLINGS = 15
_LEAST_DOUBLINGS = 4
_SHORTEST, _LONGEST = 16, 128  # bytes of a digest
_BCRYPT_TAKES = 72  # bytes; its makers cut longer ones, and it refuses them now
_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
_ARGON2 = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
# What they say of themselves is what checking them costs, and has to be what the label says.
_BCRYPT_TEXT = re.compile(rb"\$2[abxy]\$([0-3][0-9])\$[./A-Za-z0-9]{53}")
_ARGON2_TEXT = re.compile(
    rb"\$(argon2(?:id|i|d))\$(?:v=(?:16|19)\$)?m=([0-9]{1,10}),t=([0-9]{1,10}),p=([0-9]{1,10})"
    rb"\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}"
)


class Unreadable(ValueError):
    """Nothing that we know how to check, or only at a cost that nobody should pay."""


@dataclass(frozen=True)
class Foreign:
    """One hash. For bcrypt and argon2 `digest` is the whole text, in which the salt stands."""

    method: str
    costs: tuple[str, ...]
    salt: bytes
    digest: bytes
    first: str = ""

    @property
    def label(self) -> str:
        return (f"{self.first}+" if self.first else "") + ":".join((self.method, *self.costs))

    def written(self) -> str:
        return MARK + MARK.join((self.label, _text(self.salt), _text(self.digest)))

    def check(self) -> None:
        """Refuse what is none or costs too much.

        Raises:
            Unreadable: with the reason.
        """
        rest = self.costs[1:] if self.method == "pbkdf2" else self.costs
        if not all(map(_NUMBER.fullmatch, rest)):
            raise Unreadable("parameters that are no numbers")
        if self.first not in ("", HMAC, SHA256):
            raise Unreadable("parameters that cannot be")
        match self.method, [int(each) for each in rest]:
            case "pbkdf2", [rounds] if self.costs[0] in _SIZES:
                right = len(self.digest) == _SIZES[self.costs[0]]
                dear = rounds > _MOST_ROUNDS
            case "scrypt", [n, r, p]:
                power = n > 1 and n & (n - 1) == 0 and n.bit_length() <= 16 * r  # RFC 7914, 2
                right = power and _SHORTEST <= len(self.digest) <= _LONGEST
                dear = (n + p) * r > _MOST_MEMORY // 128 or n * r * p > _MOST_MEMORY // 32
            case "bcrypt", [doublings]:
                found = _BCRYPT_TEXT.fullmatch(self.digest)
                right = found is not None and int(found[1]) == doublings >= _LEAST_DOUBLINGS
                dear = doublings > _MOST_DOUBLINGS
            case method, [memory, passes, lanes] if method in _ARGON2:
                found = _ARGON2_TEXT.fullmatch(self.digest)
                said = found and (found[1].decode(), *(int(each) for each in found.groups()[1:]))
                right = said == (method, memory, passes, lanes) and memory >= 8 * lanes
                dear = memory * 1024 > _MOST_MEMORY or passes > _MOST_PASSES
                dear = dear or lanes > _MOST_LANES
            case _:
                raise Unreadable("a method that we do not know")
        if not right:
            raise Unreadable("a hash that is cut or changed")
        if dear:
            raise Unreadable("parameters that would cost everybody")


def is_foreign(written: str) -> bool:
    return written.startswith(MARK)


def read(written: str) -> Foreign:
    """Read what `Foreign.written` wrote.

    Raises:
        Unreadable: it is none.
    """
    try:
        nothing, label, salt, digest = written.split(MARK)
        found = _labelled(label, _bytes(salt), _bytes(digest))
    except (ValueError, Base64Error):
        raise Unreadable("none of ours") from None
    if nothing:
        raise Unreadable("none of ours")
    found.check()
    return found


def matches(found: Foreign, password: str, *, double_hash_salt: str | None) -> bool:
    """Tell whether `found` was made from `password`; takes as long as its label says.

    Raises:
        Unreadable: nobody can tell, and no time is spent.
    """
    spellings = [password]
    if found.first == HMAC and not unicodedata.is_normalized("NFKD", password):
        spellings.append(unicodedata.normalize("NFKD", password))  # as Flask-Security 4 and later
    made = [
        _is_made_from(found, _prepared(found, each, double_hash_salt or "")) for each in spellings
    ]
    # Without the salt nobody can tell; the time is spent all the same.
    return any(made) and not (found.first == HMAC and not double_hash_salt)


def decoy(label: str) -> str:
    """Make up a hash with the label, which nobody has.

    Raises:
        Unreadable: there can be none.
    """
    first, _, rest = label.rpartition("+")
    method, *costs = rest.split(":")
    salt, digest = bytes(16), bytes(64)
    match method, costs:
        case "pbkdf2", [name, _]:
            digest = bytes(_SIZES.get(name, 0))
        case "bcrypt", [doublings]:
            digest = f"$2b${doublings:0>2}${'.' * 53}".encode(errors="replace")
        case "argon2id" | "argon2i" | "argon2d", [memory, passes, lanes]:
            some = f"{'A' * 22}${'A' * 43}"
            written = f"${method}$v=19$m={memory},t={passes},p={lanes}${some}"
            digest = written.encode(errors="replace")
    made = Foreign(method, tuple(costs), salt, digest, first)
    made.check()
    return made.written()


def _prepared(found: Foreign, password: str, salt: str) -> bytes:
    secret = password.encode("utf-8", "surrogatepass")
    match found.first:
        case "hmac":
            return b64encode(hmac.digest(salt.encode(), secret, "sha512"))
        case "sha256":
            return hashlib.sha256(secret).hexdigest().encode()
    return secret


def _is_made_from(found: Foreign, secret: bytes) -> bool:
    made: bytes
    match found.method, found.costs:
        case "pbkdf2", (name, rounds):
            made = hashlib.pbkdf2_hmac(name, secret, found.salt, int(rounds))
        case "scrypt", (n, r, p):
            try:
                made = hashlib.scrypt(
                    secret,
                    salt=found.salt,
                    n=int(n),
                    r=int(r),
                    p=int(p),
                    maxmem=2 * _MOST_MEMORY,
                    dklen=len(found.digest),
                )
            except (ValueError, MemoryError):
                raise Unreadable("parameters that cannot be") from None
        case "bcrypt", _:
            try:
                return bcrypt.checkpw(secret[:_BCRYPT_TAKES], found.digest)
            except ValueError:
                raise Unreadable("a hash that is cut or changed") from None
        case method, _:
            try:
                return verify_secret(found.digest, secret, _ARGON2[method])
            except VerifyMismatchError:
                return False
            except (Argon2Error, InvalidHashError):
                raise Unreadable("a hash that is cut or changed") from None
    return hmac.compare_digest(made, found.digest)


def _labelled(label: str, salt: bytes, digest: bytes) -> Foreign:
    first, _, rest = label.rpartition("+")
    method, *costs = rest.split(":")
    return Foreign(method, tuple(costs), salt, digest, first)


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
