"""From where a request comes, as far as that can be known."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from quart import request

from vestibule.extension import current_vestibule

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_ONE_SUBSCRIBER = 64  # bits of IPv6 that a provider gives to one of them


def client_address() -> str | None:
    """Return the address of whoever sends this request, past the proxies that we trust.

    `X-Forwarded-For` is what anybody wrote, and on its right end what our own proxies wrote. So it
    is read from the right, as long as the one who wrote it is trusted; what is no address ends it.
    """
    peer = _read(request.remote_addr or "")
    if peer is None:
        return request.remote_addr
    trusted = current_vestibule().settings.trusted_proxies
    hops = ",".join(request.headers.getlist("X-Forwarded-For")).split(",")
    while hops and _is_in(peer, trusted) and (hop := _read(hops.pop().strip())) is not None:
        peer = hop
    return str(peer)


def forwarded(header: str) -> str | None:
    """Return what the proxy before us wrote into `header`, if it is one that we trust."""
    peer = _read(request.remote_addr or "")
    if peer is None or not _is_in(peer, current_vestibule().settings.trusted_proxies):
        return None
    return ",".join(request.headers.getlist(header)).rpartition(",")[2].strip().lower() or None


def counted_as(address: str | None) -> str | None:
    """Return what a client address counts as: IPv4 whole, IPv6 by the network of a subscriber."""
    read = _read(address or "")
    if isinstance(read, IPv6Address):
        return str(ip_network((read, _ONE_SUBSCRIBER), strict=False))
    return address if read is None else str(read)


def _read(text: str) -> Address | None:
    """Read an address: without a zone, and IPv4 as such however it is wrapped."""
    try:
        found = ip_address(ip_address(text).packed)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
