"""Password hashes that other software made, as we keep them until their owners log in.

`~<label>~<salt>~<digest>`, where the label says all that checking one costs:
`pbkdf2:sha256:600000`, `scrypt:32768:8:1`, `bcrypt:12`, `argon2id:65536:3:4`. Before it may stand
what is done to the password first: `hmac+` (Flask-Security's double hash) or `sha256+` (Django's
BCryptSHA256). So a hash that nobody has can be made up from a label, and costs the same.
"""

import hashlib
import hmac
import unicodedata
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass

import bcrypt
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import Type, verify_secret

MARK = "~"
HMAC, SHA256 = "hmac", "sha256"  # what is done to a password first

# What checking may cost at most: beyond this a hash is corrupt, and would cost everybody.
_MOST_MEMORY = 256 * 1024 * 1024  # bytes
_MOST_PASSES = 16
_MOST_ROUNDS = 5_000_000
_MOST_DOUBLINGS = 15
_LEAST_DOUBLINGS = 4
_SHORTEST, _LONGEST = 16, 128  # bytes of a digest
_BCRYPT_TAKES = 72  # bytes; its makers cut longer ones, and it refuses them now
_SIZES = {"sha1": 20, "sha256": 32, "sha512": 64}
_ARGON2 = {"argon2id": Type.ID, "argon2i": Type.I, "argon2d": Type.D}
_BCRYPT_LENGTH = 60


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
        try:
            numbers = [int(each) for each in self.costs if each not in _SIZES]
        except ValueError:
            raise Unreadable("parameters that are no numbers") from None
        if any(each < 1 for each in numbers) or self.first not in ("", HMAC, SHA256):
            raise Unreadable("parameters that cannot be")
        match self.method, self.costs, numbers:
            case "pbkdf2", (name, _), (rounds,) if name in _SIZES:
                right = len(self.digest) == _SIZES[name]
                dear = rounds > _MOST_ROUNDS
            case "scrypt", _, (n, r, p):
                right = n > 1 and n & (n - 1) == 0 and _SHORTEST <= len(self.digest) <= _LONGEST
                dear = n * r > _MOST_MEMORY // 128 or n * r * p > _MOST_MEMORY // 32
            case "bcrypt", _, (doublings,):
                right = len(self.digest) == _BCRYPT_LENGTH and doublings >= _LEAST_DOUBLINGS
                dear = doublings > _MOST_DOUBLINGS
            case method, _, (memory, passes, _) if method in _ARGON2:
                right = self.digest.startswith(b"$" + method.encode() + b"$")
                dear = memory * 1024 > _MOST_MEMORY or passes > _MOST_PASSES
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
    """Tell whether `found` was made from `password`; takes as long as its label says."""
    spellings = [password]
    if found.first == HMAC and not unicodedata.is_normalized("NFKD", password):
        spellings.append(unicodedata.normalize("NFKD", password))  # as Flask-Security 4 and later
    made = [
        _is_made_from(found, _prepared(found, each, double_hash_salt or "")) for each in spellings
    ]
    # Without the salt nobody can tell; the time is spent all the same.
    return any(made) and not (found.first == HMAC and not double_hash_salt)


def decoy(label: str) -> str:
    """Make up a hash with the label, which nobody has."""
    first, _, rest = label.rpartition("+")
    method, *costs = rest.split(":")
    salt, digest = bytes(16), bytes(64)
    if method == "pbkdf2":
        digest = bytes(_SIZES[costs[0]])
    elif method == "bcrypt":
        digest = f"$2b${int(costs[0]):02}${'.' * (_BCRYPT_LENGTH - 7)}".encode()
    elif method in _ARGON2:
        memory, passes, lanes = costs
        some = f"{'A' * 22}${'A' * 43}"
        digest = f"${method}$v=19$m={memory},t={passes},p={lanes}${some}".encode()
    return Foreign(method, tuple(costs), salt, digest, first).written()


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
            made = hashlib.scrypt(
                secret,
                salt=found.salt,
                n=int(n),
                r=int(r),
                p=int(p),
                maxmem=2 * _MOST_MEMORY,
                dklen=len(found.digest),
            )
        case "bcrypt", _:
            try:
                return bcrypt.checkpw(secret[:_BCRYPT_TAKES], found.digest)
            except ValueError:  # signs that are none of its alphabet
                return False
        case method, _:
            try:
                return verify_secret(found.digest, secret, _ARGON2[method])
            except (Argon2Error, InvalidHashError):
                return False
    return hmac.compare_digest(made, found.digest)


def _labelled(label: str, salt: bytes, digest: bytes) -> Foreign:
    first, _, rest = label.rpartition("+")
    method, *costs = rest.split(":")
    return Foreign(method, tuple(costs), salt, digest, first)


def _text(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
