"""The keys that an issuer publishes, fetched seldom and kept while they cannot be.

Threads and event loops share them. A fetch has a thread and a loop of its own, so that one request
that gives up, or a loop that ends, takes nobody else's fetch with it.
"""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from concurrent import futures
from http import HTTPStatus
from time import monotonic
from typing import Any  # Any: JWKs are JSON

from joserfc.errors import JoseError
from joserfc.jwk import import_key

from vestibule.kernel.client import Answer, Client, Unreachable
from vestibule.tokens.checks import Verifier
from vestibule.verify.refusals import KeysUnavailable, TokenRefused

FRESH = 300.0  # seconds, after which a retired key is known to be gone
KEPT = 86_400.0  # seconds that keys are good for while no others can be fetched
REST = 60.0  # seconds between two fetches, whoever asks for what
EAGER = float(KeysUnavailable.retry_after)  # the same, while there are no keys at all

_WITHIN = 3.0  # seconds for a fetch
_PATIENCE = _WITHIN + 1  # seconds for whoever waits for one
_MOST = 65_536  # bytes; a key has some hundreds
_KINDS = {"ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519"), "RS256": ("RSA", None)}

log = logging.getLogger("vestibule.verify")


class Keys:
    """What one process knows of an issuer's keys."""

    def __init__(self, url: str, seconds: Callable[[], float] = monotonic) -> None:
        self._url = url
        self._seconds = seconds
        self._lock = threading.Lock()
        self._held: dict[str, Verifier] = {}
        self._fetched_at = self._asked_at = float("-inf")
        self._failed = False
        self._flight: futures.Future[None] = futures.Future()

    def find(self, kid: str) -> Verifier:
        """Return a key, fetching it if that may help; blocks for some seconds at most.

        Raises:
            TokenRefused: the issuer has no such key.
            KeysUnavailable: nobody can know.
        """
        flight = self._due(kid)
        if flight is not None:
            futures.wait([flight], timeout=_PATIENCE)
        return self._known(kid)

    async def find_async(self, kid: str) -> Verifier:
        """As `find`, and others go on meanwhile."""
        flight = self._due(kid)
        if flight is not None:
            await asyncio.wait([asyncio.wrap_future(flight)], timeout=_PATIENCE)
        return self._known(kid)

    def _due(self, kid: str) -> futures.Future[None] | None:
        """Start a fetch if one is due; return it if it is worth waiting for."""
        with self._lock:
            now = self._seconds()
            if now - self._fetched_at >= KEPT:
                self._held = {}
            known = kid in self._held
            if known and now - self._fetched_at < FRESH:
                return None
            if now - self._asked_at >= (REST if self._held else EAGER):
                self._asked_at = now
                self._flight = futures.Future()
                self._start()
            # While the issuer is away, those whose key is known do not wait for it again and again.
            return None if known and self._failed else self._flight

    def _known(self, kid: str) -> Verifier:
        if not self._held:
            raise KeysUnavailable
        key = self._held.get(kid)
        if key is None:
            raise TokenRefused
        return key

    def _start(self) -> None:
        try:
            threading.Thread(target=self._fetch, args=(self._flight,), daemon=True).start()
        except RuntimeError as error:  # the system gives no more threads
            self._go_without(error)
            self._flight.set_result(None)

    def _fetch(self, flight: futures.Future[None]) -> None:
        asyncio.run(self._bring(flight))

    def _go_without(self, error: Exception) -> None:
        self._failed = True
        log.warning("no keys from %s: %s", self._url, error)

    async def _bring(self, flight: futures.Future[None]) -> None:
        client = Client(allowed=None)
        try:
            answer = await client.send(
                "GET", self._url, within=_WITHIN, most=_MOST, headers={"cache-control": "no-cache"}
            )
            held = read(answer)
        except (Unreachable, ValueError) as error:
            self._go_without(error)
        else:
            with self._lock:
                self._held, self._fetched_at, self._failed = held, self._seconds(), False
        finally:
            flight.set_result(None)  # before the loop ends, which may wait for a name server
            await client.close()


def read(answer: Answer) -> dict[str, Verifier]:
    """Return the keys of a JWK Set (RFC 7517, 5) that may verify tokens.

    Keys of kinds that we do not know are left out: others may know them.

    Raises:
        ValueError: it is no such set, or holds no such key.
    """
    if answer.status != HTTPStatus.OK:
        raise ValueError(f"the answer is {answer.status}")
    try:
        published = json.loads(answer.body)["keys"]
        held = {key.kid: key for each in published if (key := _read(each)) is not None}
    except (TypeError, KeyError, AttributeError, RecursionError):
        raise ValueError("the answer is no set of keys") from None
    if not held:
        raise ValueError("the answer holds no key that verifies tokens")
    return held


def _read(jwk: dict[str, Any]) -> Verifier | None:
    algorithm, kid = jwk.get("alg"), jwk.get("kid")
    kind = _KINDS.get(algorithm) if isinstance(algorithm, str) else None
    if not isinstance(kid, str) or kind != (jwk.get("kty"), jwk.get("crv")):
        return None
    try:
        key = import_key(jwk)
    except (JoseError, ValueError, TypeError):
        return None
    return Verifier(kid, str(algorithm), key, None)
