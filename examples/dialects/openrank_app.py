"""Proxies for the front end of Open Rank Tracker: its routes, behind its cookie."""

from dataclasses import dataclass
from itertools import count
from typing import ClassVar
from uuid import UUID

from quart import Quart, request
from quart.typing import ResponseReturnValue
from quart.views import MethodView

from vestibule import Settings, Vestibule, current_account
from vestibule.web.dialects import openrank
from vestibule.web.dialects.openrank import requires, signed_in

LONGEST = 253  # characters of a domain

app = Quart(__name__)
vestibule = Vestibule(Settings.load())
vestibule.init_app(app)
app.register_blueprint(openrank.blueprint())  # /api/users/…


@dataclass(frozen=True)
class Kept:
    owner: UUID
    domain: str


proxies: dict[int, Kept] = {}
numbers = count(1)


class AuthenticatedView(MethodView):
    """Every method of what inherits this is for people who are signed in."""

    decorators: ClassVar = [signed_in]


class Proxies(AuthenticatedView):
    async def get(self) -> ResponseReturnValue:
        mine = await me()
        return [shown(number) for number, each in proxies.items() if each.owner == mine]

    async def post(self) -> ResponseReturnValue:
        said = await request.get_json(silent=True)
        domain = said.get("domain") if isinstance(said, dict) else None
        if not isinstance(domain, str) or not 0 < len(domain) <= LONGEST:
            return {"message": "Send a domain."}, 400
        number = next(numbers)
        proxies[number] = Kept(await me(), domain)
        return shown(number), 201


class Proxy(AuthenticatedView):
    async def delete(self, number: int) -> ResponseReturnValue:
        kept = proxies.get(number)
        if kept is None or kept.owner != await me():
            return {"message": "This is somebody else's, or nobody's."}, 403
        del proxies[number]
        return ""


app.add_url_rule("/api/proxies/", view_func=Proxies.as_view("proxies"))
app.add_url_rule("/api/proxies/<int:number>/", view_func=Proxy.as_view("proxy"))


@app.get("/api/report/")
@requires(verified=True)
async def report() -> ResponseReturnValue:
    """Wait for the activation: whoever has just signed up is in already."""
    return {"proxies": len(proxies)}


def shown(number: int) -> dict[str, object]:
    return {"id": number, "domain": proxies[number].domain}


async def me() -> UUID:
    account = await current_account()
    assert account is not None  # every route that calls this is behind a decorator
    return account.id
