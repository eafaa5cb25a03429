"""Heads on joined features that are no linear maps: nearest neighbours, boosted trees."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth
from pipeline.core.errors import InputError, one_line
from pipeline.core.files import atomic_path
from pipeline.core.targets.contract import Target
from pipeline.training.heads.moments import Matrix
from pipeline.training.heads.recipe import NeighbourHead, TreesHead
from pipeline.training.tabular.estimators import fit_estimator
from pipeline.training.tabular.recipe import TabularRecipe

_PRIOR = 1.0  # rows' worth of the mean answer beside the neighbours', so that no probability is nought


@dataclass(frozen=True)
class NeighbourModel:
    """Training images that a new one is compared with.

    Attributes:
        mean: of the features, subtracted: float32 (width,).
        scale: divided by: float32 (width,).
        bank: float16 (n, width), standardised, of length 1.
        answers: float32 (n, n_answers): shares, marks or standardised numbers.
        scale_of_outputs: what logits are multiplied by: float32 (1,).
    """

    mean: Matrix
    scale: Matrix
    bank: NDArray[np.float16]
    answers: Matrix
    scale_of_outputs: Matrix

    @property
    def parameters(self) -> int:
        """Count of the numbers that are kept."""
        return int(self.bank.size + self.answers.size + self.mean.size + self.scale.size)


def fit_neighbours(features: Matrix, mean: Matrix, scale: Matrix, truth: Truth, target: Target) -> NeighbourModel:
    """Keeps rows (n, width) as neighbours, standardised by ``mean`` and ``scale``."""
    bank = _bring_to_length((features - mean) / scale)
    answers = []
    for _, part, _, width in target.each():
        own = truth if truth.ndim == 1 else part.take_truth(truth[:, width])
        linear = part.activation == "linear"
        answers.append(part.make_output_targets(own) if linear else part.make_targets(own))
    return NeighbourModel(mean, scale, bank.astype(np.float16), np.concatenate(answers, axis=1), np.ones(1, np.float32))


def predict_neighbours(model: NeighbourModel, features: Matrix, section: NeighbourHead, target: Target) -> Matrix:
    """Returns outputs float32 (n, n_outputs) for features (n, width): of logits the weighted mean's, scaled."""
    from sklearn.neighbors import NearestNeighbors

    bank = model.bank.astype(np.float32)
    search = NearestNeighbors(n_neighbors=min(section.neighbours, len(bank)), metric="cosine", algorithm="brute")
    distance, which = search.fit(bank).kneighbors(_bring_to_length((features - model.mean) / model.scale))
    weights = np.exp(-(distance - distance[:, :1]) / section.temperature)
    total = weights.sum(axis=1) + _PRIOR
    mixed = np.einsum("ij,ijk->ik", weights, model.answers[which]) + _PRIOR * model.answers.mean(axis=0)
    mixed /= total[:, None]
    made, place = [], 0
    for _, part, columns, _ in target.each():
        linear = part.activation == "linear"
        count = part.n_outputs if linear else columns.stop - columns.start
        own = mixed[:, place : place + count]
        made.append(own if linear else part.to_outputs(part.normalise(own)) * model.scale_of_outputs[0])
        place += count
    return np.concatenate(made, axis=1).astype(np.float32)


def save_neighbours(path: Path, model: NeighbourModel) -> None:
    """Writes a checkpoint atomically: an .npz of plain arrays."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **vars(model))


def load_neighbours(path: Path) -> NeighbourModel:
    """Reads a checkpoint.

    Raises:
        InputError: no such file, or not a checkpoint of nearest neighbours.
    """
    try:
        with np.load(path, allow_pickle=False) as kept:
            return NeighbourModel(**{name: kept[name] for name in NeighbourModel.__dataclass_fields__})
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no checkpoint of neighbours ({one_line(error)}); train it again") from error


def fit_trees(
    features: Matrix, truth: Truth, target: Target, section: TreesHead, seed: int
) -> Callable[[Matrix], Matrix]:
    """Fits trees to the first principal components of features (n, width).

    Returns:
        What predicts outputs (n, n_outputs) from features.
    """
    mean, scale = features.mean(axis=0), np.maximum(features.std(axis=0), np.float32(1e-6))
    standard = (features - mean) / scale
    _, vectors = np.linalg.eigh(standard.T @ standard)
    axes = vectors[:, ::-1][:, : section.components]
    recipe = TabularRecipe(tabular="boosting", boosting=section.boosting)
    categories = (False,) * axes.shape[1]
    predict = fit_estimator(recipe, target, standard @ axes, truth, categories, seed)
    return lambda rows: target.to_outputs(predict((rows - mean) / scale @ axes)).astype(np.float32)


def _bring_to_length(features: Matrix) -> Matrix:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(length, 1e-9), dtype=np.float32)
