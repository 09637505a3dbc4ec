"""Kinds of values that settings have, and how they are read and written."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from vestibule.kernel import mailboxes

Problems = Iterator[tuple[str, str]]  # a field, and what to do about it


def _seconds(value: object) -> object:
    """Take digits for seconds; pydantic takes them as a number only."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _parts(value: object) -> object:
    """Take a text for what stands between its commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _plain(url: str) -> str:
    if not url:
        return url
    parts = urlsplit(url)
    if not origin_of(url):
        raise ValueError("must be a URL such as https://auth.example.com")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must be scheme, host and path alone")
    return url.rstrip("/")


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise ValueError("each must be an address or a network such as 10.0.0.0/8") from None


Span = Annotated[timedelta, Field(gt=timedelta()), BeforeValidator(_seconds)]
SpanOrNone = Annotated[timedelta, Field(ge=timedelta()), BeforeValidator(_seconds)]
CommaSeparated = BeforeValidator(_parts)
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
PlainUrl = Annotated[str, AfterValidator(_plain)]


def iso(span: timedelta) -> str:
    """Return a span as ISO 8601 writes it, in the largest unit that says it exactly."""
    seconds = int(span.total_seconds())
    for size, form in ((86_400, "P{}D"), (3_600, "PT{}H"), (60, "PT{}M")):
        count, rest = divmod(seconds, size)
        if rest == 0 and (count > 1 or form != "P{}D"):  # a day is 24 hours
            return form.format(count)
    return f"PT{seconds}S"


def origin_of(url: str) -> str:
    """Return scheme, host and port of `url` as browsers write them; "" if it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    host = parts.hostname
    if ":" in host:
        host = f"[{host}]"
    elif not host.isascii():  # browsers send the name as the DNS knows it
        host = mailboxes.host(host)
        if not host:
            return ""
    standard = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + ("" if port in (None, standard) else f":{port}")


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
