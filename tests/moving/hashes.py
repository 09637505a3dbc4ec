"""Password hashes as other software writes them, made cheaply from what its documents say."""

import hmac
from base64 import b64encode
from collections.abc import Mapping
from hashlib import pbkdf2_hmac, scrypt, sha256

import bcrypt
from argon2 import PasswordHasher, Type
from werkzeug.security import generate_password_hash

SALT = "the salt of an app that was"


def _b64(content: bytes) -> str:
    return b64encode(content).decode()


def _adapted(content: bytes) -> str:
    return _b64(content).rstrip("=").replace("+", ".")


def _bcrypt(secret: bytes, prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(secret[:72], bcrypt.gensalt(4, prefix)).decode()


def double(password: str) -> bytes:
    """What Flask-Security hashes."""
    return b64encode(hmac.digest(SALT.encode(), password.encode(), "sha512"))


def made_from(password: str) -> Mapping[str, str]:
    """Return a hash of each kind, by the name of its kind."""
    secret = password.encode()
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=2)
    older = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=Type.I)
    sha_256, sha_512 = (pbkdf2_hmac(name, secret, b"salt", 90) for name in ("sha256", "sha512"))
    of_django = scrypt(secret, salt=b"salt", n=256, r=8, p=1)
    return {
        "Werkzeug scrypt": generate_password_hash(password, "scrypt:256:8:1"),
        "Werkzeug pbkdf2": generate_password_hash(password, "pbkdf2:sha256:90"),
        "Werkzeug pbkdf2 sha512": generate_password_hash(password, "pbkdf2:sha512:90"),
        "bcrypt": _bcrypt(secret),
        "bcrypt 2a": _bcrypt(secret, b"2a"),
        "bcrypt 2y": _bcrypt(secret).replace("$2b$", "$2y$"),
        "argon2id": cheap.hash(password),
        "argon2i": older.hash(password),
        "passlib sha256": f"$pbkdf2-sha256$90${_adapted(b'salt')}${_adapted(sha_256)}",
        "passlib sha512": f"$pbkdf2-sha512$90${_adapted(b'salt')}${_adapted(sha_512)}",
        "Django pbkdf2": f"pbkdf2_sha256$90$salt${_b64(sha_256)}",
        "Django scrypt": f"scrypt$256$salt$8$1${_b64(of_django)}",
        "Django argon2": f"argon2{cheap.hash(password)}",
        "Django bcrypt": f"bcrypt${_bcrypt(secret)}",
        "Django bcrypt sha256": f"bcrypt_sha256${_bcrypt(sha256(secret).hexdigest().encode())}",
    }


def made_twice_from(password: str) -> Mapping[str, str]:
    """Return hashes as Flask-Security makes them."""
    secret = double(password)
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=2)
    sha_512 = pbkdf2_hmac("sha512", secret, b"salt", 90)
    return {
        "double bcrypt": _bcrypt(secret),
        "double argon2": cheap.hash(secret),
        "double pbkdf2": f"$pbkdf2-sha512$90${_adapted(b'salt')}${_adapted(sha_512)}",
    }
