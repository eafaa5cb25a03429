"""Packs a trained model or the ensemble for a notebook without internet. Run by hand: no stage of dvc.yaml.

Reads: params.yaml, configs/, data/prepared/classes.json, folds/ (cards, checkpoints, predictions, the fold table),
    reports/ensemble.json
Writes: a folder, pack/<name> by default: a Kaggle data set, and in notebook/ the notebook with its metadata
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import files
from pipeline.core.active import active_name, weights_folder
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.files import require_folder_place, write_text
from pipeline.core.folders import atomic_folder
from pipeline.inference import notebook
from pipeline.inference.licences import write_licences
from pipeline.inference.packing import collect_pack
from pipeline.inference.selection import Selection, select_models
from pipeline.kaggle.notebook_files import make_dataset_metadata, make_slug

_USER = "USERNAME"


@dataclass(frozen=True)
class PackOptions:
    """Options of a pack.

    Attributes:
        user: the user name at Kaggle; ``USERNAME`` where none is given.
        wheels: whether packages are included as wheels.
        force: whether it replaces an earlier pack.
    """

    user: str = _USER
    wheels: bool = False
    force: bool = False


def run(root: Path, name: str, target: Path, options: PackOptions) -> None:
    """Builds the folder under another name first: it is there whole, or as it was before.

    Raises:
        InputError: something is not trained, is an external member, or the target holds something else.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]+", options.user):
        raise InputError(
            f"--user must be a user name at Kaggle, got {options.user!r}; see the end of your profile's address"
        )
    require_folder_place(target, "--to")
    selection = select_models(root, name)
    _check_target(target, options.force)
    with atomic_folder(target) as building:
        collect_pack(root, building, selection)
        licences = write_licences(building, selection.models, weights_folder(root))
        if options.wheels:
            notebook.download_wheels(root, building / "wheels")
        slug = _write_metadata(root, building, name, options)
        size = sum(path.stat().st_size for path in building.rglob("*") if path.is_file())
    print(*licences, sep="\n", end="\n" if licences else "")
    _print_result(target, selection, size, slug, options.user)


def _write_metadata(root: Path, folder: Path, name: str, options: PackOptions) -> str:
    """Writes the data set's metadata and the notebook; returns the data set's slug."""
    known = load_competition(root).slug
    competition = known or make_slug(active_name(root))
    if known is None:
        print(
            f"note: {active_name(root)} names no competition at Kaggle: the notebook expects one called {competition}"
        )
    slug = make_slug(competition, name)
    files.write_json(folder / "dataset-metadata.json", make_dataset_metadata(options.user, slug))
    about = notebook.make_kernel_metadata(options.user, slug, competition)
    files.write_json(folder / "notebook" / "kernel-metadata.json", about)
    text = notebook.make_notebook(name, slug, competition, options.wheels)
    write_text(folder / "notebook" / about["code_file"], text)
    return slug


def _check_target(target: Path, force: bool) -> None:
    if target.is_symlink():
        raise InputError(f"{target} is a symbolic link, which a pack cannot replace; give the folder itself with --to")
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() and not (force and _is_pack(target)):
        fix = "add --force to replace it" if _is_pack(target) else "it is not a pack: give another folder with --to"
        raise InputError(f"{target} exists already; {fix}")


def _is_pack(target: Path) -> bool:
    return all((target / name).is_file() for name in ("dataset-metadata.json", "pipeline/cli.py"))


def _print_result(target: Path, selection: Selection, size: int, slug: str, user: str) -> None:
    count = sum(len(card.fold_scores) * len(card.all_seeds) for card in selection.models)
    print(f"packed {selection.name} into {target}: {count} checkpoints, {size / 1e6:,.1f} MB")
    print(f"models: {', '.join(card.model for card in selection.models)}")
    if user == _USER:
        print(f"next: replace {_USER} by your user name in both metadata files (or pack again with --user), then")
    folder, book = shlex.quote(str(target)), shlex.quote(str(target / "notebook"))
    print(f"next: kaggle datasets create -p {folder} --dir-mode zip --keep-tabular  # data set {user}/{slug}, private")
    print(f"next: kaggle kernels push -p {book}  # once the data set is ready")
