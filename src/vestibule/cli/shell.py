"""`vestibule shell`."""

import ast
import asyncio
import code
from collections.abc import Coroutine
from contextlib import suppress
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any  # Any: whatever is typed

import click
from sqlalchemy import func, select, update

from vestibule.accounts.models import Account, Challenge
from vestibule.audit.log import Detail, Entry
from vestibule.courier.models import Letter
from vestibule.extension import Vestibule
from vestibule.kernel import migrations
from vestibule.kernel.settings import Settings
from vestibule.sessions.models import Session
from vestibule.throttle.counters import Counter

_MODELS = (Account, Challenge, Counter, Detail, Entry, Letter, Session)
_BANNER = f"""\
At hand: vestibule, settings, unit(), select, update, func,
{", ".join(each.__name__ for each in _MODELS)}. await works here:

    async with unit() as u: print((await u.session.scalars(select(Account).limit(5))).all())

A unit commits at its end. No letter is sent from here.   (Ctrl-D ends it)"""


@click.command()
def shell() -> None:
    """Open a Python prompt with the accounts, sessions and letters of this service at hand.

    It understands await and reads the settings that a server would read. What is changed here by
    hand is changed without a word in the audit log; flows write theirs.

    Example: vestibule shell
    """
    with suppress(ImportError):
        import_module("readline")  # where there is one, input() edits lines and remembers them
    with asyncio.Runner() as runner:
        vestibule = Vestibule(Settings.load())
        try:
            upgrade = vestibule.settings.in_development
            runner.run(migrations.ready(vestibule.means.database, upgrade=upgrade))
            _Prompt(vestibule, runner).interact(_BANNER, exitmsg="")
        finally:
            runner.run(vestibule.stop())


class _Prompt(code.InteractiveConsole):
    """Python's own, on the loop that the database's connections belong to."""

    def __init__(self, vestibule: Vestibule, runner: asyncio.Runner) -> None:
        at_hand = {each.__name__: each for each in _MODELS}
        super().__init__(
            {
                "__name__": "__console__",
                "vestibule": vestibule,
                "settings": vestibule.settings,
                "unit": vestibule.unit,
                "select": select,
                "update": update,
                "func": func,
                **at_hand,
            }
        )
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._runner = runner

    def runcode(self, code: CodeType) -> None:
        try:
            made: Any = FunctionType(code, self.locals)()
            if isinstance(made, Coroutine):
                self._runner.run(made)
        except SystemExit:
            raise
        except BaseException:  # noqa: BLE001 - also Ctrl-C: it ends a line and not the prompt
            self.showtraceback()
