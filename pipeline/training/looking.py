"""A look at a model: some folds, maybe at other settings, and their score beside the present one on the same rows.

A look trains where every training does, below .work, in a folder keyed by all that determines the result. So it changes
no result, and what it trained is there when its settings are adopted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.core import cards, paths
from pipeline.core.active import active_name
from pipeline.core.config import parse, read_params
from pipeline.core.errors import InputError, near_names
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import describe_gain, measure_gain
from pipeline.core.params_file import write_settings
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.core.scores import LabelledRows
from pipeline.core.tables import folds_digest, read_folds
from pipeline.training.context import TrainingContext, TrainParams
from pipeline.training.model_file import recipe_from
from pipeline.training.recipes.model_yaml import Settings, overlay_settings, read_model, read_tuned_settings

_TRAIN = "train."
_TRAIN_KEYS = ("train.seed", "train.precision")


@dataclass(frozen=True)
class Changes:
    """Settings that a look tries.

    Attributes:
        model: of the model's file, by path.
        train: of the section ``train`` of ``params.yaml``, by path below it.
    """

    model: Settings
    train: Settings

    def __str__(self) -> str:
        """The settings as they are given on the command line."""
        every = self.model | {_TRAIN + key: value for key, value in self.train.items()}
        return ", ".join(f"{key}={value}" for key, value in every.items())


def parse_changes(texts: Sequence[str]) -> Changes:
    """Reads ``key=value`` settings; a value is YAML: a number, a word, ``null``, ``[9, 16]``, ``{name: cosine}``.

    Raises:
        InputError: no ``=``, no YAML, a key twice, or a key of ``params.yaml`` that a look cannot change.
    """
    every: Settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InputError(f"--set {text}: wanted key=value, such as training.epochs=60")
        if key in every:
            raise InputError(f"--set names {key} twice; keep one")
        try:
            every[key] = YAML(typ="safe", pure=True).load(value)
        except YAMLError as error:
            raise InputError(f"--set {text}: {value!r} is not YAML; quote it: --set '{key}=[1, 2]'") from error
        if key.startswith(_TRAIN) and key not in _TRAIN_KEYS:
            hint = "folds are chosen by --fold" if key == "train.folds" else near_names(key, _TRAIN_KEYS)
            raise InputError(f"--set {key}: not a setting that a look can try; {hint}")
    train = {key.removeprefix(_TRAIN): value for key, value in every.items() if key.startswith(_TRAIN)}
    return Changes({key: value for key, value in every.items() if not key.startswith(_TRAIN)}, train)


def choose_train_params(root: Path, changes: Changes, folds: Sequence[int]) -> TrainParams:
    """Returns the section ``train`` for a look: other folds and settings, one process.

    Raises:
        InputError: a setting does not fit.
    """
    section = read_params(root).get("train") or {}
    return parse({**section, **changes.train, "folds": list(folds), "workers": 1}, TrainParams, "train")


def compare_with_present(root: Path, model: str, made: Sequence[Predictions], about: "ScoredData") -> str:
    """Says what the folds of a look score, and how that differs from the present predictions of the same rows.

    Args:
        root: the repository.
        model: its name.
        made: what each fold predicts of its valid rows.
        about: what they are scored by.
    """
    context, metric = about
    ids = [name for part in made for name in part.ids]
    probs = np.concatenate([part.probs for part in made])
    row_of = {name: row for row, name in enumerate(context.data.ids)}
    truth = context.data.truth[[row_of[name] for name in ids]]
    table = read_folds(context.folds)
    score = f"{metric.name} on {len(ids):,} rows: {metric.score(truth, probs):.4f}"
    present, said = _read_present(root, model, about, folds_digest(table))
    if present is None:
        return f"{score}; nothing to compare it with: {said}"
    at = {name: row for row, name in enumerate(present.ids)}
    shared = [row for row, name in enumerate(ids) if name in at]
    if not shared:
        return f"{score}; nothing to compare it with: the present results are of other folds"
    old = present.probs[[at[ids[row]] for row in shared]]
    groups = table.set_index("id")["group"].loc[[ids[row] for row in shared]].to_numpy()
    rows = LabelledRows(truth[shared], groups)
    gain = measure_gain(rows, probs[shared], old, metric)
    beside = f"{score}, at present {metric.score(rows.labels, old):.4f}{said}"
    return f"{beside}\n{describe_gain(gain, metric.greater_is_better)}"


ScoredData = tuple[TrainingContext, Metric]


def _read_present(root: Path, model: str, about: ScoredData, digest: str) -> tuple[Predictions | None, str]:
    """Reads the present OOF predictions, of the look's own seed where there are several.

    Returns:
        They, with what is to be said of them; None, with the reason, where there are none of the same data and folds.
    """
    path, place, said = paths.oof_path(root, model), paths.card_path(root, model), ""
    if not place.is_file() or not path.is_file():
        return None, f"{model} has no results yet"
    card = cards.read_card(place, cards.ModelCard)
    if card.competition != active_name(root):
        return None, f"the present results of {model} are of {card.competition}"
    if card.seeds:
        alone = paths.oof_seed_path(root, model, about[0].seed)
        path, said = (alone, "") if alone.is_file() else (path, f", the mean of {len(card.all_seeds)} seeds")
    present = read_predictions(path, about[0].data.target)
    if present.folds != digest:
        return None, f"the present results of {model} are of another split"
    return present, said


def keep_changes(root: Path, model: str, changes: Changes) -> list[str]:
    """Writes the settings of a look into the model's file and ``params.yaml``; returns a line about each.

    Raises:
        InputError: a comment of a file would be lost.
    """
    lines = []
    if changes.model:
        path = paths.model_path(root, model)
        settings, _ = read_model(root, model)
        full: Mapping[str, Any] = recipe_from(settings, str(path)).model_dump(mode="json")
        write_settings(path, changes.model, overlay_settings(full, changes.model))
        lines += [f"kept in {path.relative_to(root)}: {key}: {value}" for key, value in changes.model.items()]
    if changes.train:
        every = {_TRAIN + key: value for key, value in changes.train.items()}
        full = {"train": {**(read_params(root).get("train") or {}), **changes.train}}
        write_settings(paths.params_path(root), every, full)
        lines += [f"kept in params.yaml: {key}: {value} (of all models)" for key, value in every.items()]
    return lines


def check_keepable(root: Path, model: str, changes: Changes) -> None:
    """Refuses to adopt what would not hold, before anything is trained.

    Raises:
        InputError: there is nothing to adopt, or tuning has set the same.
    """
    if not changes.model and not changes.train:
        raise InputError("--keep adopts settings; give one with --set key=value")
    tuned = read_tuned_settings(root, model, active_name(root))
    for key in changes.model:
        both = [each for each in tuned if f"{each}.".startswith(f"{key}.") or f"{key}.".startswith(f"{each}.")]
        if both:
            raise InputError(
                f"--keep {key}: configs/tuned/{model}.yaml sets {both[0]} over the model's own file; set tune.n_trials "
                f"to 0 in params.yaml and run `dvc repro tune@{model}` first"
            )
