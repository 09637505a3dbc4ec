"""Statements for SQLite whose text is made once, and that reach it without SQLAlchemy's help.

SQLAlchemy looks a statement up and prepares a result for it each time that it is executed, which
takes longer than SQLite takes to run it. This is for the few that run at every log-in. Whoever
listens to SQLAlchemy's events does not hear of them.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

from sqlalchemy import ClauseElement
from sqlalchemy.dialects.sqlite.aiosqlite import dialect
from sqlalchemy.sql.compiler import SQLCompiler

_DIALECT = dialect()


class Statement(NamedTuple):
    """What the driver is handed; `needed`: what follows is pointless if it returns no row."""

    text: str
    values: tuple[object, ...]
    needed: bool = False


class Prepared:
    """The text of a statement, and how its values are handed over.

    Raises:
        ValueError: SQLAlchemy would compute one of its values at each execution.
    """

    def __init__(self, statement: ClauseElement, *, needed: bool = False) -> None:
        compiled = cast(SQLCompiler, statement.compile(dialect=_DIALECT))
        if compiled.prefetch:
            raise ValueError(f"values are missing: {compiled.prefetch}")
        self._text = str(compiled)
        self._needed = needed
        named = [(name, compiled.binds[name]) for name in compiled.positiontup or ()]
        self._fixed = {name: bind.value for name, bind in named if not bind.required}
        self._places = [
            (name, bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
            for name, bind in named
        ]

    def __call__(self, values: Mapping[str, object]) -> Statement:
        """Return it with `values` by the names of its parameters.

        Raises:
            KeyError: one of them has no value.
        """
        given = {**self._fixed, **values}
        dressed = ((given[name], dress) for name, dress in self._places)
        handed = tuple(dress(value) if dress else value for value, dress in dressed)
        return Statement(self._text, handed, self._needed)
