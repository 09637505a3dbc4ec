"""What an engine would make of the Dockerfile, in a folder of this machine that stands for `/`.

Nothing here replaces a build of the image; it finds what such a build would stumble over.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

TOP = Path(__file__).parents[2]


@dataclass(frozen=True)
class Stage:
    base: str
    name: str
    steps: list[tuple[str, str]]


def stages() -> list[Stage]:
    """Read the Dockerfile: each stage with its instructions in order."""
    text = (TOP / "Dockerfile").read_text("utf-8")
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Stage] = []
    for line in filter(str.strip, lines.splitlines()):
        instruction, _, rest = line.strip().partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append(Stage(base, name, []))
        else:
            found[-1].steps.append((instruction, " ".join(rest.split())))
    return found


def context() -> Iterator[PurePosixPath]:
    """The files of the checkout that reach the engine, as `.dockerignore` has it."""
    lines = (TOP / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    for top in sorted(TOP.iterdir()):
        if not _is_kept(PurePosixPath(top.name), rules):
            continue
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            inside = PurePosixPath(path.relative_to(TOP).as_posix())
            if path.is_file() and _is_kept(inside, rules):
                yield inside


def _is_kept(path: PurePosixPath, rules: Sequence[str]) -> bool:
    kept = True  # the last rule that speaks of it, or of a folder that it is in, decides
    for rule in rules:
        pattern = rule.removeprefix("!")
        spoken_of = [path, *path.parents[:-1]]
        if pattern.startswith("**/"):
            said = any(fnmatchcase(each.name, pattern[3:]) for each in spoken_of)
        else:
            assert "/" not in pattern, f"{rule}: this test reads top-level names only"
            said = fnmatchcase(spoken_of[-1].name, pattern)
        if said:
            kept = rule.startswith("!")
    return kept


@dataclass
class Image:
    """What was built: programs in a folder, and what the last stage says of how they start."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def outside(self, text: str) -> str:
        """Put our folder in front of the paths of the image that `text` names."""
        return re.sub(r"(?<![\w.}])/(?=(opt|build|var)\b)", f"{self.root}/", text)

    def start(
        self, command: Sequence[str], variables: Mapping[str, str]
    ) -> "subprocess.Popen[str]":
        """Run a program as a container would: nothing is known but the image's and `variables`."""
        environment = {"HOME": self.outside(self.folder)} | self.environment | dict(variables)
        program = shutil.which(command[0], path=environment["PATH"])
        assert program is not None, f"{command[0]} is not in the image"
        assert Path(program).is_relative_to(self.root), f"{program} is this machine's"
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self.outside(self.folder),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: Sequence[str], variables: Mapping[str, str]) -> tuple[int, str]:
        process = self.start(command, variables)
        said, _ = process.communicate(timeout=60)
        return process.returncode, said


def build(root: Path, *, from_the_index: bool) -> Image:
    """Do what the Dockerfile says, with `root` for `/`.

    Args:
        from_the_index: install the locks as written; otherwise lend the packages of the environment
            that the tests run in, which come from the same lock.
    """
    programs = _base(root) if from_the_index else Path(sys.executable).parent
    made = Image(root)
    *before, last = stages()
    for stage in before:
        made = Image(root, environment={"PATH": f"{programs}:/usr/bin:/bin"})
        for instruction, rest in stage.steps:
            if instruction == "RUN" and "--require-hashes" in rest and not from_the_index:
                continue
            _do(made, instruction, rest)
        [kept] = re.findall(rf"--from={stage.name} (\S+) ", str(last.steps))
        for left in root.iterdir():  # what the last stage does not take is not in the image
            if left.name != PurePosixPath(kept).parts[1]:
                shutil.rmtree(left)
    if not from_the_index:
        [packages] = root.glob("opt/*/lib/python*/site-packages")
        (packages / "lent.pth").write_text(sysconfig.get_path("purelib"))
    made = Image(root, environment={"PATH": "/usr/bin:/bin"})
    for instruction, rest in last.steps:
        _do(made, instruction, rest)
    return made


def _base(root: Path) -> Path:
    """Make what stands for the Python of the base image: empty but for pip."""
    made = root / "base"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--python", made / "bin/python", "install", "pip"], check=True)
    return made / "bin"


def _do(image: Image, instruction: str, rest: str) -> None:
    match instruction:
        case "WORKDIR":
            image.folder = rest
            Path(image.outside(rest)).mkdir(parents=True, exist_ok=True)
        case "ENV":
            for pair in shlex.split(rest):
                name, _, value = pair.partition("=")
                value = value.replace("$PATH", image.environment["PATH"])
                image.environment[name] = image.outside(value)
        case "COPY":
            _copy(image, rest)
        case "RUN":
            _run(image, rest)
        case "USER":
            image.user = rest
        case "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        case "CMD":
            image.command = json.loads(rest)
        case "HEALTHCHECK":
            image.health = json.loads(rest.partition(" CMD ")[2])
        case _:
            assert instruction == "EXPOSE", f"{instruction} is not replayed"


def _copy(image: Image, rest: str) -> None:
    source, target = rest.split()[-2:]
    if rest.startswith("--from="):
        assert source == target, "programs know where they stand"
        assert Path(image.outside(source)).is_dir()
        return
    taken = [path for path in context() if path.is_relative_to(source)]
    assert taken, f"COPY {rest}: nothing of that is in the context"
    folder = Path(image.outside(image.folder)) / target
    for path in taken:
        copy = folder / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / path, copy)


def _run(image: Image, rest: str) -> None:
    steps = rest.split(" && ")
    if all(step.split()[0] in ("groupadd", "useradd", "install") for step in steps):
        for step in steps:  # users of this machine are left alone
            if step.startswith("install --directory"):
                Path(image.outside(step.split()[-1])).mkdir(parents=True, exist_ok=True)
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", image.outside(rest)],
        cwd=image.outside(image.folder),
        # Where an index is, and whose certificates count, is this machine's to know.
        env={**os.environ, **image.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"
