"""What our description promises of an answer, held against the answer."""

import json
import re
from collections.abc import Mapping
from typing import Any  # Any: JSON

from jsonschema import Draft202012Validator

_PROBLEM = "#/components/schemas/Problem"
_HEADERS = (
    "cache-control",
    "content-security-policy",
    "referrer-policy",
    "x-content-type-options",
    "x-request-id",
)


class Promised:
    """The description at `/openapi.json`."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._paths = [
            (re.compile(re.sub(r"{[^}]+}", "[^/]+", path)), operations)
            for path, operations in document["paths"].items()
        ]
        self._validators: dict[str, Draft202012Validator] = {}

    def judge(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes
    ) -> str | None:
        """Return what is wrong with an answer, if anything is.

        Args:
            headers: with names in small letters.
        """
        if status >= 500 and not (status == 503 and headers.get("retry-after", "").isdigit()):
            return f"status {status}"
        if missing := [name for name in _HEADERS if name not in headers]:
            return f"without {missing}"
        if method == "HEAD":
            return "a body after HEAD" if body else None
        kind = headers.get("content-type", "")
        if status >= 400:
            return self._problem(status, kind, body)
        return self._success(self._responses(method, path), status, kind, body)

    def _success(
        self, responses: dict[str, Any] | None, status: int, kind: str, body: bytes
    ) -> str | None:
        if responses is None and status in (200, 303, 308):
            return None
        if responses is None or str(status) not in responses:
            return f"status {status} is not described"
        content = responses[str(status)].get("content", {})
        if not content:
            return "a body that is not described" if body else None
        if kind not in content:
            return f"content type {kind!r}"
        return self._fits(body, content[kind]["schema"])

    def _responses(self, method: str, path: str) -> dict[str, Any] | None:
        for pattern, operations in self._paths:
            if pattern.fullmatch(path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]["responses"]
                return found
        return None

    def _problem(self, status: int, kind: str, body: bytes) -> str | None:
        if kind == "text/html; charset=utf-8":  # the pages for people, which answer in their way
            return None if b"<script" not in body else "a script"
        if kind != "application/problem+json":
            return f"content type {kind!r} with status {status}"
        wrong = self._fits(body, {"$ref": _PROBLEM})
        return wrong or (None if json.loads(body)["status"] == status else "another status inside")

    def _fits(self, body: bytes, schema: dict[str, Any]) -> str | None:
        key = json.dumps(schema)
        if key not in self._validators:
            whole = schema | {"components": self._document["components"]}
            self._validators[key] = Draft202012Validator(whole)
        try:
            error = next(self._validators[key].iter_errors(json.loads(body)), None)
        except ValueError:
            return "a body that is no JSON"
        return error and error.message
