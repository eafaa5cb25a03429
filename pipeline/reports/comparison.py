"""Two models compared on the rows that both predict out-of-fold: what one gains over the other, with its interval.

Where both were trained with several seeds, they are compared seed by seed as well.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.core.cards import ModelCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.paired import Gain, describe_gain, measure_gain, measure_seed_gain
from pipeline.core.paths import card_path, folds_path, oof_path, oof_seed_path, prepared_folder
from pipeline.core.predictions import Predictions, read_predictions
from pipeline.core.scores import LabelledRows
from pipeline.core.tables import folds_digest, read_folds
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_fold_truth, read_target


class ComparedModels(NamedTuple):
    """What a model gains over another.

    Attributes:
        gain: paired, with its 95 % interval.
        sentence: which says it.
    """

    gain: Gain
    sentence: str


def compare_models(root: Path, name: str, other: str) -> ComparedModels:
    """Measures what a model gains over another: both scores, the paired difference, its 95 % interval.

    Groups and duplicates are drawn together. Each row was predicted by models that did not see it, and the same rows
    are scored of both.

    Raises:
        InputError: a model is not trained, or the two were trained on other folds than these, or on different ones.
    """
    if name == other:
        raise InputError(f"{name} is compared with itself; name two models")
    prepared, competition = prepared_folder(root), load_competition(root)
    target, folds = read_target(prepared), read_folds(folds_path(root), prepared)
    metric = competition.metric.metric_for(target)
    digest = folds_digest(folds)
    made = [read_predictions(_find(root, each), target) for each in (name, other)]
    for each, predictions in zip((name, other), made, strict=True):
        if predictions.folds != digest:
            raise InputError(f"{each} was made on other folds than folds/folds.csv; train it again")
    ids = _list_common_ids(made)
    table = folds.set_index("id").loc[list(ids)].reset_index()
    values = [_select(predictions, ids) for predictions in made]
    truth = read_fold_truth(prepared, target, table)
    rows = LabelledRows(truth, table["group"].to_numpy(dtype=np.int64))
    gain = measure_gain(rows, values[0], values[1], metric)
    scores = [metric.score(truth, each) for each in values]
    marks = [f"{each} may be optimistic" for each, one in zip((name, other), made, strict=True) if one.peeked]
    return ComparedModels(
        gain,
        f"{name} against {other}: {metric.name} {scores[0]:.4f} against {scores[1]:.4f} on {len(ids)} images: "
        f"{describe_gain(gain, metric.greater_is_better)}"
        + "".join(f"; {mark}" for mark in marks)
        + _compare_seeds(root, (name, other), ids, rows, ScoredBy(metric, target, digest)),
    )


class ScoredBy(NamedTuple):
    """By what predictions are compared.

    Attributes:
        metric: the competition's.
        target: what is predicted.
        folds: digest of the fold table.
    """

    metric: Metric
    target: Target
    folds: str


def _compare_seeds(root: Path, names: tuple[str, str], ids: tuple[str, ...], rows: LabelledRows, by: ScoredBy) -> str:
    """Says what one training gains over the other on average over the seeds that both have; empty below two of them."""
    found = [_read_seeds(root, name, by) for name in names]
    shared = [seed for seed in found[0] if seed in found[1]]
    if len(shared) < 2:
        return ""
    first, second = ([_select(of[seed], ids) for seed in shared] for of in found)
    gain = measure_seed_gain(rows, first, second, by.metric)
    means = [np.mean([by.metric.score(rows.labels, each) for each in of]) for of in (first, second)]
    return (
        f"\none training of each, over {len(shared)} seeds and all rows: {means[0]:.4f} against {means[1]:.4f}: "
        f"{describe_gain(gain, by.metric.greater_is_better)}"
    )


def _read_seeds(root: Path, name: str, by: ScoredBy) -> dict[int, Predictions]:
    """Reads what each seed of a model predicts alone; those of an external member are not known."""
    card = read_card(card_path(root, name), ModelCard) if card_path(root, name).is_file() else None
    seeds = () if card is None or card.seeds is None else card.all_seeds
    read = {seed: read_predictions(oof_seed_path(root, name, seed), by.target) for seed in seeds}
    return {seed: each for seed, each in read.items() if each.folds == by.folds}


def _find(root: Path, name: str) -> Path:
    path = oof_path(root, name)
    if not path.is_file():
        raise InputError(f"{path} does not exist; run `dvc repro train@{name}` first")
    return path


def _list_common_ids(made: list[Predictions]) -> tuple[str, ...]:
    shared = set(made[1].ids)
    ids = tuple(name for name in made[0].ids if name in shared)
    if not ids:
        raise InputError("the two models predict no image in common, as they were trained on different folds")
    return ids


def _select(predictions: Predictions, ids: tuple[str, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    place = {name: row for row, name in enumerate(predictions.ids)}
    chosen: np.ndarray[tuple[int, int], np.dtype[np.float32]] = predictions.probs[[place[name] for name in ids]]
    return chosen
