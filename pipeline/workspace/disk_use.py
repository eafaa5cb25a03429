"""Disk use: what lies where, what can be made again and by what, and freeing what is made again by itself."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.core import paths

# Below .work: what it is, and whether freeing it costs computing alone.
_WORK = {
    "train": ("trained folds; unfinished ones stay", True),
    "preprocessed": ("preprocessed images", True),
    "features": ("features of frozen backbones", True),
    "unknown": ("fits that tell unknown images", True),
    "probing": ("measured precisions and batch sizes", True),
    "tune": ("studies and their trials", False),
    "doubt": ("fold tables without two folds", True),
    "best": ("the plan of `make best`", False),
    "competitions": ("what ties results to competitions", False),
    "logs": ("logs", False),
}


@dataclass(frozen=True)
class Place:
    """A folder and what it takes.

    Attributes:
        path: relative to the repository.
        holds: in a few words.
        bytes: that it takes.
        freeable: how many of these `free_space` removes.
    """

    path: Path
    holds: str
    bytes: int
    freeable: int = 0


def measure_places(root: Path) -> list[Place]:
    """Measures the folders of data, results and caches, the largest first; empty ones are left out."""
    fixed = {
        root / ".dvc" / "cache": "results of all competitions and settings, by content",
        paths.raw_folder(root): "unpacked sources; fetched again by `python -m pipeline run`",
        paths.prepared_folder(root): "decoded images; a copy is in .dvc/cache",
        paths.folds_path(root).parent: "predictions and checkpoints; a copy is in .dvc/cache",
        paths.reports_folder(root): "pages and their tables",
        paths.submissions_folder(root): "submissions, their log and what was sent",
    }
    places = [Place(path.relative_to(root), holds, _measure(path)) for path, holds in fixed.items()]
    for path in sorted(paths.work_folder(root, "").glob("*")):
        holds, free = _WORK.get(path.name, ("", False))
        freeable = sum(_measure(each) for each in _list_freeable(path)) if free else 0
        places.append(Place(path.relative_to(root), holds, _measure(path), freeable))
    return sorted((place for place in places if place.bytes), key=lambda place: -place.bytes)


def free_space(root: Path) -> int:
    """Removes what the next run makes again where it is needed, unfinished trainings excepted; returns the bytes."""
    freed = 0
    for name, (_, free) in _WORK.items():
        for path in _list_freeable(paths.work_folder(root, name)) if free else []:
            freed += _measure(path)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    return freed


def _list_freeable(folder: Path) -> list[Path]:
    """Lists what may go: of trained folds those that are finished and what they share, of other kinds everything."""
    if not folder.is_dir():
        return []
    if folder.name != "train":
        return sorted(folder.iterdir())
    return sorted([*(path.parent for path in folder.glob("*/fold*/done.json")), *folder.glob("*/backbone-*.npz")])


def _measure(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())
