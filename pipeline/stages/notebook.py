"""Writes the notebooks that train at Kaggle and on Colab. Run by hand: no stage of dvc.yaml.

Reads: configs/competitions, params.yaml, Git's remote. Writes: kaggle.ipynb and colab.ipynb in a folder
"""

import re
import subprocess
from pathlib import Path
from typing import get_args

from pipeline.core.active import active_name
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.files import require_folder_place, write_text
from pipeline.kaggle.training_notebook import Evening, Place, make_training_notebook

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_METRIC = re.compile(r"[A-Za-z0-9_.]*")


def run(root: Path, folder: Path, evening: Evening) -> None:
    """Writes both notebooks; an earlier one is replaced.

    Args:
        root: the repository.
        folder: where they go.
        evening: what they do; without a competition, that of params.yaml.

    Raises:
        InputError: no slug, or an address that cannot be cloned from.
    """
    require_folder_place(folder, "--to")
    name = "" if evening.competition else active_name(root)
    competition = evening.competition or load_competition(root).slug or name
    if not _SLUG.fullmatch(competition):
        raise InputError(f"--competition must be a slug, got {competition!r}; see the end of its address at Kaggle")
    if not _METRIC.fullmatch(evening.metric):
        raise InputError(f"--metric must be a metric's name, got {evening.metric!r}; see docs/metrics.md")
    project = evening.project or _read_origin(root)
    if project and not re.fullmatch(r"https://[\w./~%+-]+", project):
        raise InputError(f"--project must be an https address without a name or token in it, got {_hide(project)!r}")
    made = Evening(competition, evening.metric, evening.hours, project, name)
    for place in get_args(Place):
        write_text(folder / f"{place}.ipynb", make_training_notebook(place, made))
        print(f"wrote {folder / f'{place}.ipynb'}: {competition}, {made.hours:g} hours")
    if not project:
        print("next: add the project as a data set to the notebook, or write an address into its PROJECT_URL")


def _read_origin(root: Path) -> str:
    """Reads where this clone came from; empty where that is no public https address."""
    command = ["git", "-C", str(root), "remote", "get-url", "origin"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    address = ran.stdout.strip()
    return address if re.fullmatch(r"https://[\w./~%+-]+", address) else ""


def _hide(address: str) -> str:
    return re.sub(r"://[^/@]+@", "://***@", address)
