"""Origin of a result: when it was made, of which commit, with which seed, by which command."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from pipeline.core.active import active_name
from pipeline.core.config import read_params


def read_commit(root: Path) -> str | None:
    """Returns the commit that is checked out, 40 hex digits; None without Git or without a commit."""
    return _ask_git(root, "rev-parse", "HEAD")


def describe_origin(root: Path, command: str) -> str:
    """Describes where a page comes from, for its footer.

    The time is that of ``SOURCE_DATE_EPOCH`` where the environment has it, so that a page can be made again to the
    byte: https://reproducible-builds.org/specs/source-date-epoch/

    Args:
        root: the repository.
        command: that makes the page.

    Raises:
        InputError: no ``params.yaml``, or no active competition.
    """
    stamp = os.environ.get("SOURCE_DATE_EPOCH", "")
    time = datetime.fromtimestamp(int(stamp), UTC) if stamp.isdecimal() else datetime.now(UTC)
    train = read_params(root).get("train")
    seed = train.get("seed", 0) if isinstance(train, dict) else 0
    commit = read_commit(root)
    changed = " with changes" if commit and _ask_git(root, "status", "--porcelain", "--untracked-files=no") else ""
    parts = [
        f"{active_name(root)}: {command}",
        f"{time:%Y-%m-%d %H:%M} UTC",
        *([f"commit {commit[:10]}{changed}"] if commit else []),
        f"seed {seed}",
    ]
    return ", ".join(parts)


def _ask_git(root: Path, *arguments: str) -> str | None:
    try:
        ran = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None  # no git on this machine
    return ran.stdout.strip() if ran.returncode == 0 else None
