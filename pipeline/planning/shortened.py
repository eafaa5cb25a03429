"""Shortened trainings: where a network's epochs do not fit the time that is left, fewer of them, as a model of its own.

A schedule of the learning rate spans whatever epochs there are, so that a training of half as many anneals as well as
the whole one: Li, Yumer and Ramanan 2020, Budgeted Training, https://arxiv.org/abs/1905.04753. Its file stands beside
the others under configs/models, so that `dvc repro` and a clean clone know it.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any

from pipeline.core.paths import model_path, models_folder
from pipeline.planning.prior import Estimate, TrainingLength
from pipeline.training.recipes.model_yaml import (
    Settings,
    overlay_settings,
    read_model,
    read_tuned_settings,
    write_model_settings,
)

_MARK = "Written by the verb best."
_INFIX = "_{}_epochs_"  # between the names of the model and of the competition
_STEP = 2**0.5  # between two lengths
_LEAST = 1 / 8  # of the epochs
_FEWEST = 2  # epochs
_POWER = 0.2  # errors grow with the epochs left out: docs/best.md


def estimate_shortened(
    root: Path, competition: str, estimates: Mapping[str, Estimate | None]
) -> dict[str, Estimate | None]:
    """Adds to the estimates those of shortened trainings.

    Args:
        root: the repository.
        competition: the active one, whose name is in theirs: another's time is another's.
        estimates: of each model.

    Returns:
        All estimates by model. A name whose file someone else wrote is left to them.
    """
    found = dict(estimates)
    for base, estimate in estimates.items():
        if estimate is None or estimate.length is None:
            continue
        for epochs in _list_lengths(estimate.length.whole):
            name, length = f"{base}{_INFIX.format(epochs)}{competition}", replace(estimate.length, epochs=epochs)
            if name in found or (model_path(root, name).is_file() and not is_shortened(root, name)):
                continue
            rest = min(estimate.start + estimate.features, estimate.seconds)
            found[name] = replace(
                estimate,
                relative_error=estimate.relative_error * length.share**-_POWER,
                seconds=rest + length.share * (estimate.seconds - rest),
                length=length,
            )
    return found


def _list_lengths(epochs: int) -> list[int]:
    """Lists numbers of epochs below the whole, the largest first."""
    lengths: list[int] = []
    for power in count(1):
        length = round(epochs / _STEP**power)
        if length < max(_FEWEST, _LEAST * epochs):
            return lengths
        if length < epochs and length not in lengths:
            lengths.append(length)
    return lengths


def write_shortened(root: Path, lengths: Mapping[str, TrainingLength | None], competition: str) -> None:
    """Writes the files of shortened trainings, with the settings of tuning in them; of whole ones there are files.

    Args:
        root: the repository.
        lengths: of the trainings by model; None where the epochs cannot be fewer.
        competition: the active one.

    Raises:
        InputError: the file of a model that is shortened cannot be read.
    """
    for name, length in lengths.items():
        if length is not None and length.epochs < length.whole:
            _write_one(root, name, length, competition)


def _write_one(root: Path, name: str, length: TrainingLength, competition: str) -> None:
    settings = read_model(root, length.base)[0]
    tuned = read_tuned_settings(root, length.base, competition)
    for path, value in tuned.items():
        _open_sections(settings, path)
        settings = overlay_settings(settings, {path: value})
    training = settings["training"]
    training["epochs"] = length.epochs
    if "validate_every" in training:
        training["validate_every"] = min(training["validate_every"], length.epochs)
    schedule = training.get("schedule", {})
    if "warmup_epochs" in schedule:
        schedule["warmup_epochs"] = round(schedule["warmup_epochs"] * length.share, 3)
    headline = f"{length.epochs} of the {length.whole} epochs of {length.base}. {_MARK}"
    write_model_settings(model_path(root, name), headline, settings)


def _open_sections(settings: Settings, path: str) -> None:
    """Opens the sections above a path that a file leaves out."""
    inner: Any = settings
    for key in path.split(".")[:-1]:
        if not isinstance(inner, dict):
            return
        inner = inner.setdefault(key, {})


def is_shortened(root: Path, model: str) -> bool:
    """Says whether a model's file is one that a plan wrote, and may write again or remove."""
    path = model_path(root, model)
    return path.is_file() and _MARK in path.read_text(encoding="utf-8").partition("\n")[0]


def remove_shortened(root: Path, competition: str, kept: Collection[str]) -> None:
    """Removes the files of a competition's shortened trainings that do not stay; other files are left alone.

    Args:
        root: the repository.
        competition: the active one.
        kept: models that stay.
    """
    for path in models_folder(root).glob(f"*{_INFIX.format('*')}{escape(competition)}.yaml"):
        if path.stem not in kept and is_shortened(root, path.stem):
            path.unlink()
