"""How commands that stay write log lines: ours and other libraries' in one form, by structlog.

Configured here and nowhere else: in a host's app the log is the host's.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.typing import Processor

from vestibule.cli.words import Spoken, is_news
from vestibule.kernel.settings import Settings
from vestibule.kernel.sink import Sink

_STANDARD_ERROR = 2  # the descriptor: what Python has around it may wait
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_JSON = json.JSONEncoder(default=repr)


@contextmanager
def written(settings: Settings) -> Iterator[None]:
    """Write the log to standard error as the settings say, from a thread that may wait."""
    root = logging.getLogger()
    spoken = [each for each in root.handlers if isinstance(each, Spoken)]
    sink = Sink(_STANDARD_ERROR)
    sink.setFormatter(_formatter(as_json=settings.logs_json))
    sink.addFilter(is_news)
    for each in spoken:
        root.removeHandler(each)
    root.addHandler(sink)
    try:
        yield
    finally:
        root.removeHandler(sink)
        sink.close()
        for each in spoken:
            root.addHandler(each)


class _Structured(logging.Formatter):
    """structlog's processors, for lines that come by way of `logging`.

    structlog's own copies the record of each line first and asks processors for what stands in it,
    which takes half as long again.
    """

    def __init__(self, *processors: Processor) -> None:
        super().__init__()
        self._processors = processors

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {"event": "", **structlog.contextvars.get_contextvars()}
        said |= {
            "event": record.getMessage(),
            "logger": record.name,
            "level": record.levelname.lower(),
        }
        said |= {name: value for name, value in vars(record).items() if name not in _USUAL}
        at = datetime.fromtimestamp(record.created, UTC).isoformat()
        said["timestamp"] = at.replace("+00:00", "Z")
        if record.exc_info:
            said["exc_info"] = record.exc_info
        if record.stack_info:
            said["stack"] = record.stack_info
        line: Any = said
        for process in self._processors:
            line = process(None, record.levelname.lower(), line)
        return str(line)


def _formatter(*, as_json: bool) -> logging.Formatter:
    if as_json:
        return _Structured(
            structlog.processors.format_exc_info, lambda _logger, _level, said: _JSON.encode(said)
        )
    return _Structured(
        structlog.dev.ConsoleRenderer(
            colors=os.isatty(_STANDARD_ERROR),
            # Its others show the values of variables.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
