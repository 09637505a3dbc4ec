"""A PostgreSQL of the tests' own: a socket in a temporary folder, no port, nothing left behind.

Run as a script it prints the folder of the programs, or fails with one line.
"""

import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

OLDEST = 14
PLACES = (
    "usr/lib/postgresql/*/bin",  # Debian
    "usr/pgsql-*/bin",  # PostgreSQL's own packages for Fedora and its kin
    "usr/lib/postgresql*/bin",  # openSUSE
    "usr/libexec/postgresql*",  # Alpine
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
# Holds the server as its child until standard input says how to stop it: the name of a signal.
# If the tests die, even by SIGKILL, standard input ends: then the server and its folder go too.
KEEPER = """
folder=$1; shift
"$@" >>"$folder/log" 2>&1 &
read -r how; told=$?
kill "-${how:-QUIT}" $!
wait $!
test $told -eq 0 || rm -rf "$folder"
"""


class NoPostgres(RuntimeError):
    """There is no PostgreSQL that the tests could start, or it does not start."""


@cache
def programs() -> Path:
    """The folder with the newest PostgreSQL's programs; POSTGRES_BIN names another one."""
    named = os.environ.get("POSTGRES_BIN")
    on_the_path = shutil.which("initdb")
    if named:
        folders = [Path(named)]
    else:
        folders = [folder for place in PLACES for folder in Path("/").glob(place)]
        folders += [Path(on_the_path).resolve().parent] if on_the_path else []
    version, folder = max(((_version(folder), folder) for folder in folders), default=(0, Path()))
    if version < OLDEST:
        raise NoPostgres(f"No PostgreSQL {OLDEST} or later, looked in: {folders}")
    return folder


def _version(folder: Path) -> int:
    try:
        words = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return 0
    found = re.search(r"\d+", words)
    return int(found[0]) if found else 0


class Server:
    """One server. Every method returns when its effect can be seen."""

    def __init__(self) -> None:
        self.programs = programs()
        # Not in TMPDIR: the way there may be closed to the server's user, or too long for a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="vestibule-pg-", dir="/tmp"))
        self._keeper: subprocess.Popen[str] | None = None
        self._user, self._group = unprivileged()
        if self._user is not None:
            os.chown(self.folder, self._user, -1 if self._group is None else self._group)
        self._environment = {
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "TZ": "UTC",
        }

    def url(self, database: str) -> str:
        """Where a client finds the database; SQLAlchemy wants `+asyncpg` after the scheme."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def create(self, database: str, *, template: str | None = None) -> None:
        """Nobody may be connected to the template meanwhile."""
        copy = f' TEMPLATE "{template}"' if template else ""
        self.execute(f'CREATE DATABASE "{database}"{copy}')

    def drop(self, database: str) -> None:
        """Whoever is still connected is thrown out."""
        self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def execute(self, sql: str, *, database: str = "postgres") -> str:
        """The rows as text: one a line, columns apart by `|`."""
        done = subprocess.run(
            [*self._psql(database), "-c", sql],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{done.stderr.strip()} in: {sql}")
        return done.stdout.rstrip("\n")

    def converse(self, database: str) -> "Conversation":
        """Stay connected, for what is asked often."""
        return Conversation(self._psql(database), self._environment)

    def _psql(self, database: str) -> list[str | Path]:
        options = ("-XqAtw", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres")
        return [self.programs / "psql", *options, "-d", database]

    def start(self) -> None:
        """Begin, or go on with what is stored."""
        if self._keeper is not None:
            return
        if not (self.folder / "data").exists():
            self._initialise()
        options = {
            "listen_addresses": "",
            "unix_socket_directories": self.folder,
            "max_connections": 200,
            "fsync": "off",  # what is committed outlives the server's crash, not the machine's
            "full_page_writes": "off",
            "autovacuum": "off",  # statistics that move in the background make tests differ
        }
        command: list[str | Path] = [self.programs / "postgres", "-D", self.folder / "data"]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", KEEPER, "keeper", self.folder, *command],
            env=self._environment,
            cwd=self.folder,
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the tests; they stop the server in their time
            text=True,
        )
        self._wait()

    def stop(self, how: str = "QUIT") -> None:
        """QUIT: at once, as in a crash. INT: connections are closed first. The data stay."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.communicate(f"{how}\n", timeout=30)

    def restart(self, how: str = "QUIT") -> None:
        """Stop and start: every connection breaks, the data stay."""
        self.stop(how)
        self.start()

    def remove(self) -> None:
        """Stop, and forget the data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initialise(self) -> None:
        command: list[str | Path] = [
            self.programs / "initdb",
            "-D",
            self.folder / "data",
            "-U",
            "postgres",
        ]
        done = subprocess.run(
            [*command, "-A", "trust", "-N", "--no-instructions", "-E", "UTF8", "--locale=C"],
            env=self._environment,
            cwd=self.folder,
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NoPostgres(f"initdb failed: {done.stderr.strip()}")

    def _wait(self) -> None:
        ready: list[str | Path] = [self.programs / "pg_isready", "-q", "-h", self.folder]
        patience = time.monotonic() + 30
        while subprocess.run(ready, env=self._environment, check=False).returncode:
            if time.monotonic() > patience:
                log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
                raise NoPostgres(f"PostgreSQL does not start: {log[-2000:]}")
            time.sleep(0.02)


class Conversation:
    """One connection, asked for one value at a time."""

    def __init__(self, psql: list[str | Path], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            psql,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, sql: str) -> str:
        """Return the one value that `sql` selects, or "" if it fails or the connection is gone."""
        asking, answering = self._process.stdin, self._process.stdout
        assert asking is not None
        assert answering is not None
        try:
            asking.write(f"{sql};\n")
            asking.flush()
        except BrokenPipeError:
            return ""
        return answering.readline().rstrip("\n")

    def close(self) -> None:
        with suppress(BrokenPipeError):
            self._process.communicate()


def unprivileged() -> tuple[int | None, int | None]:
    """PostgreSQL refuses to run as root; packages bring a user for it."""
    if os.geteuid() != 0:
        return None, None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return user.pw_uid, user.pw_gid
    raise NoPostgres("PostgreSQL does not run as root, and there is no user postgres.")


@contextmanager
def server() -> Iterator[Server]:
    """A running server, gone afterwards; 0.7 s to start."""
    made = Server()
    try:
        made.start()
        yield made
    finally:
        made.remove()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{programs()}\n")
    except NoPostgres as problem:
        sys.exit(str(problem))
