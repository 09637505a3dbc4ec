"""A Redis of the tests' own, on a socket in a folder, which can be stopped, filled and killed."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import BinaryIO


class Redis:
    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"
        self._log = folder / "redis.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", self._socket, "--save", ""],
                cwd=self._socket.parent,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        for _ in range(200):
            try:
                if self.say("PING") == "PONG":
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(self._log.read_text())

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._socket.unlink(missing_ok=True)

    def pause(self) -> None:
        """Have it take connections and say nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def say(self, *words: str) -> str:
        """Send one command; return its answer as lines, without their types."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self._socket))
            connection.sendall((" ".join(words) + "\r\n").encode())
            with connection.makefile("rb") as answers:
                return _read(answers)


def _read(answers: BinaryIO) -> str:
    said = answers.readline().decode().strip()
    match said[:1]:
        case "$":
            return answers.readline().decode().strip()
        case "*":
            return "\n".join(_read(answers) for _ in range(int(said[1:])))
    return said[1:]
