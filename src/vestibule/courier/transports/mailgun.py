"""Letters over Mailgun's HTTP API, `POST /v3/{domain}/messages`."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import quote as in_path

import httpx

from vestibule.courier.transports import (
    Message,
    Misconfigured,
    Permanent,
    Temporary,
    TransportError,
)
from vestibule.courier.transports.envelope import Envelope, address_to
from vestibule.courier.transports.replies import quote
from vestibule.kernel.clock import Clock, SystemClock
from vestibule.kernel.settings import Settings

_PATIENCE = 20.0  # seconds for a letter, from connecting to the last byte of the answer
_CONNECT = 3.0
_LONGEST_ANSWER = 64 * 1024
_LONGEST_PAUSE = timedelta(hours=1)
_PAUSE = timedelta(seconds=60)  # where they ask us to slow down and do not say for how long
_REFUSED_US = {HTTPStatus.UNAUTHORIZED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
# 404 passes at Mailgun while a domain is being set up.
_PASSING = {HTTPStatus.NOT_FOUND, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}


class Mailgun:
    """`http` stays its owner's: it is used and not closed."""

    def __init__(
        self,
        settings: Settings,
        *,
        http: httpx.AsyncClient | None = None,
        clock: Clock | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        base, domain = settings.mailgun_base_url, in_path(settings.mailgun_domain, safe="")
        self._url = f"{base}/v3/{domain}/messages"
        self._key = settings.mailgun_api_key.get_secret_value() if settings.mailgun_api_key else ""
        self._given = http
        self._own: httpx.AsyncClient | None = None
        self._clock = clock or SystemClock()
        self._patience = patience

    async def send(self, message: Message) -> None:
        response, answer = await self._post(_form(message, address_to(message)))
        if not (response.is_success and answer.get("id")):
            raise self._verdict(response, answer, message)

    async def check(self) -> str:
        """Post a letter to nobody, which they refuse as incomplete.

        A sending key may do nothing else, so there is nothing to read with it.
        """
        response, answer = await self._post({"o:testmode": "yes"})
        if response.status_code != HTTPStatus.BAD_REQUEST:
            raise self._verdict(response, answer, None)
        return f"{self._url} takes letters"

    async def _post(self, form: dict[str, str]) -> tuple[httpx.Response, dict[str, object]]:
        try:
            async with (
                asyncio.timeout(self._patience),
                self._http().stream(
                    "POST",
                    self._url,
                    data=form,
                    auth=("api", self._key),
                    headers={"accept": "application/json", "accept-encoding": "identity"},
                    timeout=httpx.Timeout(self._patience, connect=_CONNECT),
                    follow_redirects=False,
                ) as response,
            ):
                return response, _answer(await _beginning(response))
        except TimeoutError as error:
            raise Temporary(f"Mailgun took longer than {self._patience:g} seconds") from error
        except httpx.HTTPError as error:
            why = f"{type(error).__name__} {error}".strip()
            raise Temporary(f"Mailgun cannot be reached: {why}") from error

    async def close(self) -> None:
        if self._own is not None:
            await self._own.aclose()
            self._own = None

    def _http(self) -> httpx.AsyncClient:
        if self._given is not None:
            return self._given
        if self._own is None:
            # A data centre may let nothing out but through the proxy that its environment names,
            # and TLS hides the key from it. Plain http is for a stub: it stays on this machine.
            self._own = httpx.AsyncClient(trust_env=self._url.startswith("https:"))
        return self._own

    def _verdict(
        self, response: httpx.Response, answer: dict[str, object], message: Message | None
    ) -> TransportError:
        status = response.status_code
        said = quote(str(answer.get("message", "")), without=message, secret=self._key)
        why = f"Mailgun answered {status} {said}".strip()
        if response.is_success:
            return Temporary(f"{why}, without an id")
        if response.is_redirect or response.is_informational or status in _REFUSED_US:
            return Misconfigured(why)
        if response.is_server_error or status in _PASSING:
            default = _PAUSE if status == HTTPStatus.TOO_MANY_REQUESTS else None
            return Temporary(why, retry_after=self._asked_pause(response) or default)
        return Permanent(why)

    def _asked_pause(self, response: httpx.Response) -> timedelta | None:
        """Read Retry-After, seconds or a date (RFC 9110, 10.2.3); None if there is none to read."""
        asked = response.headers.get("retry-after", "").strip()
        try:
            if asked.isdecimal():
                pause = timedelta(seconds=min(int(asked[:10]), _LONGEST_PAUSE.total_seconds()))
            else:
                pause = _utc(parsedate_to_datetime(asked)) - self._clock.now()
        except ValueError:
            return None
        return min(max(pause, timedelta()), _LONGEST_PAUSE)


def _form(message: Message, envelope: Envelope) -> dict[str, str]:
    form = {
        "from": str(envelope.sender),
        "to": envelope.recipient.addr_spec,  # they split at commas: one plain address has none
        "subject": message.subject,
        "text": message.text,
        "h:Message-Id": envelope.message_id,
        "h:Auto-Submitted": "auto-generated",
        "o:tracking": "no",  # else their host stands in every link, and learns the token
    }
    return form | ({"html": message.html} if message.html else {})


async def _beginning(response: httpx.Response) -> bytes:
    body = b""
    async for piece in response.aiter_raw():  # raw: nothing inflates
        body += piece
        if len(body) > _LONGEST_ANSWER:
            break
    return body[:_LONGEST_ANSWER]


def _answer(body: bytes) -> dict[str, object]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
