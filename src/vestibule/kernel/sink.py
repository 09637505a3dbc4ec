"""Where log lines go: to a descriptor, from a thread of its own, so that nobody waits for it.

A pipe that nobody reads, or a disk that is full, costs lines and never a request. What is dropped
is counted, and told once lines pass again.
"""

import logging
import os
import select
import threading
import time
from collections import deque

ROOM = 4 * 1024 * 1024  # bytes of lines that may wait
# What goes into a pipe in one piece, whoever else writes there: PIPE_BUF of POSIX, on Linux.
_PIECE = 4096
_GATHERING = 0.02  # seconds in which lines gather, so that a burst is one write
_LAST_CALL = 1.0  # seconds that lines have at the end

log = logging.getLogger("vestibule.logs")


class Sink(logging.Handler):
    """Takes lines as long as there is room, and writes them elsewhere than where they are logged.

    Survives a fork: the child writes from a thread of its own.
    """

    def __init__(self, descriptor: int, *, room: int = ROOM) -> None:
        super().__init__()
        self.dropped = 0
        self._descriptor = descriptor
        self._room = room
        self._told = 0
        self._process = 0
        self._closing = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._process != os.getpid():
            self._start()
        if self._held >= self._room:
            self.dropped += 1
            return
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "replace")
        except Exception:  # noqa: BLE001 - whatever it is: who logs shall not fail over it
            self.dropped += 1
            return
        self._held += len(line)
        self._lines.append(line)
        self._woken.set()

    def close(self) -> None:
        """Write what waits, if somebody takes it; a second later it is lost."""
        self._closing = True
        if self._process == os.getpid():
            self._woken.set()
            self._thread.join(_LAST_CALL)
            self._process = 0
        super().close()

    def _start(self) -> None:
        self._process = os.getpid()
        self._closing = False
        self._held = 0
        self._lines: deque[bytes] = deque()
        self._woken = threading.Event()
        # A daemon: Python would wait for ever for one that is stuck in a write.
        self._thread = threading.Thread(target=self._write_all, name="vestibule-log", daemon=True)
        self._thread.start()

    def _write_all(self) -> None:
        while not (self._closing and not self._lines):
            self._woken.wait()
            if not self._closing:
                time.sleep(_GATHERING)
            self._woken.clear()
            while self._lines:
                self._write(self._piece())

    def _piece(self) -> list[bytes]:
        """Return whole lines that go together into one write."""
        piece = [self._lines.popleft()]
        size = len(piece[0])
        while self._lines and size + len(self._lines[0]) <= _PIECE:
            piece.append(self._lines.popleft())
            size += len(piece[-1])
        return piece

    def _write(self, piece: list[bytes]) -> None:
        left = b"".join(piece)
        size = len(left)
        try:
            while left:
                try:
                    left = left[os.write(self._descriptor, left) :]
                except BlockingIOError:  # somebody who shares it wants it so
                    select.select([], [self._descriptor], [])
        except OSError:
            self.dropped += len(piece)
        finally:
            with self._locked():
                self._held -= size
        if not left and not self._lines and self.dropped > self._told:
            missing, self._told = self.dropped - self._told, self.dropped
            log.error("%d log lines were dropped: nobody took them", missing)

    def _locked(self) -> threading.RLock:
        assert self.lock is not None  # taken by `handle` around each `emit`
        return self.lock


def dropped() -> int:
    """Return how many lines the sinks of this process have dropped."""
    return sum(each.dropped for each in logging.getLogger().handlers if isinstance(each, Sink))
