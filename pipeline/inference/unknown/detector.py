"""Unknown-image detectors: a score and its values on known images, chosen and calibrated on out-of-fold rows, and kept.

No image of an unknown class is needed. Each fold's network is run once on a sample of its valid rows; of other models
the out-of-fold predictions are all there is to know. The result lies in ``.work/unknown``, named by all that determines
it.

An image's p-value says how unusual its score is among those of known images: conformal, fold by fold. Fold k's model
scores new images; its valid rows, which it did not see either, give the scores of known images. The ranks in all folds
are pooled as in cross-conformal prediction. Were the folds' models the same, known images would be flagged at the
stated rate exactly, on average; they differ, and then the mean of ranks has less of a tail, so the rate is seldom
reached and at most twice that.
References: Vovk 2015, Cross-conformal predictors, https://arxiv.org/abs/1208.0806; Bates et al. 2023, Testing for
outliers with conformal p-values, https://arxiv.org/abs/2104.08279
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import paths, predictions, tables
from pipeline.core.arrays import Labels
from pipeline.core.cards import EnsembleCard
from pipeline.core.closure import code_digest
from pipeline.core.digests import is_signed, sign_file
from pipeline.core.errors import InputError, one_line
from pipeline.core.files import atomic_path, sha256
from pipeline.core.paths import prepared_folder, work_folder
from pipeline.core.progress import track_progress
from pipeline.inference.outputs import FoldOutputs
from pipeline.inference.trained_model import TrainedModel
from pipeline.inference.unknown.scores import (
    NEIGHBOURS,
    FeatureBank,
    Scores,
    build_bank,
    compute_neighbour_distance,
    compute_score,
)
from pipeline.training.data import load_data

_ROWS = 1000  # of each fold: with five folds the rate of false alarms is known to a third of a per cent
SIMPLEST = "max_softmax"


def compute_p_values(known: Sequence[Scores], new: Sequence[Scores]) -> Scores:
    """Returns the conformal p-values of new images.

    Args:
        known: of each fold, the scores of its valid rows, in any order; larger scores are more unusual.
        new: of each fold, the scores (n,) of the same n images by its model.

    Returns:
        (n,) in (0, 1]: the share of known images with the same score or a larger one.
    """
    total = sum(map(len, known))
    larger = [
        len(rows) - np.searchsorted(np.sort(rows), scores, side="left") for rows, scores in zip(known, new, strict=True)
    ]
    p_values: Scores = (1 + np.sum(larger, axis=0)) / (1 + total)
    return p_values


@dataclass(frozen=True)
class UnknownDetector:
    """A score of unknown images, and its values on known ones.

    Attributes:
        score: its name.
        aurocs: of all scores, for classes left out against those kept; empty where none could be left out.
        known_scores: by fold, of its valid rows.
        banks: by fold, for ``neighbours``.
    """

    score: str
    aurocs: dict[str, float]
    known_scores: tuple[Scores, ...]
    banks: tuple[FeatureBank, ...] = ()

    def compute_p_values(self, folds: Sequence[FoldOutputs]) -> Scores:
        """Returns the p-values (n,) of new images from the outputs of the same folds, in their order."""
        banks = self.banks or (None,) * len(folds)
        return compute_p_values(
            self.known_scores,
            [compute_score(self.score, outputs, bank) for outputs, bank in zip(folds, banks, strict=True)],
        )


def choose_score(aurocs: dict[str, float]) -> str:
    """Returns the score with the largest AUROC, the simplest of equals."""
    return max(aurocs, key=lambda name: aurocs[name], default=SIMPLEST)


def fit_detector(
    folds: Sequence[FoldOutputs], labels: Sequence[Labels], n_classes: int, smoothing: float = 0.0
) -> UnknownDetector:
    """Chooses and calibrates a score on the folds' outputs for their valid rows; arguments as in `evaluate_scores`."""
    from pipeline.inference.unknown.evaluation import evaluate_scores  # scikit-learn: not where a detector is kept

    aurocs = evaluate_scores(folds, labels, n_classes, smoothing)
    name = choose_score(aurocs)
    if name != NEIGHBOURS:
        return UnknownDetector(name, aurocs, tuple(compute_score(name, outputs, None) for outputs in folds))
    banks = tuple(build_bank(outputs.features, n_classes) for outputs in folds if outputs.features is not None)
    known = tuple(
        compute_neighbour_distance(outputs, bank, own=True) for outputs, bank in zip(folds, banks, strict=True)
    )
    return UnknownDetector(name, aurocs, known, banks)


def open_detector(root: Path, model: TrainedModel) -> UnknownDetector:
    """Fits a model's detector, or reads the one fitted before."""
    folds = paths.folds_path(root)
    path = work_folder(root, "unknown") / f"{model.card.model}-{_key(_identify(model), folds)}.npz"
    if is_signed(path):
        return _read(path)
    if not model.card.has_network:
        outputs, labels = _read_outputs(root, model.card.model, list(model.checkpoints), model.classes)
    else:
        outputs, labels = _compute_outputs(root, folds, model)
    smoothing = model.card.config.get("training", {}).get("label_smoothing", 0.0) if model.card.has_network else 0.0
    return _keep(path, fit_detector(outputs, labels, len(model.classes), smoothing))


def fit_ensemble_detector(root: Path, card: EnsembleCard, classes: Sequence[str]) -> UnknownDetector:
    """Fits a detector to the combined probabilities, fold by fold, from the ensemble's out-of-fold predictions.

    One that was fitted to the same before is read.
    """
    combined = {"card": card.model_dump(mode="json"), "predictions": sha256(paths.oof_path(root, paths.ENSEMBLE))}
    path = work_folder(root, "unknown") / f"{paths.ENSEMBLE}-{_key(combined, paths.folds_path(root))}.npz"
    if is_signed(path):
        return _read(path)
    outputs, labels = _read_outputs(root, paths.ENSEMBLE, sorted(map(int, card.fold_scores)), classes)
    return _keep(path, fit_detector(outputs, labels, len(classes)))


def _compute_outputs(root: Path, folds: Path, model: TrainedModel) -> tuple[list[FoldOutputs], list[Labels]]:
    """Runs each fold's network on a sample of its valid rows."""
    data = load_data(prepared_folder(root), folds)
    outputs, labels = [], []
    with track_progress(f"{model.card.model}: scores of known images", len(model.checkpoints)) as advance:
        for fold in model.checkpoints:
            rows = data.rows(fold)[1]
            rows = np.sort(np.random.default_rng([fold, 7]).permutation(rows)[:_ROWS])
            outputs += list(model.predict_folds(np.ascontiguousarray(data.images[rows]), [fold], with_features=True))
            labels.append(data.labels[rows])
            advance(1)
    return outputs, labels


def _read_outputs(
    root: Path, name: str, folds: Sequence[int], classes: Sequence[str]
) -> tuple[list[FoldOutputs], list[Labels]]:
    """Reads the out-of-fold predictions of a model or the ensemble, fold by fold.

    Raises:
        InputError: they were made on other folds.
    """
    path, table = paths.oof_path(root, name), tables.read_folds(paths.folds_path(root), paths.prepared_folder(root))
    read = predictions.read_predictions(path, classes)
    if read.folds not in (None, tables.folds_digest(table)) or not set(read.ids) <= set(table["id"]):
        raise InputError(f"{path} was made on other folds than folds/folds.csv; run `dvc repro`, which trains again")
    table = table.set_index("id").loc[list(read.ids)]
    numbers, labels = table["fold"].to_numpy(), table["label"].to_numpy(dtype=np.int64)
    rows = [np.flatnonzero(numbers == fold) for fold in folds]
    return [FoldOutputs(read.probs[own]) for own in rows], [labels[own] for own in rows]


def _keep(path: Path, detector: UnknownDetector) -> UnknownDetector:
    """Keeps a detector for later predictions; where it cannot be written, a line says so."""
    try:
        _write(path, detector)
        sign_file(path)
    except OSError as error:
        print(f"what recognises unknown images is not kept for later predictions ({one_line(error)})", flush=True)
    return detector


def _identify(model: TrainedModel) -> dict[str, Any]:
    return {
        "model": [model.card.fingerprint, list(model.checkpoints)],
        "checkpoints": [
            [path.stat().st_size, path.stat().st_mtime_ns]
            for of_seeds in model.checkpoints.values()
            for path in of_seeds
        ],
    }


def _key(scored: dict[str, Any], folds: Path) -> str:
    determined_by = {**scored, "folds": sha256(folds), "code": code_digest("pipeline.inference.unknown.detector")}
    return hashlib.sha256(json.dumps(determined_by).encode()).hexdigest()[:16]


def _write(path: Path, detector: UnknownDetector) -> None:
    arrays: dict[str, Any] = {f"known{number}": known for number, known in enumerate(detector.known_scores)}
    arrays |= {f"bank{number}": bank.features.astype(np.float16) for number, bank in enumerate(detector.banks)}
    about = {
        "score": detector.score,
        "aurocs": detector.aurocs,
        "neighbours": [bank.neighbours for bank in detector.banks],
    }
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)


def _read(path: Path) -> UnknownDetector:
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        known = tuple(file[f"known{number}"] for number in range(sum(name.startswith("known") for name in file)))
        banks = tuple(
            FeatureBank(file[f"bank{number}"].astype(np.float32), count)
            for number, count in enumerate(about["neighbours"])
        )
    return UnknownDetector(about["score"], about["aurocs"], known, banks)
