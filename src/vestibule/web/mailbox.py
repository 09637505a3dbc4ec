"""`/dev/mailbox`: the letters of development, for whoever sits at this machine."""

from ipaddress import ip_address

from quart import Blueprint, Response, abort, jsonify, request
from quart.typing import ResponseReturnValue
from quart_schema import hide

from vestibule.courier.transports import console
from vestibule.extension import current_vestibule
from vestibule.web.pages.rendering import page

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def blueprint() -> Blueprint:
    dev = Blueprint("vestibule_dev", __name__, url_prefix="/dev")
    dev.before_request(only_from_here)

    @dev.get("/mailbox")
    @hide
    async def mailbox() -> ResponseReturnValue:
        """Show the letters, newest first: a page, or a list for `Accept: application/json`."""
        letters = await console.read(current_vestibule().settings.data_dir / "mail")
        if request.accept_mimetypes.best == "application/json":
            return jsonify(letters)
        return page("mailbox.html", letters=letters)

    return dev


async def only_from_here() -> Response | None:
    """Answer 404 to whoever is not on this machine, or comes through something else.

    Every code there is can be read here. A page elsewhere could name this machine by a host of its
    own (DNS rebinding), so the Host counts too.
    """
    host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
    foreign = any(name in request.headers for name in _FORWARDED)
    if foreign or host not in _OWN_NAMES or not _is_loopback(request.remote_addr):
        abort(404)
    return None


def _is_loopback(address: str | None) -> bool:
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False
