"""A worker of `crew` that does as it is told; all standard library, so it starts at once."""

import os
import signal
import socket
import sys
from pathlib import Path

if __name__ == "__main__":
    notes, how, _listener, line = sys.argv[1:]
    with Path(notes).open("a") as file:
        file.write(f"{os.getpid()}\n")
    if how == "fail":
        sys.exit(1)
    if how == "hang":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with socket.socket(fileno=int(line.partition("=")[2])) as supervisor:
        supervisor.send(b"\n")
        if how != "crash":
            supervisor.recv(1)
    sys.exit(3)
