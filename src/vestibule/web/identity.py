"""Who sends a request: quart-auth carries the cookie, the database knows whose it is.

The cookie's value is the session's opaque secret and nothing else. The user is kept on the request
object: quart-auth keeps it on `g`, where a request made inside another one's context would find it.
"""

import asyncio
from typing import Any, cast
from urllib.parse import urlsplit

from quart import Quart, Request, Response, current_app, request
from quart.blueprints import BlueprintSetupState
from quart_auth import Action, AuthUser, QuartAuth

from vestibule.accounts import presence
from vestibule.accounts.models import Account
from vestibule.accounts.programs import Program
from vestibule.accounts.queries import SignedIn
from vestibule.extension import current_vestibule
from vestibule.kernel.errors import NotSignedIn
from vestibule.kernel.letterhead import Letterhead
from vestibule.kernel.means import Caller
from vestibule.kernel.opaque import Purpose
from vestibule.kernel.settings import Settings
from vestibule.sessions.store import Opened
from vestibule.web import network
from vestibule.web.plain_cookie import PassThrough
from vestibule.web.seen import seen

_AUTH, _KEY_HEADER = "vestibule_auth", "X-API-Key"


def needed(state: BlueprintSetupState) -> None:
    """Refuse to register a surface on an app that has no Vestibule."""
    if _AUTH not in state.app.extensions:
        raise RuntimeError(
            "this app has no Vestibule yet: call Vestibule(settings).init_app(app) "
            f"before app.register_blueprint(…) of {state.blueprint.name}"
        )


def attach(app: Quart, settings: Settings) -> None:
    """Give an app our cookie, beside what it may have of quart-auth's own."""
    app.extensions[_AUTH] = auth = _Auth(
        app,
        attribute_name=_AUTH,
        cookie_name=cookie_name(settings),
        cookie_path="/",
        cookie_http_only=True,
        cookie_samesite="Lax",
        cookie_secure=not settings.in_development,
        duration=int(settings.remember_lifetime.total_seconds()),
        mode="cookie",
        salt=_AUTH,
        singleton=False,
    )
    auth.cookie_domain = None  # whatever the host's own quart-auth is told: ours is for one host


async def after_the_start() -> None:
    """Say so where nobody started the app: there are no tables, and no courier.

    Raises:
        RuntimeError: a server or a test that leaves the start out.
    """
    app = cast(Quart, current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
    if not current_vestibule().was_started_by(app):
        raise RuntimeError(
            "this app was not started: tests use `async with app.test_app()`, and the server must "
            "speak lifespan"
        )


def cookie_name(settings: Settings) -> str:
    return "vestibule" if settings.in_development else "__Host-vestibule"


async def known() -> SignedIn | Program | None:
    """Return who sends this request, asking the database once; None for a stranger."""
    await after_the_start()
    return await _auth().load_user().known()


async def account() -> Account | None:
    """Return the account of who sends this request, for a host to do with as it likes."""
    found = await known()
    return None if found is None else _auth().load_user().account_of(found)


async def somebody() -> SignedIn | None:
    """Return who is signed in and sends this request; None for a stranger, and for a program."""
    found = await known()
    return found if isinstance(found, SignedIn) else None


async def signed_in() -> SignedIn:
    """Return who sends this request.

    Raises:
        NotSignedIn: nobody we know, or no longer.
    """
    person = await somebody()
    if person is None:
        raise NotSignedIn
    return person


def let_in(known: SignedIn) -> None:
    """Have it be `known` who sends this request: another surface's guard has made sure."""
    seen().account_id = known.account.id
    _auth().login_user(_Visitor(None, known=known))


def sign_in(opened: Opened) -> None:
    """Hand out the cookie of a session that was just opened."""
    assert opened.secret is not None, "a session of tokens has no cookie"
    permanent = opened.session.remember
    seen().account_id = opened.session.account_id
    action = Action.WRITE_PERMANENT if permanent else Action.WRITE
    _auth().login_user(_Visitor(opened.secret, action))


def sign_out() -> None:
    """Take the cookie back."""
    _auth().logout_user()


def has_cookie() -> bool:
    return _auth().cookie_name in request.cookies


def bearer() -> str | None:
    """Return the credential of an `Authorization: Bearer` header, if there is exactly one."""
    said = request.headers.getlist("Authorization")
    scheme, blank, token = (said[0] if len(said) == 1 else "").partition(" ")
    return token.strip() if blank and scheme.lower() == "bearer" else None


def brings_token() -> bool:
    """Whether a credential came along that no browser sends on its own."""
    return bearer() is not None or _KEY_HEADER in request.headers


def caller(letterhead: Letterhead | None = None) -> Caller:
    """Return who is at the other end; what they say of themselves is cleaned for rows and logs.

    `letterhead` is that of the surface by which they came.
    """
    agent = request.headers.get("User-Agent", "")
    said = "".join(sign if sign.isprintable() else " " for sign in agent)
    address = network.client_address()
    return Caller(address, said or None, network=network.counted_as(address), letterhead=letterhead)


class _Visitor(AuthUser):
    def __init__(
        self,
        auth_id: str | None,
        action: Action = Action.PASS,
        *,
        token: str | None = None,
        key: str | None = None,
        known: SignedIn | None = None,
    ) -> None:
        super().__init__(auth_id, action)
        self._token = token
        self._key = key
        self._asking = asyncio.Lock()  # who asks twice at once has the database asked once
        self._asked = known is not None
        self._known: SignedIn | Program | None = known
        self._account: Account | None = None

    async def known(self) -> SignedIn | Program | None:
        async with self._asking:
            if not self._asked:
                self._known = await self._ask()
                if self._known is not None:
                    seen().account_id = self._known.account.id
            self._asked = True
        return self._known

    async def _ask(self) -> SignedIn | Program | None:
        means = current_vestibule().means
        if self._key is not None:
            return await presence.by_api_key(means, self._key)
        if self._token is not None:
            return await presence.by_access_token(means, self._token)
        return await presence.by_session(means, self.auth_id) if self.auth_id else None

    def account_of(self, known: SignedIn | Program) -> Account:
        self._account = self._account or known.account.copy(roles=isinstance(known, SignedIn))
        return self._account

    @property
    async def is_authenticated(self) -> bool:
        return await self.known() is not None


class _Auth(QuartAuth):
    user_class = _Visitor
    serializer_class = cast(Any, PassThrough)  # Any: typed as itsdangerous' own class

    def resolve_user(self) -> _Visitor:
        # Who sends a token or a key, even a broken one, is judged by it and not by a cookie beside
        # it. Other schemes are a proxy's in front of us.
        said = request.headers.getlist("Authorization")
        if any(each.lower().startswith("bearer") for each in said):
            token = bearer()
            if token is not None and token.startswith(Purpose.API_KEY):
                return _Visitor(None, key=token)
            return _Visitor(None, token=token)
        if keys := request.headers.getlist(_KEY_HEADER):
            return _Visitor(None, key=keys[0] if len(keys) == 1 else "")
        return _Visitor(self.load_cookie())

    async def after_request(self, response: Response) -> Response:
        if self.load_user().action is Action.PASS:
            return response
        came_by = request.scheme
        # People reach us by base_url's scheme, whatever the proxy in front speaks with us.
        request.scheme = urlsplit(current_vestibule().settings.base_url).scheme
        try:
            return await super().after_request(response)
        finally:
            request.scheme = came_by  # a host's own after_request sees what came

    async def after_websocket(self, response: Response | None) -> Response | None:
        return response  # a host's own: ours are requests

    def load_user(self) -> _Visitor:
        holder = _holder()
        user = holder.get(_AUTH)
        if user is None:
            user = holder[_AUTH] = self.resolve_user()
        return cast(_Visitor, user)

    def login_user(self, user: AuthUser) -> None:
        _holder()[_AUTH] = user

    def logout_user(self) -> None:
        self.login_user(_Visitor(None, Action.DELETE))


def _holder() -> dict[str, object]:
    # The object itself, not the proxy that finds it anew at every use.
    return vars(cast(Request, request._get_current_object()))  # type: ignore[attr-defined]  # noqa: SLF001


def _auth() -> _Auth:
    return cast(_Auth, current_app.extensions[_AUTH])
