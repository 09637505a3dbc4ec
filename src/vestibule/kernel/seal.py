"""Sealing what the database must keep but not read, under keys derived from the settings' secrets.

Every secret gives one key a purpose (HKDF-SHA256, RFC 5869). New things are sealed under the first
secret; a key id inside each names the secret it needs, so several secrets at once are a rotation.
AES-256-GCM with random nonces stays far from its bound of 2^32 messages a key and purpose.
"""

import hmac
from collections.abc import Sequence
from hashlib import sha256
from secrets import token_bytes

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_ID, _NONCE = 4, 12


class Unsealable(Exception):
    """The bytes were not sealed here: another secret, another purpose, another row, or edited."""


class Seals:
    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = {_derive(each, "key id", _ID): each for each in reversed(secrets)}
        # What everything begins with that is sealed, or made a MAC of, under the first secret.
        self.newest = _derive(secrets[0], "key id", _ID)
        self._keys: dict[tuple[bytes, str], bytes] = {}

    def seal(self, purpose: str, content: bytes, *, row: bytes) -> bytes:
        """Encrypt `content` for `purpose`, readable only together with `row`, its owner's id."""
        nonce = token_bytes(_NONCE)
        sealed = AESGCM(self._key(self.newest, purpose)).encrypt(nonce, content, row)
        return self.newest + nonce + sealed

    def open(self, purpose: str, sealed: bytes, *, row: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            Unsealable: not sealed here for this purpose and row, or under a secret since dropped.
        """
        key_id, nonce = sealed[:_ID], sealed[_ID : _ID + _NONCE]
        if key_id not in self._secrets:
            raise Unsealable
        try:
            return AESGCM(self._key(key_id, purpose)).decrypt(nonce, sealed[_ID + _NONCE :], row)
        except (InvalidTag, ValueError):
            raise Unsealable from None

    def opens(self, purpose: str, sealed: bytes, *, row: bytes) -> bool:
        """Tell whether `open` would."""
        try:
            self.open(purpose, sealed, row=row)
        except Unsealable:
            return False
        return True

    def mac(self, purpose: str, message: bytes) -> bytes:
        """Return a keyed digest of something too short for a plain one; names its key."""
        return self.newest + self._mac(self.newest, purpose, message)

    def verify(self, purpose: str, message: bytes, mac: bytes) -> bool:
        key_id = mac[:_ID]
        if key_id not in self._secrets:
            return False
        return hmac.compare_digest(mac[_ID:], self._mac(key_id, purpose, message))

    def _mac(self, key_id: bytes, purpose: str, message: bytes) -> bytes:
        return hmac.digest(self._key(key_id, purpose), message, sha256)

    def _key(self, key_id: bytes, purpose: str) -> bytes:
        key = self._keys.get((key_id, purpose))
        if key is None:
            key = self._keys[key_id, purpose] = _derive(self._secrets[key_id], purpose, 32)
        return key


def _derive(secret: str, purpose: str, length: int) -> bytes:
    info = b"vestibule " + purpose.encode()
    return HKDF(SHA256(), length, salt=None, info=info).derive(secret.encode())
