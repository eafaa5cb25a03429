"""Packs what predicts for a notebook without internet. Run by hand: no stage of dvc.yaml.

Reads: params.yaml, configs/, data/prepared/classes.json, folds/ (cards, checkpoints, predictions, the fold table),
    reports/ensemble.json
Writes: a folder, pack/<name> by default: a Kaggle data set, and in notebook/ the notebook with its metadata
"""

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import files
from pipeline.core.active import active_name
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.files import require_folder_place, write_text
from pipeline.inference import notebook, packing, wheels

_USER = "USERNAME"


@dataclass(frozen=True)
class Wishes:
    """What a person wants of a pack.

    Attributes:
        user: their name at Kaggle; ``USERNAME`` where nobody said.
        wheels: whether it brings packages.
        force: whether it takes the place of an earlier one.
    """

    user: str = _USER
    wheels: bool = False
    force: bool = False


def run(root: Path, name: str, target: Path, wishes: Wishes) -> None:
    """Builds the folder under another name first: it is there whole, or as it was before.

    Raises:
        InputError: something is not trained, was made elsewhere, or the target holds something else.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", wishes.user):
        raise InputError(f"--user {wishes.user!r} is no name at Kaggle; take the last part of your profile's address")
    require_folder_place(target, "--to")
    chosen = packing.choose(root, name)
    _check_target(target, wishes.force)
    target.parent.mkdir(parents=True, exist_ok=True)
    building = target.with_name(f".tmp-{target.name}")
    shutil.rmtree(building, ignore_errors=True)
    try:
        packing.collect(root, building, chosen)
        if wishes.wheels:
            wheels.download(root, building / "wheels")
        slug = _describe(root, building, name, wishes)
        size = sum(path.stat().st_size for path in building.rglob("*") if path.is_file())
        if target.exists():
            shutil.rmtree(target)
        building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _say(target, chosen, size, slug, wishes.user)


def _describe(root: Path, folder: Path, name: str, wishes: Wishes) -> str:
    """Writes the data set's metadata and the notebook; returns the data set's slug."""
    known = load_competition(root).slug
    competition = known or notebook.slug_of(active_name(root))
    if known is None:
        print(
            f"note: {active_name(root)} names no competition at Kaggle: the notebook asks for one called {competition}"
        )
    slug = notebook.slug_of(competition, name)
    files.write_json(folder / "dataset-metadata.json", notebook.dataset_metadata(wishes.user, slug))
    about = notebook.kernel_metadata(wishes.user, slug, competition)
    files.write_json(folder / "notebook" / "kernel-metadata.json", about)
    text = notebook.notebook(name, slug, competition, wishes.wheels)
    write_text(folder / "notebook" / about["code_file"], text)
    return slug


def _check_target(target: Path, force: bool) -> None:
    if target.is_symlink():
        raise InputError(f"{target} is a link, which a pack cannot take the place of: give the folder itself with --to")
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() and not (force and _is_pack(target)):
        fix = (
            "add --force to replace it" if _is_pack(target) else "it is no earlier pack: give another folder with --to"
        )
        raise InputError(f"{target} is there already; {fix}")


def _is_pack(target: Path) -> bool:
    return all((target / name).is_file() for name in ("dataset-metadata.json", "pipeline/inference/kernel.py"))


def _say(target: Path, chosen: packing.Chosen, size: int, slug: str, user: str) -> None:
    count = sum(len(card.fold_scores) for card in chosen.models)
    print(f"packed {chosen.name} into {target}: {count} checkpoints, {size / 1e6:,.1f} MB")
    print(f"models: {', '.join(card.model for card in chosen.models)}")
    if user == _USER:
        print(f"next: put your name at Kaggle for {_USER} in its two metadata files (or pack again with --user), then")
    folder, book = shlex.quote(str(target)), shlex.quote(str(target / "notebook"))
    print(f"next: kaggle datasets create -p {folder} --dir-mode zip --keep-tabular  # data set {user}/{slug}, private")
    print(f"next: kaggle kernels push -p {book}  # once the data set is ready")
