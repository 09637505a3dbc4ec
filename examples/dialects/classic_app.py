"""Notices for clients of the complete Flask tutorial: its routes, behind its tokens."""

from quart import Quart, abort, request
from quart.typing import ResponseReturnValue

from vestibule import Settings, Vestibule, current_account
from vestibule.web.api import surface as api
from vestibule.web.dialects import classic
from vestibule.web.dialects.classic import requires, signed_in

LONGEST = 1000  # characters

app = Quart(__name__)
vestibule = Vestibule(Settings.load())
vestibule.init_app(app)
app.register_blueprint(api.blueprint())  # /v1, where people sign up
app.register_blueprint(classic.blueprint())  # /api/auth/login, /api/profile, …
notices: list[dict[str, str | None]] = []


@app.get("/api/notices")
@signed_in
async def list_notices() -> ResponseReturnValue:
    return {"notices": notices}


@app.post("/api/notices")
@requires("editor")
async def add_notice() -> ResponseReturnValue:
    said = await request.get_json(silent=True)
    text = said.get("text") if isinstance(said, dict) else None
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        abort(422)
    account = await current_account()
    assert account is not None  # the decorator let nobody else in
    notices.append({"text": text, "by": account.username})
    return {"text": text}, 201
