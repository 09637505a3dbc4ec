"""Hearing the SQL that a service sends, as it is sent."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any  # Any: what events hand over
from unittest.mock import patch

from sqlalchemy import event

from tests.world import World
from vestibule.kernel.prepared import Prepared, Statement


@contextmanager
def heard(world: World, listen: Callable[[str], None]) -> Iterator[None]:
    """Have `listen` called before each statement, without what BEGIN and COMMIT add to it.

    It may raise in its place.
    """
    prepare = Prepared.__call__

    def before(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            listen(statement)

    def prepared(self: Prepared, values: Mapping[str, object]) -> Statement:
        made = prepare(self, values)
        listen(made.text)  # SQLAlchemy hears nothing of these
        return made

    database = world.vestibule.means.database
    targets = {database.engine.sync_engine}
    if database.is_sqlite:  # elsewhere the other one is the same
        targets.add(database.reading_engine.sync_engine)
    for target in targets:
        event.listen(target, "before_cursor_execute", before)
    try:
        with patch.object(Prepared, "__call__", prepared):
            yield
    finally:
        for target in targets:
            event.remove(target, "before_cursor_execute", before)
