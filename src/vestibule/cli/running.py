"""Running a command: a Vestibule around it, and one line for whatever goes wrong."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import click
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from vestibule.cli import logs
from vestibule.extension import Vestibule
from vestibule.kernel import migrations
from vestibule.kernel.errors import CannotStart, VestibuleError
from vestibule.kernel.settings import Settings
from vestibule.web.api.surface import ANSWERS

T = TypeVar("T")


class Refused(click.ClickException):
    """Ends a command with exit code 1 and a line for each reason."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self._reasons = reasons

    def show(self, file: IO[Any] | None = None) -> None:  # Any: click's signature
        for reason in self._reasons:
            click.echo(f"Error: {reason}", file=file, err=True)


class Commands(click.Group):
    """Turns what goes wrong in any command into lines without a traceback."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it ends in one line
            _refuse(error)


def with_vestibule(
    flow: Callable[[Vestibule], Awaitable[T]], *, any_schema: bool = False, stays: bool = False
) -> T:
    """Run `flow` and put everything away after it.

    Args:
        any_schema: do not look at the schema before; development brings it up to date otherwise.
        stays: it runs until it is told to stop, and writes a log meanwhile.

    Raises:
        CannotStart: settings, database or schema stand in the way.
    """

    settings = Settings.load()

    async def run() -> T:
        vestibule = Vestibule(settings)
        try:
            if not any_schema:
                await migrations.ready(
                    vestibule.means.database, upgrade=vestibule.settings.in_development
                )
            return await flow(vestibule)
        finally:
            await vestibule.stop()

    with logs.written(settings) if stays else nullcontext():
        return asyncio.run(run())


def in_words(error: VestibuleError) -> str:
    _, words = ANSWERS[type(error)]
    return words if isinstance(words, str) else words(error)


def _refuse(error: Exception) -> NoReturn:
    match error:
        case CannotStart():
            raise Refused(*error.problems) from None
        case VestibuleError():
            raise Refused(in_words(error)) from None
        case CommandError():  # a revision that there is not
            raise Refused(str(error).splitlines()[0]) from None
        case SQLAlchemyError():
            # Never its message: values stand in it.
            origin = getattr(error, "orig", None) or error
            raise Refused(f"the database refuses: {type(origin).__name__}") from None
    # Nor any other's: whatever it was doing may stand in it. Where it happened is told instead.
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(place.filename).name}, line {place.lineno}"
    raise Refused(f"this should not happen: {type(error).__name__} ({where})") from None
