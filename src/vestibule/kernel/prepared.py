"""Statements whose text is made once, and that go to the driver without SQLAlchemy's help.

SQLAlchemy looks a statement up and prepares a result for it each time that it is executed, which
takes longer than SQLite takes to run it. This is for the few that run at every log-in. Whoever
listens to SQLAlchemy's events does not hear of them.
"""

from collections.abc import Mapping
from typing import NamedTuple, cast

from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.sql.compiler import SQLCompiler


class Statement(NamedTuple):
    """What a driver is handed; `needed`: what follows is pointless if it returns no row."""

    text: str
    values: tuple[object, ...]
    needed: bool = False


class Prepared:
    """The text of a statement that takes its values by place.

    Raises:
        ValueError: SQLAlchemy would compute one of its values at each execution.
    """

    def __init__(self, statement: ClauseElement, dialect: Dialect, *, needed: bool = False) -> None:
        compiled = cast(SQLCompiler, statement.compile(dialect=dialect))
        if compiled.prefetch:
            raise ValueError(f"values are missing: {compiled.prefetch}")
        self._text = str(compiled)
        self._needed = needed
        fixed = compiled.params
        self._places = [
            (
                name,
                fixed[name],
                compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect),
            )
            for name in compiled.positiontup or ()
        ]

    def __call__(self, values: Mapping[str, object]) -> Statement:
        """Return it with `values` by the names of its parameters."""
        given = ((values.get(name, fixed), dress) for name, fixed, dress in self._places)
        dressed = tuple(dress(value) if dress else value for value, dress in given)
        return Statement(self._text, dressed, self._needed)
