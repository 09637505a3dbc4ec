"""A small app that is tested: everybody reads, members order, editors write the news."""

from quart import Quart, request

from vestibule import Settings, Vestibule, current_account, requires, signed_in
from vestibule.web.api import surface as api
from vestibule.web.pages import landing


def create_app(vestibule: Vestibule) -> Quart:
    """Make the app: out of whichever Vestibule, so that tests bring one of their own."""
    app = Quart("shop")
    vestibule.init_app(app)
    app.register_blueprint(api.blueprint())
    app.register_blueprint(landing.blueprint())
    news = ["We are open."]

    @app.get("/news")
    async def read_news() -> list[str]:
        return news

    @app.post("/news")
    @requires("editor")
    async def write_news() -> tuple[list[str], int]:
        said = await request.get_json(silent=True)
        news.append(str(said)[:200])
        return news, 201

    @app.post("/orders")
    @signed_in
    async def order() -> dict[str, str | None]:
        account = await current_account()
        assert account is not None  # @signed_in saw to it
        return {"ordered_by": account.email}

    return app


def served() -> Quart:
    """Run it: `hypercorn --bind localhost:8000 "shop:served()"`."""
    return create_app(Vestibule(Settings.load()))
