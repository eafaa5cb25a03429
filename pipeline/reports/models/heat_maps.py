"""Heat maps of each model for correct and wrong examples of each class, and the share of heat near the centre.

Every image is explained by the fold's model that was not trained on it, for the class that this model predicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs
from pipeline.core.cards import ModelCard
from pipeline.core.sampling import draw_balanced_rows
from pipeline.inference.saliency.heat import measure_central_share
from pipeline.inference.selection import list_checkpoints
from pipeline.reports.models.class_quality import compute_class_quality, find_most_confident
from pipeline.reports.models.evaluation_data import EvaluatedModel, EvaluationData

if TYPE_CHECKING:
    from pipeline.inference.saliency.attribution import Attribution

BOX = 0.5  # side of the central box, as a share of the picture's
EVEN = BOX * BOX  # what heat without a preference has in the box
MARGIN = 0.01  # nearly even heat is no finding
SAMPLED = 128
MOST_CLASSES = 20


@dataclass(frozen=True)
class HeatExample:
    """An image with its heat map.

    Attributes:
        row: of the scored rows.
        label: its class.
        predicted: the class that the model predicts.
        confidence: the probability of that.
        heat: float32 (size, size) in [0, 1].
    """

    row: int
    label: int
    predicted: int
    confidence: float
    heat: NDArray[np.float32]


@dataclass(frozen=True)
class ModelHeat:
    """Heat maps of one model.

    Attributes:
        model: its name.
        method: ``Grad-CAM`` or ``attention rollout``.
        examples: for each class the most confident correct and wrong one, where there are such.
        rows: the random sample that the shares were computed on.
        shares: (n,) share of each one's heat inside the central box; NaN without heat.
    """

    model: str
    method: str
    examples: tuple[HeatExample, ...]
    rows: Labels
    shares: NDArray[np.float64]

    @property
    def mean(self) -> float:
        """Mean share inside the central box; NaN where no picture has heat."""
        return float(np.nanmean(self.shares)) if np.isfinite(self.shares).any() else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % normal interval of the mean."""
        known = self.shares[np.isfinite(self.shares)]
        if len(known) < 2:
            return self.mean, self.mean
        half = 1.96 * float(known.std(ddof=1)) / len(known) ** 0.5
        return self.mean - half, self.mean + half

    @property
    def at_borders(self) -> bool:
        """Whether the centre has significantly, and by more than one point, less heat than an even spread."""
        return self.interval[1] < EVEN - MARGIN


def compute_heat_maps(data: EvaluationData, weights: Path) -> tuple[list[ModelHeat], list[str]]:
    """Computes heat maps of every model with convolutions or attention.

    Args:
        data: predictions of all models, with the truth.
        weights: folder of pretrained weights; has the architecture of a ViT.

    Returns:
        Heat maps, the best model first, and the names of models without convolutions or attention.

    Raises:
        InputError: a checkpoint is missing or does not fit.
    """
    heat_maps, unexplained = [], []
    for model in data.models:
        maps = _compute_model_heat(data, model, model.card, weights) if model.card and model.card.has_network else None
        if maps is None:
            unexplained.append(model.name)
        else:
            heat_maps.append(maps)
    return heat_maps, unexplained


def _compute_model_heat(
    data: EvaluationData, model: EvaluatedModel, card: ModelCard, weights: Path
) -> ModelHeat | None:
    # Keras takes seconds to start: only where a network is explained.
    from pipeline.inference.opened_network import TaskShape
    from pipeline.inference.saliency.attribution import open_attribution

    _, size, _, channels = data.images.shape
    opened = open_attribution(card, TaskShape(size, channels, len(data.names)), weights)
    if opened is None:
        return None
    sampled = draw_balanced_rows(data.labels, SAMPLED, 0)
    chosen = choose_examples(data.labels, model.probs)
    rows = np.array([*sampled, *chosen], dtype=np.int64)
    predicted = model.probs[rows].argmax(axis=1).astype(np.int64)
    first = [of_seeds[0] for of_seeds in list_checkpoints(data.root, card).values()]
    heat = _compute_heat(data, opened, first, rows, predicted)
    examples = [
        HeatExample(int(row), int(data.labels[row]), int(label), float(model.probs[row, label]), one)
        for row, label, one in zip(chosen, predicted[len(sampled) :], heat[len(sampled) :], strict=True)
    ]
    shares = measure_central_share(heat[: len(sampled)], BOX)
    return ModelHeat(model.name, opened.method, tuple(examples), sampled, shares)


def _compute_heat(
    data: EvaluationData, opened: "Attribution", checkpoints: Sequence[Path], rows: Labels, predicted: Labels
) -> NDArray[np.float32]:
    """Returns heat (n, size, size), each row by the checkpoint of its own fold, of the first seed."""
    heat = np.zeros((len(rows), *data.images.shape[1:3]), dtype=np.float32)
    numbers = np.unique(data.folds).tolist()
    for fold, checkpoint in zip(numbers, checkpoints, strict=True):
        mine = np.flatnonzero(data.folds[rows] == fold)
        if len(mine):
            images = np.stack([data.image(row) for row in rows[mine]])
            heat[mine] = opened.compute_heat(checkpoint, images, predicted[mine])
    return heat


def choose_examples(labels: Labels, probs: Probs) -> list[int]:
    """Returns for each class, the worst ones first and alone of many, the surest right and the surest wrong row."""
    known = compute_class_quality(labels, probs)
    wrong, rows = probs.argmax(axis=1) != labels, []
    for label in known.worst_first[:MOST_CLASSES]:
        rows += find_most_confident(labels, probs, label, label, 1)
        missed = np.flatnonzero(wrong & (labels == label))
        rows += missed[np.argsort(-probs[missed].max(axis=1), kind="stable")][:1].tolist()
    return rows
