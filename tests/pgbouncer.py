"""A PgBouncer of the tests' own, before a PostgreSQL of theirs: connections by transaction."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.postgres import Server, unprivileged


def program() -> str:
    found = shutil.which(
        "pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    )
    assert found, "install pgbouncer (Debian: apt-get install pgbouncer); .ci/services does it"
    return found


@contextmanager
def pgbouncer(behind: Server, *, connections: int = 3) -> Iterator[Path]:
    """Run it until the end; yield the folder of its socket.

    Args:
        connections: how many it keeps to each database, however many clients there are.
    """
    folder = Path(tempfile.mkdtemp(prefix="vestibule-pgb-", dir="/tmp"))
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n* = host={behind.folder} user=postgres\n"
        f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {folder}\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {connections}\nmax_client_conn = 200\n"
    )
    user, group = unprivileged()
    if user is not None:
        os.chown(folder, user, -1 if group is None else group)
        settings.chmod(0o644)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program(), settings],
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        patience = time.monotonic() + 10
        while not (folder / ".s.PGSQL.6432").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < patience, (folder / "log").read_text()
            time.sleep(0.02)
        yield folder
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
