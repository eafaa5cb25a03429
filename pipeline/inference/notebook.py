"""Notebooks for Kaggle without internet: cells, metadata of notebook and data set, the wheels that may be missing."""

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.core.errors import InputError, one_line

_SHORTEST, _LONGEST = 6, 50  # letters of a title and of a slug
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


def make_slug(*words: str) -> str:
    """Makes a slug that Kaggle takes: 6 to 50 of a-z, 0-9 and -."""
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[:_LONGEST].strip("-")
    return slug if len(slug) >= _SHORTEST else f"{slug}-packed"


def make_dataset_metadata(user: str, slug: str) -> dict[str, Any]:
    """Returns ``dataset-metadata.json``.

    Reference: https://github.com/Kaggle/kaggle-cli/blob/main/docs/datasets_metadata.md
    """
    # Checkpoints of a competition's data: what may be done with them is for its rules to say.
    return {"title": slug, "id": f"{user}/{slug}", "licenses": [{"name": "other"}]}


def make_kernel_metadata(user: str, slug: str, competition: str) -> dict[str, Any]:
    """Returns ``kernel-metadata.json``: a private notebook on a GPU, without internet, as code competitions want it.

    Reference: https://github.com/Kaggle/kaggle-cli/blob/main/docs/kernels_metadata.md
    """
    title = f"{slug[: _LONGEST - len('-predict')].strip('-')}-predict"
    return {
        "id": f"{user}/{title}",
        "title": title,
        "code_file": "predict.ipynb",
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_internet": False,
        "dataset_sources": [f"{user}/{slug}"],
        "competition_sources": [competition],
        "kernel_sources": [],
    }


def make_notebook(name: str, slug: str, competition: str, wheels: bool) -> str:
    """Returns the notebook as JSON.

    Args:
        name: a model, or ``ensemble``.
        slug: of the data set.
        competition: its slug at Kaggle.
        wheels: whether the data set includes wheels.
    """
    cells = [
        _text(_INTRODUCTION.format(slug=slug, competition=competition)),
        _code(_FIND.format(slug=slug, competition=competition)),
    ]
    if wheels:
        cells.append(_code(_INSTALL))
    cells.append(_code(_PREDICT.format(name=name)))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return json.dumps({"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"


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
# A data set lies in INPUT/SLUG or INPUT/datasets/USER/SLUG, a competition in INPUT/SLUG or INPUT/competitions/SLUG.
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


def _text(source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}
