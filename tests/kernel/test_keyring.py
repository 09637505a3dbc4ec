"""The secret that development makes for itself."""

import subprocess
import sys
from pathlib import Path

from vestibule.kernel.keyring import development_secret, why_weak

FOLDERS = 100
RACER = """
import sys
from pathlib import Path
from vestibule.kernel.keyring import development_secret
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    print(development_secret(Path(sys.argv[1]) / str(number)))
"""


def test_it_is_made_once_and_is_strong(tmp_path: Path) -> None:
    made = development_secret(tmp_path / "data")
    assert development_secret(tmp_path / "data") == made
    assert development_secret(tmp_path / "other") != made
    assert why_weak(made) is None


def test_only_its_owner_can_read_it_and_nothing_else_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    development_secret(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in folder.iterdir()] == ["secret"]
    assert (folder / "secret").stat().st_mode & 0o777 == 0o600


def test_two_processes_at_once_read_one_secret(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, tmp_path, str(FOLDERS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    first, second = (racer.communicate()[0].split() for racer in racers)
    assert first == second
    assert len(set(first)) == FOLDERS
