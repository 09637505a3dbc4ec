"""Wishes for the front end of a Flask app with flask-praetorian: its routes, behind its tokens."""

from collections import defaultdict
from uuid import UUID

from quart import Quart, abort, request
from quart.typing import ResponseReturnValue

from vestibule import Settings, Vestibule, current_account
from vestibule.web.dialects import praetorian
from vestibule.web.dialects.praetorian import requires, signed_in

LONGEST = 1000  # characters

app = Quart(__name__)
vestibule = Vestibule(Settings.load())
vestibule.init_app(app)
app.register_blueprint(praetorian.blueprint())  # /api/login, /api/registration, …
wishes: defaultdict[UUID, list[str]] = defaultdict(list)


@app.get("/api/wishes")
@signed_in
async def list_wishes() -> ResponseReturnValue:
    return {"wishes": wishes[await me()]}


@app.post("/api/wishes")
@signed_in
async def add_wish() -> ResponseReturnValue:
    said = await request.get_json(force=True, silent=True)  # its front end sends JSON as text
    text = said.get("text") if isinstance(said, dict) else None
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        abort(422)
    wishes[await me()].append(text)
    return {"text": text}, 201


@app.delete("/api/wishes")
@requires("admin")
async def remove_all() -> ResponseReturnValue:
    wishes.clear()
    return {"message": "all wishes removed"}


async def me() -> UUID:
    account = await current_account()
    assert account is not None  # every route that calls this is behind a decorator
    return account.id
