"""Asking providers: bounded in time and size, and nothing that cannot be used is believed."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any  # Any: JSON

from vestibule.kernel.client import Unreachable
from vestibule.kernel.errors import ProviderFailed
from vestibule.kernel.means import Means

WITHIN = 10.0  # seconds, for one request, and for all that finish a sign-in
_MOST = 1024 * 1024  # bytes

JSON = "application/json"


async def fetch(
    means: Means,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    within: float | None = None,
) -> Any:
    """Return the JSON of an answer.

    Args:
        within: seconds; ten.

    Raises:
        ProviderFailed: there is none, or not in time, or it says no.
    """
    if not url.startswith("https://" if not means.settings.in_development else "http"):
        raise ProviderFailed("an address of it is not https")
    asked = {"accept": JSON, "user-agent": "vestibule"} | dict(headers or {})
    try:
        answer = await means.client.send(
            method, url, within=within or WITHIN, most=_MOST, headers=asked, form=form
        )
    except Unreachable as error:
        raise ProviderFailed(str(error)) from error
    if answer.status != HTTPStatus.OK:
        raise ProviderFailed(f"the answer is {answer.status}")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ProviderFailed("the answer is no JSON") from None


async def fetch_object(
    means: Means,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    within: float | None = None,
) -> dict[str, Any]:
    """As `fetch`, for what has to be an object."""
    found = await fetch(means, method, url, headers=headers, form=form, within=within)
    if not isinstance(found, dict):
        raise ProviderFailed("the answer is no object")
    return found


def access_token(answer: Mapping[str, Any]) -> str:
    """Return the token of a token endpoint's answer (RFC 6749, 5.1).

    Raises:
        ProviderFailed: there is none, or of a kind that we cannot use. Some say so with 200.
    """
    token, kind = answer.get("access_token"), answer.get("token_type")
    if "error" in answer or not isinstance(token, str) or not token or not token.isascii():
        raise ProviderFailed("it gave no access token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProviderFailed("its access token is of another kind than Bearer")
    return token


def text(value: object, *, most: int) -> str | None:
    """Return what a provider tells if it is a line of text that fits; otherwise nothing."""
    if not isinstance(value, str):
        return None
    line = value.strip()
    return line if line and len(line) <= most and line.isprintable() else None
