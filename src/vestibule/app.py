"""The ready-made service: the extension and the surfaces that the settings switch on."""

from collections.abc import Sequence
from typing import Any

from quart import Quart
from quart.sessions import SecureCookieSessionInterface

from vestibule.embedding import Vestibule
from vestibule.kernel.settings import Settings
from vestibule.web import (
    arrival,
    demo,
    documents,
    front_end,
    health,
    mailbox,
    metrics,
    place,
    reading,
    telemetry,
)
from vestibule.web.answers import speak
from vestibule.web.api import surface as api
from vestibule.web.api import wellknown
from vestibule.web.arrival import ASGI
from vestibule.web.dialects import mounting
from vestibule.web.gate import Gate
from vestibule.web.guard import add_headers
from vestibule.web.myself import Myself
from vestibule.web.pages import first, landing


class _NoSessions(SecureCookieSessionInterface):
    """Quart's own cookie session is not used; ours are rows."""

    async def open_session(self, *_: object) -> None:
        return None

    async def save_session(self, *_: object) -> None:
        pass


def create_app(vestibule: Vestibule | Settings) -> Quart:
    """Return the service as an ASGI app; serving it starts and stops `vestibule`."""
    if isinstance(vestibule, Settings):
        vestibule = Vestibule(vestibule)
    app = _app_of(vestibule)
    documents.attach(app, vestibule.settings)
    app.register_blueprint(api.blueprint())
    app.register_blueprint(landing.blueprint())
    app.register_blueprint(wellknown.blueprint())
    app.register_blueprint(health.blueprint())
    if vestibule.settings.in_development:
        app.register_blueprint(mailbox.blueprint())
        app.register_blueprint(demo.blueprint())
        app.register_blueprint(first.blueprint())
    if vestibule.settings.shows_metrics:
        app.register_blueprint(metrics.blueprint())
    mounting.mount(app, vestibule.settings.dialects_on(None))
    _show_front_end(app, vestibule.settings, host=None)
    speak(app, api.ANSWERS, mounting.problem_or_own)
    # As Quart's page on middleware says.
    readable = arrival.made_readable(app.asgi_app)
    app.asgi_app = Myself(readable, vestibule)  # type: ignore[method-assign]
    told = telemetry.attach(app, vestibule)
    app.asgi_app = Gate(_without_websockets(told), vestibule)  # type: ignore[method-assign]
    _serve_hosts(app, vestibule, told)
    return app


def _app_of(vestibule: Vestibule) -> Quart:
    app = Quart("vestibule", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = reading.BODY_LIMIT
    app.config["BODY_TIMEOUT"] = reading.BODY_TIMEOUT
    app.url_map.merge_slashes = False  # one path, one spelling
    app.session_interface = _NoSessions()
    vestibule.init_app(app)
    app.before_request(telemetry.note)
    app.before_request(arrival.check)
    app.after_request(add_headers)
    return app


def _serve_hosts(app: Quart, vestibule: Vestibule, told: telemetry.Telling) -> None:
    """Give each host that dialects have to themselves an app of its own, beside `app`."""
    others: dict[str, ASGI] = {}
    for host in sorted(vestibule.settings.dialect_hosts):
        other = _app_on(host, vestibule, vestibule.settings.dialects_on(host))
        others[host] = _without_websockets(told.also(other, vestibule))
        app.before_serving(other.startup)
        app.after_serving(other.shutdown)
    if others:
        app.asgi_app = mounting.Hosts(app.asgi_app, others)  # type: ignore[method-assign]


def _app_on(host: str, vestibule: Vestibule, names: Sequence[str]) -> Quart:
    app = _app_of(vestibule)
    place.give(app, vestibule.settings, host)
    mounting.mount(app, names)
    _show_front_end(app, vestibule.settings, host=host)
    mounting.speak_as(app, names[0])
    app.asgi_app = arrival.made_readable(app.asgi_app)  # type: ignore[method-assign,assignment]
    return app


def _show_front_end(app: Quart, settings: Settings, *, host: str | None) -> None:
    """Serve the front end from its folder, if this host is the one that it is for."""
    served = settings.front_end
    if served is not None and settings.front_end_host == host:
        first = next(iter(settings.dialects_on(host)), "")
        front_end.attach(app, served, mounting.MANNERS.get(first))


def _without_websockets(app: ASGI) -> ASGI:
    """Close every WebSocket before it opens: nothing here speaks it."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:  # Any: as ASGI defines them
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})
        else:
            await app(scope, receive, send)

    return answer
