"""An issuer whose keys, answers and failures a test chooses; on loopback, in a thread."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any  # Any: JSON
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey, Key

from tests.attacks.forging import Captured
from vestibule.tokens.keyring import Pair


class Issuer:
    """Publishes `keys`, or what `answer` says, and counts who asks."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.keys: list[dict[str, Any]] = []
        self.answer: bytes | None = None
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def key(self, key: Key | None = None, algorithm: str = "ES256", **changes: Any) -> Pair:
        """Publish a key, and return it."""
        key = key or ECKey.generate_key("P-256")
        pair = Pair(key.thumbprint(), algorithm, key)
        jwk = {**key.as_dict(private=False), "kid": pair.kid, "alg": algorithm, "use": "sig"}
        self.keys.append({**jwk, **changes})
        return pair

    def token(self, pair: Pair, **changes: Any) -> str:
        return self.capture(pair, **changes).token

    def capture(self, pair: Pair, **changes: Any) -> Captured:
        """Issue a token as the service does."""
        now = int(time.time())
        header = {"alg": pair.algorithm, "kid": pair.kid, "typ": "at+jwt"}
        claims = {
            "iss": self.url,
            "aud": self.url,
            "sub": str(uuid4()),
            "sid": str(uuid4()),
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + 600,
            "roles": ["user"],
            "amr": ["pwd"],
            "auth_time": now,
            "email_verified": False,
        } | changes
        token = jwt.encode(header, claims, pair.private, algorithms=[pair.algorithm])
        return Captured(token, "", header, claims, pair)


@contextmanager
def issuing() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked += 1
            assert issuer.may_answer.wait(20)
            body = issuer.answer
            if body is None:
                body = json.dumps({"keys": issuer.keys}).encode()
            self.send_response(issuer.status if self.path == "/.well-known/jwks.json" else 404)
            for name, value in issuer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # whoever asked has read enough
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer = Issuer(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        issuer.may_answer.set()
        server.shutdown()
        thread.join()
        server.server_close()
