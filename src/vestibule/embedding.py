"""Vestibule in somebody else's app: what a host's own routes get from it."""

from quart import Quart, Response

from vestibule import extension
from vestibule.kernel.errors import VestibuleError
from vestibule.web import answers, guard, identity, mistakes
from vestibule.web.api.surface import ANSWERS


class Vestibule(extension.Vestibule):
    """Accounts and sessions for any number of apps; construct one for each configuration.

        vestibule = Vestibule(Settings.load())
        vestibule.init_app(app)

    After that the app's own routes may ask `current_account()` and stand behind `@signed_in`, and
    our surfaces may be registered on it as blueprints.
    """

    def init_app(self, app: Quart) -> None:
        """Attach this Vestibule to `app`: it starts, stops and answers its errors with it.

        A handler of the app's own for `VestibuleError`, or for one of its subclasses, wins over
        our answer, whenever it was registered.

        Raises:
            RuntimeError: the app has a Vestibule already.
        """
        super().init_app(app)
        identity.attach(app, self.settings)
        if VestibuleError not in app.error_handler_spec[None][None]:
            app.register_error_handler(VestibuleError, _answer)

        @app.before_serving
        async def check_views() -> None:
            await mistakes.check_views(app, self)


async def _answer(error: VestibuleError) -> Response:
    """Answer what one of the app's own routes refuses, in the words of our API."""
    return await guard.add_headers(answers.refusal(error, ANSWERS))
