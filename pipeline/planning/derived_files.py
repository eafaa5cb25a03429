"""Files of models that a plan derives from others: trained for fewer epochs, with another seed, or both.

They stand beside the others under configs/models, so that `dvc repro` and a clean clone know them.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipeline.core.paths import model_path, models_folder
from pipeline.planning.prior import TrainingLength
from pipeline.training.recipes.model_yaml import (
    Settings,
    overlay_settings,
    read_model,
    read_tuned_settings,
    write_model_settings,
)

_MARK = "Written by the verb best."
_ENDING = r".+?(?:_\d+_epochs(?:_seed_\d+)?|_seed_\d+)_{}"


def name_derived(length: TrainingLength, competition: str) -> str:
    """Names a training: by the model's own name where nothing differs from it.

    Args:
        length: of the training.
        competition: the active one, whose name is in the others: another's time is another's.
    """
    parts = [f"{length.epochs}_epochs"] if length.epochs < length.whole else []
    parts += [f"seed_{length.seed}"] if length.seed else []
    return "_".join((length.base, *parts, competition)) if parts else length.base


def is_free(root: Path, model: str) -> bool:
    """Says whether a plan may write a model's file: nobody else has."""
    return not model_path(root, model).is_file() or is_derived(root, model)


def is_derived(root: Path, model: str) -> bool:
    """Says whether a model's file is one that a plan wrote, and may write again or remove."""
    path = model_path(root, model)
    return path.is_file() and _MARK in path.read_text(encoding="utf-8").partition("\n")[0]


def write_derived(root: Path, lengths: Mapping[str, TrainingLength | None], competition: str) -> None:
    """Writes the files of derived trainings, with the settings of tuning in them; of the others there are files.

    Args:
        root: the repository.
        lengths: of the trainings by model; None where the epochs cannot be fewer.
        competition: the active one.

    Raises:
        InputError: the file of a model that is derived from cannot be read.
    """
    for name, length in lengths.items():
        if length is not None and (length.epochs < length.whole or length.seed):
            _write_one(root, name, length, competition)


def _write_one(root: Path, name: str, length: TrainingLength, competition: str) -> None:
    settings = read_model(root, length.base)[0]
    tuned = read_tuned_settings(root, length.base, competition)
    for path, value in tuned.items():
        _open_sections(settings, path)
        settings = overlay_settings(settings, {path: value})
    said = []
    if length.epochs < length.whole:
        _shorten(settings["training"], length)
        said.append(f"{length.epochs} of the {length.whole} epochs of {length.base}.")
    if length.seed:
        settings["seed_offset"] = length.seed + settings.get("seed_offset", 0)
        said.append(f"{length.base} trained again with another seed.")
    write_model_settings(model_path(root, name), " ".join((*said, _MARK)), settings)


def _shorten(training: Settings, length: TrainingLength) -> None:
    training["epochs"] = length.epochs
    if "validate_every" in training:
        training["validate_every"] = min(training["validate_every"], length.epochs)
    schedule = training.get("schedule", {})
    if "warmup_epochs" in schedule:
        schedule["warmup_epochs"] = round(schedule["warmup_epochs"] * length.share, 3)


def _open_sections(settings: Settings, path: str) -> None:
    """Opens the sections above a path that a file leaves out."""
    inner: Any = settings
    for key in path.split(".")[:-1]:
        if not isinstance(inner, dict):
            return
        inner = inner.setdefault(key, {})


def remove_derived(root: Path, competition: str, kept: Collection[str]) -> None:
    """Removes the files of a competition's derived trainings that do not stay; other files are left alone.

    Args:
        root: the repository.
        competition: the active one.
        kept: models that stay.
    """
    ending = re.compile(_ENDING.format(re.escape(competition)))
    for path in models_folder(root).glob("*.yaml"):
        if path.stem not in kept and ending.fullmatch(path.stem) and is_derived(root, path.stem):
            path.unlink()
