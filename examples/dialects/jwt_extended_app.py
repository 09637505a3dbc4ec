"""Tasks for the front end of a Flask app with Flask-JWT-Extended: its routes, behind its tokens."""

from collections import defaultdict
from uuid import UUID

from quart import Quart, abort, request
from quart.typing import ResponseReturnValue

from vestibule import Settings, Vestibule, current_account
from vestibule.web.api import surface as api
from vestibule.web.dialects import jwt_extended
from vestibule.web.dialects.jwt_extended import requires, signed_in

LONGEST = 1000  # characters

app = Quart(__name__)
vestibule = Vestibule(Settings.load())
vestibule.init_app(app)
app.register_blueprint(api.blueprint())  # /v1: signing up
app.register_blueprint(jwt_extended.blueprint())  # /token, /logout, /profile
tasks: defaultdict[UUID, list[str]] = defaultdict(list)


@app.get("/tasks")
@signed_in
async def list_tasks() -> ResponseReturnValue:
    return {"tasks": tasks[await me()]}


@app.post("/tasks")
@signed_in
async def add_task() -> ResponseReturnValue:
    said = await request.get_json(silent=True)
    text = said.get("text") if isinstance(said, dict) else None
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        abort(422)
    tasks[await me()].append(text)
    return {"text": text}, 201


@app.delete("/tasks")
@requires("admin")
async def remove_all() -> ResponseReturnValue:
    tasks.clear()
    return {"msg": "all tasks removed"}


async def me() -> UUID:
    account = await current_account()
    assert account is not None  # every route that calls this is behind a decorator
    return account.id
