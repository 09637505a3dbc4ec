"""The cookies of sign-ins that are under way: one each, sealed, in the browser that began it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from typing import Any

from quart import after_this_request, request
from quart.typing import ResponseTypes

from vestibule.extension import current_vestibule
from vestibule.federation import pending
from vestibule.federation.pending import LIFETIME, Pending
from vestibule.federation.signing_in import Begun, Returned

_MOST = 4  # in one browser; whoever begins a fifth gives up the oldest


def remember(begun: Begun) -> None:
    """Have the browser bring `begun` back, in place of its oldest sign-in if it has four."""
    means = current_vestibule().means
    # Each begins with the time of its beginning, which decides nothing else.
    theirs = sorted(_theirs().items(), key=lambda named: named[1])
    too_many = [name for name, _ in theirs[: max(0, len(theirs) - _MOST + 1)]]
    sealed = urlsafe_b64encode(begun.pending.seal(means.seals, begun.state)).decode()

    @after_this_request
    async def set_cookies(response: ResponseTypes) -> ResponseTypes:
        for name in too_many:
            response.delete_cookie(name, **_attributes())
        response.set_cookie(
            _name(begun.state),
            f"{int(begun.pending.begun_at):012}.{sealed}",
            max_age=int(LIFETIME.total_seconds()),
            **_attributes(),
        )
        return response


def state() -> str:
    """Return the state that came back; nothing, if it is there more than once."""
    found = request.args.getlist("state")
    return found[0] if len(found) == 1 else ""


def returned() -> Returned:
    """Return what the provider has to say by this browser."""
    said = request.args
    return Returned(code=said.get("code"), error=said.get("error"), issuer=said.get("iss"))


def brought(state: str, *, surface: str) -> Pending | None:
    """Return what this browser began under `state` at a surface.

    Nothing, if anything is said twice: nobody knows which one is meant.
    """
    if any(len(request.args.getlist(name)) > 1 for name in ("code", "error", "iss")):
        return None
    pending = _unsealed(state)
    return pending if pending is not None and pending.surface == surface else None


def _unsealed(state: str) -> Pending | None:
    _, dot, written = request.cookies.get(_name(state), "").partition(".")
    if not dot:
        return None
    try:
        sealed = urlsafe_b64decode(written.encode())
    except (Error, ValueError):
        return None
    means = current_vestibule().means
    return pending.unseal(means.seals, state, sealed, now=means.clock.now())


def forget(state: str) -> None:
    """Take back what was remembered under `state`: it is finished, however it ended."""
    name = _name(state)
    if name not in request.cookies:
        return

    @after_this_request
    async def delete_cookie(response: ResponseTypes) -> ResponseTypes:
        response.delete_cookie(name, **_attributes())
        return response


def _attributes() -> dict[str, Any]:  # Any: as Werkzeug's arguments are
    secure = not current_vestibule().settings.in_development
    return {"path": "/", "secure": secure, "httponly": True, "samesite": "Lax"}


def _theirs() -> dict[str, str]:
    return {name: said for name, said in request.cookies.items() if name.startswith(_prefix())}


def _name(state: str) -> str:
    return f"{_prefix()}{pending.label(state)}"


def _prefix() -> str:
    in_development = current_vestibule().settings.in_development
    return "vestibule_oauth_" if in_development else "__Host-vestibule_oauth_"
