"""Notebooks that predict at Kaggle without internet: their cells, their metadata, the wheels that may be missing."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError, one_line
from pipeline.kaggle.notebook_files import KernelPlan, describe_kernel, end_slug, render_notebook

# Kaggle brings TensorFlow, scikit-learn and all else that is large. These are small but for OpenCV (60 MB), ask for
# nothing that is not there, and fit any Python from 3.11 on. Kaggle may lack the first three; the others compute pixels
# or read checkpoints, and give the same results in the same versions.
_PACKAGES = (
    "imagehash",
    "natsort",
    "ruamel.yaml",
    "albumentations",
    "albucore",
    "keras",
    "keras-hub",
    "opencv-python-headless",
)


def make_kernel_metadata(user: str, slug: str, competition: str) -> dict[str, Any]:
    """Returns ``kernel-metadata.json``: a private notebook on a GPU, without internet, as code competitions want it.

    Reference: https://github.com/Kaggle/kaggle-cli/blob/main/docs/kernels_metadata.md
    """
    kernel = KernelPlan(user, end_slug(slug, "predict"), "predict.ipynb", gpu=True, internet=False)
    return describe_kernel(kernel, [f"{user}/{slug}"], [competition])


def make_notebook(name: str, slug: str, competition: str, wheels: bool) -> str:
    """Returns the notebook as JSON.

    Args:
        name: a model, or ``ensemble``.
        slug: of the data set.
        competition: its slug at Kaggle.
        wheels: whether the data set includes wheels.
    """
    install = [_INSTALL] if wheels else []
    find = _FIND.format(slug=slug, competition=competition)
    text = _INTRODUCTION.format(slug=slug, competition=competition)
    return render_notebook(text, [find, *install, _PREDICT.format(name=name)])


def download_wheels(root: Path, folder: Path) -> int:
    """Downloads the wheels in the versions that are installed here; returns how many.

    Raises:
        InputError: no pip, or it cannot download.
    """
    wanted = [f"{name}=={importlib.metadata.version(name)}" for name in _PACKAGES]
    # The environment that `make` builds has no pip, that of the build tools has.
    tools = root / ".tools" / "bin" / "python"
    python = str(tools) if tools.is_file() else sys.executable
    command = [python, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", str(folder), *wanted]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if ran.returncode:
        output = [line for line in (ran.stderr + ran.stdout).splitlines() if line.strip()]
        reason = one_line(ValueError(output[-1] if output else "nothing"))
        raise InputError(f"the wheels cannot be downloaded: pip reports {reason}; check the network, or drop --wheels")
    return len(list(folder.glob("*.whl")))


_INTRODUCTION = """\
Predicts the test images of {competition} and writes `submission.csv`. It needs two inputs, the competition and the
data set `{slug}`, and no internet."""

_FIND = """\
import sys
from pathlib import Path

INPUT = Path("/kaggle/input")
# A data set is in INPUT/SLUG or INPUT/datasets/USER/SLUG, a competition in INPUT/SLUG or INPUT/competitions/SLUG.
found = [*INPUT.glob("*/pipeline/inference/kernel.py"), *INPUT.glob("datasets/*/*/pipeline/inference/kernel.py")]
places = [place for place in (INPUT / "competitions/{competition}", INPUT / "{competition}") if place.is_dir()]
assert found, "add the data set {slug} to this notebook's inputs"
assert places, "add the competition {competition} to this notebook's inputs"
packs = [path.parents[2] for path in found]
named = [pack for pack in packs if pack.name == "{slug}"]
assert named or len(packs) == 1, "none of several packs among the inputs is called {slug}: keep one"
PACK, DATA = (named or packs)[0], places[0]
sys.path.insert(0, str(PACK))"""

_INSTALL = """\
import subprocess

wheels = [str(path) for path in (PACK / "wheels").glob("*.whl")]
subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", *wheels], check=True)
print(len(wheels), "packages installed")"""

_PREDICT = """\
from pipeline.inference.kernel import predict_folder

predict_folder(PACK, DATA, "{name}").head()"""
