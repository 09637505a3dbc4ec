"""Signing in with Google as the openrank dialect does: by forms, and two ways back of its own.

A browser that comes back is always led on to a page of the front end, never shown an error.
"""

from quart import redirect, request
from quart.typing import ResponseReturnValue, ResponseTypes

from vestibule.extension import current_vestibule
from vestibule.federation import signing_in
from vestibule.federation.pending import Intent
from vestibule.federation.provider import Provider
from vestibule.kernel.errors import NoAccount, ProviderUnknown, VestibuleError
from vestibule.web import identity, returning
from vestibule.web.dialects import openrank_cookie as cookie
from vestibule.web.place import place

USERS = "/api/users"


async def leave(intent: Intent) -> ResponseReturnValue:
    """Send a browser to Google."""
    try:
        begun = await signing_in.begin(
            current_vestibule().means,
            _google(),
            redirect_uri=_callback(intent),
            surface=cookie.NAME,
            next=f"{place().base_url}/",
            intent=intent,
        )
    except VestibuleError as error:
        return _failed(error)
    returning.remember(begun)
    return redirect(begun.url)


async def come_back(intent: Intent) -> ResponseReturnValue:
    """Take a browser back; whatever is wrong with what it brings, it is led to a page."""
    state = returning.state()
    try:
        vestibule = current_vestibule()
        entered = await signing_in.come_back(
            vestibule.means,
            _google(),
            returning.brought(state, surface=cookie.NAME),
            state=state,
            returned=returning.returned(),
            redirect_uri=_callback(intent),
            caller=identity.caller(vestibule.settings.openrank_letterhead),
            known=await cookie.former(),
            terms=cookie.terms(vestibule.settings),
        )
        assert entered is not None, "nothing was to be linked"
        written = await vestibule.run(lambda unit: cookie.write(unit, entered), reading=True)
        answer = cookie.hand_out(redirect(f"{place().base_url}/"), written)
    except NoAccount as error:
        unknown = f"{place().base_url}/welcome/oauth/unknown"
        answer = redirect(unknown) if intent == "login" else _failed(error)
    except VestibuleError as error:
        answer = _failed(error)
    returning.forget(state)
    return answer


def _failed(error: VestibuleError) -> ResponseTypes:
    return redirect(f"{place().base_url}/welcome/login?error={error.code}")


def _google() -> Provider:
    provider = cookie.google()
    if provider is None:
        raise ProviderUnknown
    return provider


def _callback(intent: Intent) -> str:
    prefix = request.root_path + request.path.partition(USERS)[0]
    return f"{place().base_url}{prefix}{USERS}/oauth2callback/{intent}/"
