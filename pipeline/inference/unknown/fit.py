"""What tells a model's unknown pictures from known ones: chosen and calibrated on its out-of-fold rows, and kept.

Nothing of it needs a picture of no class. It takes the folds' models over a sample of the training images once; what
comes of it lies in ``.work/unknown``, named by all that determines it.
"""

import hashlib
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.core import paths, predictions, tables
from pipeline.core.arrays import Labels
from pipeline.core.cards import EnsembleCard
from pipeline.core.files import atomic_path, sha256
from pipeline.core.paths import prepared_folder, work_folder
from pipeline.core.progress import track_progress
from pipeline.inference.outputs import Said
from pipeline.inference.trained_model import TrainedModel
from pipeline.inference.unknown.choice import choose
from pipeline.inference.unknown.conformal import p_values
from pipeline.inference.unknown.scores import NEIGHBOURS, Bank, Scores, bank_of, neighbours, scores
from pipeline.training.data import load_data

_ROWS = 1000  # of each fold: with five folds the rate of false alarms is known to a third of a per cent
_CODE = ("fit", "choice", "scores", "last_layer")
SIMPLEST = "max_softmax"


@dataclass(frozen=True)
class Unknown:
    """A score, and what it comes to on known pictures.

    Attributes:
        score: its name.
        aurocs: of all scores, in telling classes left out from those kept; empty where none could be left out.
        known: by fold, the scores of its valid rows.
        banks: by fold, for ``neighbours``.
    """

    score: str
    aurocs: dict[str, float]
    known: tuple[Scores, ...]
    banks: tuple[Bank, ...] = ()

    def p_values(self, folds: Sequence[Said]) -> Scores:
        """Says how usual new pictures are, as `conformal.p_values` does; ``folds`` as they were when it was fitted."""
        banks = self.banks or (None,) * len(folds)
        return p_values(self.known, [scores(self.score, said, bank) for said, bank in zip(folds, banks, strict=True)])


def best(aurocs: dict[str, float]) -> str:
    """Returns the score with the largest AUROC, the simplest of equals."""
    return max(aurocs, key=lambda name: aurocs[name], default=SIMPLEST)


def fit_unknown(folds: Sequence[Said], labels: Sequence[Labels], n_classes: int, smoothing: float = 0.0) -> Unknown:
    """Chooses and calibrates on what each fold's model says of its valid rows; arguments as `choose` has them."""
    aurocs = choose(folds, labels, n_classes, smoothing)
    name = best(aurocs)
    if name != NEIGHBOURS:
        return Unknown(name, aurocs, tuple(scores(name, said, None) for said in folds))
    banks = tuple(bank_of(said.features, n_classes) for said in folds if said.features is not None)
    known = tuple(neighbours(said, bank, own=True) for said, bank in zip(folds, banks, strict=True))
    return Unknown(name, aurocs, known, banks)


def unknown_of(root: Path, model: TrainedModel) -> Unknown:
    """Fits a model's score, or takes what was fitted before."""
    folds = paths.folds_path(root)
    path = work_folder(root, "unknown") / f"{model.card.model}-{_key(model, folds)}.npz"
    if path.is_file() and zipfile.is_zipfile(path):
        return _read(path)
    data = load_data(prepared_folder(root), folds)
    said, labels = [], []
    with track_progress(f"{model.card.model}: what known pictures look like", len(model.checkpoints)) as advance:
        for fold in model.checkpoints:
            rows = data.rows(fold)[1]
            rows = np.sort(np.random.default_rng([fold, 7]).permutation(rows)[:_ROWS])
            said += list(model.said(np.ascontiguousarray(data.images[rows]), [fold], deep=True))
            labels.append(data.labels[rows])
            advance(1)
    smoothing = model.network.recipe.training.label_smoothing if model.network is not None else 0.0
    fitted = fit_unknown(said, labels, len(data.classes), smoothing)
    _write(path, fitted)
    return fitted


def unknown_of_ensemble(root: Path, card: EnsembleCard, classes: Sequence[str]) -> Unknown:
    """Fits the score of the combined probabilities, fold by fold, from the ensemble's out-of-fold predictions."""
    read = predictions.read_predictions(paths.oof_path(root, paths.ENSEMBLE), classes)
    table = tables.read_folds(paths.folds_path(root)).set_index("id").loc[list(read.ids)]
    numbers, labels = table["fold"].to_numpy(), table["label"].to_numpy(dtype=np.int64)
    rows = [np.flatnonzero(numbers == fold) for fold in sorted(map(int, card.fold_scores))]
    return fit_unknown([Said(read.probs[own]) for own in rows], [labels[own] for own in rows], len(classes))


def _key(model: TrainedModel, folds: Path) -> str:
    determined_by = {
        "model": [model.card.fingerprint, list(model.checkpoints)],
        "checkpoints": [[path.stat().st_size, path.stat().st_mtime_ns] for path in model.checkpoints.values()],
        "folds": sha256(folds),
        "code": [sha256(Path(__file__).with_name(f"{name}.py")) for name in _CODE],
    }
    return hashlib.sha256(json.dumps(determined_by).encode()).hexdigest()[:16]


def _write(path: Path, fitted: Unknown) -> None:
    arrays: dict[str, Any] = {f"known{number}": known for number, known in enumerate(fitted.known)}
    arrays |= {f"bank{number}": bank.features.astype(np.float16) for number, bank in enumerate(fitted.banks)}
    about = {"score": fitted.score, "aurocs": fitted.aurocs, "neighbours": [bank.neighbours for bank in fitted.banks]}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)


def _read(path: Path) -> Unknown:
    with np.load(path, allow_pickle=False) as held:
        about = json.loads(str(held["about"]))
        known = tuple(held[f"known{number}"] for number in range(sum(name.startswith("known") for name in held)))
        banks = tuple(
            Bank(held[f"bank{number}"].astype(np.float32), count) for number, count in enumerate(about["neighbours"])
        )
    return Unknown(about["score"], about["aurocs"], known, banks)
