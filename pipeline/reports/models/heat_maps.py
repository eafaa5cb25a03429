"""Heat maps of each model for correct and wrong examples of each class, and the share of heat near the centre.

Every image is explained by the fold's model that was not trained on it, for the class that this model predicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs, Truth, Values
from pipeline.core.cards import ModelCard
from pipeline.core.sampling import draw_balanced_rows
from pipeline.core.targets.contract import Target, slice_truth
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
        labels: (n,) the class or label of each; -1 where there is none.
        shares: (n,) share of each one's heat inside the central box; NaN without heat.
    """

    model: str
    method: str
    examples: tuple[HeatExample, ...]
    rows: Labels
    labels: Labels
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
    from pipeline.inference.checkpoints import give_trained_head
    from pipeline.inference.saliency.attribution import open_attribution
    from pipeline.inference.task_shape import TaskShape
    from pipeline.inference.trained_model import choose_columns, choose_outputs

    _, size, _, channels = data.images.shape
    target = give_trained_head(card, data.target)
    opened = open_attribution(card, TaskShape(size, channels, target.n_outputs), weights)
    if opened is None:
        return None
    labels, probs = find_one_label(data.target, data.labels, model.probs)
    sampled = draw_balanced_rows(labels, SAMPLED, 0)
    known = np.flatnonzero(labels >= 0)
    chosen = known[choose_examples(labels[known], probs[known])].tolist() if len(known) else []
    rows = np.array([*sampled, *chosen], dtype=np.int64)
    predicted = choose_columns(data.target, model.probs[rows])
    outputs = choose_outputs(target, predicted)
    first = [of_seeds[0] for of_seeds in list_checkpoints(data.root, card).values()]
    heat = _compute_heat(data, opened, first, rows, outputs)
    examples = [
        HeatExample(int(row), int(labels[row]), int(label), float(probs[row, label]), one)
        for row, label, one in zip(chosen, predicted[len(sampled) :], heat[len(sampled) :], strict=True)
    ]
    shares = measure_central_share(heat[: len(sampled)], BOX)
    return ModelHeat(model.name, opened.method, tuple(examples), sampled, labels[sampled], shares)


def _compute_heat(
    data: EvaluationData, opened: "Attribution", checkpoints: Sequence[Path], rows: Labels, outputs: Labels
) -> NDArray[np.float32]:
    """Returns heat (n, size, size), each row by the checkpoint of its own fold, of the first seed."""
    heat = np.zeros((len(rows), *data.images.shape[1:3]), dtype=np.float32)
    numbers = np.unique(data.folds).tolist()
    for fold, checkpoint in zip(numbers, checkpoints, strict=True):
        mine = np.flatnonzero(data.folds[rows] == fold)
        if len(mine):
            images = np.stack([data.image(row) for row in rows[mine]])
            heat[mine] = opened.compute_heat(checkpoint, images, outputs[mine])
    return heat


def find_one_label(target: Target, truth: Truth, values: Values) -> tuple[Labels, Values]:
    """Finds a label for each row, where images may have several.

    Of several labels it is the likeliest one that is true, of shares the largest one, of several targets the class of
    the first one.

    Returns:
        int64 (n,), -1 where there is none, and the probabilities (n, n_labels) that they are compared with.
    """
    _, part, columns, width = next(target.each())
    own, probs = slice_truth(part, truth, width), values[:, columns]
    if own.ndim == 1:
        return own, probs
    if part.activation == "linear":
        return np.full(len(own), -1, dtype=np.int64), probs
    labels = (own if part.exclusive else np.where(own > 0, probs, -1)).argmax(axis=1)
    return np.where(own.sum(axis=1) > 0, labels, -1).astype(np.int64), probs


def choose_examples(labels: Labels, probs: Probs) -> list[int]:
    """Returns for each class, the worst ones first and alone of many, the surest right and the surest wrong row."""
    known = compute_class_quality(labels, probs)
    wrong, rows = probs.argmax(axis=1) != labels, []
    for label in known.worst_first[:MOST_CLASSES]:
        rows += find_most_confident(labels, probs, label, label, 1)
        missed = np.flatnonzero(wrong & (labels == label))
        rows += missed[np.argsort(-probs[missed].max(axis=1), kind="stable")][:1].tolist()
    return rows
