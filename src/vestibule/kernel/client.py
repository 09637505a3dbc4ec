"""Requests of ours to other people's servers: bounded in time and size, without redirects.

In production none goes to a private address unless the settings list it: where a name leads is
somebody else's choice. The address that was checked is the one that is connected to, so a name that
leads elsewhere the next moment gains nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_CONNECT = 3.0  # seconds for each address of a name
_LAST_PORT = 65535
_AT_ONCE = 20  # to one host and port
_NAT64 = IPv6Network("64:ff9b::/96")
# Site-local addresses (RFC 3879), and those of documents (RFC 9637), which Python takes for public.
_CLOSED = (IPv6Network("fec0::/10"), IPv6Network("3fff::/20"))


class Unreachable(Exception):
    """No answer that could be used. Says why, and nothing of what was sent."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """A connection serves one request: one that was kept might be to somebody else by name.

    Nor is a cookie kept: it would come along with somebody else's request.
    """

    def __init__(
        self, *, allowed: Sequence[Network] | None, resolve: Resolve | None = None
    ) -> None:
        """Connect at the first request.

        Args:
            allowed: networks that may be reached besides public addresses; None: all may.
            resolve: a name and a port to addresses.
        """
        self._allowed = allowed
        self._resolve = resolve or _resolve
        self._http: httpx.AsyncClient | None = None
        # Each has its own: whoever dawdles takes no place from others.
        self._places: dict[bytes, asyncio.Semaphore] = {}

    async def send(
        self,
        method: str,
        url: str,
        *,
        within: float,
        most: int,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request and return the whole answer, whatever its status.

        Args:
            within: seconds, from the name's address to the last byte.
            most: bytes that the answer may have.

        Raises:
            Unreachable: no answer, not in time, too long, or from where it must not come.
        """
        if self._http is None:
            self._http = httpx.AsyncClient(
                transport=_Checked(self._allowed, self._resolve),
                follow_redirects=False,
                cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            )
        plain = {"accept-encoding": "identity"}  # nothing inflates
        try:
            async with (
                asyncio.timeout(within),
                self._place(url),
                self._http.stream(
                    method,
                    url,
                    headers=plain | dict(headers or {}),
                    data=form,
                    timeout=httpx.Timeout(within, connect=min(within, _CONNECT)),
                ) as response,
            ):
                body = await _whole(response, most)
                return Answer(response.status_code, response.headers, body)
        except TimeoutError as error:
            raise Unreachable(f"no answer within {within:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(type(error).__name__) from error

    def _place(self, url: str) -> asyncio.Semaphore:
        return self._places.setdefault(httpx.URL(url).netloc, asyncio.Semaphore(_AT_ONCE))

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None


class _Checked(httpx.AsyncBaseTransport):
    """Looks where a name leads, and connects to what it looked at."""

    def __init__(self, allowed: Sequence[Network] | None, resolve: Resolve) -> None:
        self._allowed = allowed
        self._resolve = resolve
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        # Of the environment it takes SSL_CERT_FILE alone: a proxy would look names up by itself.
        self._plain = httpx.AsyncHTTPTransport(limits=limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.raw_host.decode()
        standard = 443 if request.url.scheme == "https" else 80
        port = standard if request.url.port is None else request.url.port
        if not 0 < port <= _LAST_PORT:
            raise Unreachable("there is no such port")
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError):  # the latter for names that DNS cannot write
            raise httpx.ConnectError("the name has no address") from None
        addresses = [ip_address(each) for each in dict.fromkeys(found)]
        failed: httpx.TransportError | None = None
        for address in filter(self._may_reach, addresses):
            try:
                return await self._plain.handle_async_request(_pinned(request, host, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failed = error
        raise failed or Unreachable("the name leads to no address that may be reached")

    async def aclose(self) -> None:
        await self._plain.aclose()

    def _may_reach(self, address: Address) -> bool:
        if self._allowed is None or any(address in network for network in self._allowed):
            return True
        return is_public(address)


def is_public(address: Address) -> bool:
    """Tell whether an address is the Internet's, also the one that an IPv6 address wraps."""
    if isinstance(address, IPv6Address):
        nat64 = IPv4Address(address.packed[-4:]) if address in _NAT64 else None
        teredo = address.teredo[1] if address.teredo else None
        wrapped = address.ipv4_mapped or address.sixtofour or teredo or nat64
        if wrapped is not None:
            return is_public(wrapped)
    closed = address.is_multicast or address.is_reserved or address.is_unspecified
    closed = closed or any(address in network for network in _CLOSED)
    return address.is_global and not closed


def _pinned(request: httpx.Request, host: str, address: Address) -> httpx.Request:
    """Return `request` for `address`; TLS and the Host header go on naming `host`."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=str(address)),
        headers=request.headers,
        stream=request.stream,
        extensions=request.extensions | {"sni_hostname": host},
    )


async def _resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(place[0]) for *_, place in found]


async def _whole(response: httpx.Response, most: int) -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > most:
            raise Unreachable(f"the answer is longer than {most} bytes")
    return bytes(body)
