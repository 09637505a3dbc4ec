"""How commands that stay write log lines: ours and other libraries' in one form, by structlog.

Configured here and nowhere else: in a host's app the log is the host's.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from structlog.typing import Processor

from vestibule.cli.words import Spoken, is_news
from vestibule.kernel.settings import Settings
from vestibule.kernel.sink import Sink

_STANDARD_ERROR = 2  # the descriptor: what Python has around it may wait


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


def _formatter(*, as_json: bool) -> logging.Formatter:
    to_all: list[Processor] = [
        structlog.contextvars.merge_contextvars,  # the request's id
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        last.append(
            structlog.dev.ConsoleRenderer(
                colors=os.isatty(_STANDARD_ERROR),
                # Its others show the values of variables.
                exception_formatter=structlog.dev.plain_traceback,
            )
        )
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=to_all, processors=last)
