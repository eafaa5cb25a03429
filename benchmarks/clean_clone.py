"""A clean clone of this repository with an empty home, and what its verbs take there."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_NEVER_PASSED = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock that a run took, CPU seconds of all its processes, load of the machine before, exit code."""

    wall: float
    cpu: float
    load: float
    code: int


@dataclass(frozen=True)
class CleanClone:
    """A clone that verbs run in.

    Attributes:
        root: its folder.
        environment: variables that its processes see.
    """

    root: Path
    environment: dict[str, str]

    def run(self, *words: str, check: bool = True) -> Spent:
        """Runs a verb.

        Args:
            words: the verb and its arguments.
            check: whether an exit code other than 0 ends this process.

        Returns:
            What it took.
        """
        command = [sys.executable, "-m", "pipeline", *words]
        return time_command(command, self.root, self.environment, check)[0]


def make_clone(folder: Path, without: Collection[str] = ()) -> CleanClone:
    """Clones what is committed.

    Args:
        folder: where the clone and its home are made.
        without: environment variables that it shall not see.
    """
    root, home = folder / "clone", folder / "home"
    home.mkdir()
    subprocess.run(["git", "-c", "advice.detachedHead=false", "clone", "-q", str(ROOT), str(root)], check=True)
    passed = {name: value for name, value in os.environ.items() if name not in (*_NEVER_PASSED, *without)}
    return CleanClone(root, passed | {"HOME": str(home)})


def time_command(
    command: list[str], folder: Path, environment: dict[str, str], check: bool = True
) -> tuple[Spent, str]:
    """Runs a command, whose progress and errors are seen; returns what it took and what it printed beside them."""
    load, before, begun = os.getloadavg()[0], count_cpu(), time.perf_counter()
    ran = subprocess.run(command, cwd=folder, env=environment, check=False, stdout=subprocess.PIPE, text=True)
    if check and ran.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {ran.returncode}: {ran.stdout[-2000:]}")
    return Spent(time.perf_counter() - begun, count_cpu() - before, load, ran.returncode), ran.stdout


def count_cpu() -> float:
    """Returns CPU seconds of all processes that this one started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
