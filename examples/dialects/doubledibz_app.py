"""Posts for the front end of DoubleDibz: its routes, behind its session and its CSRF token."""

from collections import defaultdict
from uuid import UUID

from quart import Quart, abort, request
from quart.typing import ResponseReturnValue

from vestibule import Settings, Vestibule, current_account
from vestibule.web.dialects import doubledibz
from vestibule.web.dialects.doubledibz import requires, signed_in

LONGEST = 1000  # characters

app = Quart(__name__)
vestibule = Vestibule(Settings.load())
vestibule.init_app(app)
app.register_blueprint(doubledibz.blueprint())  # /api/auth/…, /api/helloworld/…
posts: defaultdict[UUID, list[str]] = defaultdict(list)


@app.get("/api/posts")
@signed_in
async def list_posts() -> ResponseReturnValue:
    return {"success": True, "data": posts[await me()], "message": ""}


@app.post("/api/posts")
@signed_in
async def add_post() -> ResponseReturnValue:
    text = (await request.form).get("text", "")
    if not 0 < len(text) <= LONGEST:
        abort(422)
    posts[await me()].append(text)
    return {"success": True, "data": text, "message": "Posted"}


@app.delete("/api/posts")
@requires("admin")
async def remove_all() -> ResponseReturnValue:
    posts.clear()
    return {"success": True, "message": "All posts removed"}


async def me() -> UUID:
    account = await current_account()
    assert account is not None  # every route that calls this is behind a decorator
    return account.id
