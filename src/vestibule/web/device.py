"""The cookie by which a device that somebody was signed in on is known again.

It signs nobody in: it only says whose guesses a limit shall not count. It stays after a log-out.
"""

from quart import after_this_request, request
from quart.typing import ResponseTypes

from vestibule.extension import current_vestibule

_YEAR = 365 * 24 * 60 * 60  # seconds


def left() -> str | None:
    """Return what an earlier log-in left here, as it came."""
    return request.cookies.get(_name())


def leave(proof: str | None) -> None:
    """Leave `proof`, if there is one, on this device, over what was there."""
    if proof is None:
        return

    @after_this_request
    async def set_cookie(response: ResponseTypes) -> ResponseTypes:
        response.set_cookie(
            _name(),
            proof,
            max_age=_YEAR,
            path="/",
            secure=not current_vestibule().settings.in_development,
            httponly=True,
            samesite="Lax",
        )
        return response


def _name() -> str:
    in_development = current_vestibule().settings.in_development
    return "vestibule_device" if in_development else "__Host-vestibule_device"
