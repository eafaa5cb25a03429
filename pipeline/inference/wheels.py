"""Wheels for a notebook without internet: the few packages that it may lack, or have in a version that counts."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

from pipeline.core.errors import InputError, one_line

# Kaggle brings TensorFlow, scikit-learn and all else that is large. These are small but for OpenCV (60 MB), ask for
# nothing that is not there, and fit any Python from 3.11 on. Kaggle may lack the first three; the others compute pixels
# or read checkpoints, and give what home gave in home's versions.
PACKAGES = (
    "imagehash",
    "natsort",
    "ruamel.yaml",
    "albumentations",
    "albucore",
    "keras",
    "keras-hub",
    "opencv-python-headless",
)


def download(root: Path, folder: Path) -> int:
    """Downloads the wheels in the versions that are installed here; returns how many.

    Raises:
        InputError: no pip, or it cannot download.
    """
    wanted = [f"{name}=={importlib.metadata.version(name)}" for name in PACKAGES]
    # The environment that `make` builds has no pip, that of the build tools has.
    tools = root / ".tools" / "bin" / "python"
    python = str(tools) if tools.is_file() else sys.executable
    command = [python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder), *wanted]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if ran.returncode:
        said = [line for line in (ran.stderr + ran.stdout).splitlines() if line.strip()]
        reason = one_line(ValueError(said[-1] if said else "nothing"))
        raise InputError(f"the wheels cannot be downloaded: pip said {reason}; look at the network, or drop --wheels")
    return len(list(folder.glob("*.whl")))
