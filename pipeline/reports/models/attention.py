"""Where each model looks: heat for right and wrong examples of each class, and how much of it lies in the middle.

Every picture is asked of the fold's model that did not see it, about the class that this model takes it for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Probs
from pipeline.core.cards import ModelCard
from pipeline.inference.saliency.heat import measure_central_share
from pipeline.inference.selection import list_checkpoints
from pipeline.reports.models.by_class import by_class, surest
from pipeline.reports.models.material import Material, Model

if TYPE_CHECKING:
    from pipeline.inference.saliency.attribution import Attribution

BOX = 0.5  # side of the central box, as a share of the picture's
EVEN = BOX * BOX  # what heat without a preference has in the box
MARGIN = 0.01  # heat that is all but even is no warning
SAMPLED = 128
MOST_CLASSES = 20


@dataclass(frozen=True)
class Shown:
    """A picture with its heat.

    Attributes:
        row: of the material.
        label: its class.
        said: what the model takes it for.
        sure: the probability of that.
        heat: float32 (size, size) in [0, 1].
    """

    row: int
    label: int
    said: int
    sure: float
    heat: NDArray[np.float32]


@dataclass(frozen=True)
class Looked:
    """Where one model looks.

    Attributes:
        model: its name.
        method: ``Grad-CAM`` or ``attention rollout``.
        shown: for each class a right and a wrong example, where there are such; the surest.
        rows: the random sample that the shares are of.
        shares: (n,) share of each one's heat inside the central box; NaN without heat.
    """

    model: str
    method: str
    shown: tuple[Shown, ...]
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
        """Whether the middle has surely, and by more than a point, less heat than an even spread would give it."""
        return self.interval[1] < EVEN - MARGIN


def look(material: Material, weights: Path) -> tuple[list[Looked], list[str]]:
    """Asks every model that can be asked.

    Args:
        material: of the report.
        weights: folder of pretrained weights; tells the shape of a ViT.

    Returns:
        what was seen, the best model first, and the names of models without convolutions or attention.

    Raises:
        InputError: a checkpoint is missing or does not fit.
    """
    looked, blind = [], []
    for model in material.models:
        found = _look(material, model, model.card, weights) if model.card and _is_network(model.card) else None
        if found is None:
            blind.append(model.name)
        else:
            looked.append(found)
    return looked, blind


def _is_network(card: ModelCard) -> bool:
    return "classifier" not in card.config


def _look(material: Material, model: Model, card: ModelCard, weights: Path) -> Looked | None:
    # Keras takes seconds to start; runtime before all that imports it, as it quiets that.
    from pipeline.inference.opened_network import TaskShape
    from pipeline.inference.saliency.attribution import open_attribution
    from pipeline.networks import runtime  # noqa: F401

    _, size, _, channels = material.images.shape
    opened = open_attribution(card, TaskShape(size, channels, len(material.names)), weights)
    if opened is None:
        return None
    sampled = sample(material.labels, SAMPLED)
    chosen = examples(material.labels, model.probs)
    rows = np.array([*sampled, *chosen], dtype=np.int64)
    said = model.probs[rows].argmax(axis=1).astype(np.int64)
    heat = _heat(material, opened, list_checkpoints(material.root, card), rows, said)
    shown = [
        Shown(int(row), int(material.labels[row]), int(asked), float(model.probs[row, asked]), one)
        for row, asked, one in zip(chosen, said[len(sampled) :], heat[len(sampled) :], strict=True)
    ]
    shares = measure_central_share(heat[: len(sampled)], BOX)
    return Looked(model.name, opened.method, tuple(shown), sampled, shares)


def _heat(
    material: Material, opened: "Attribution", checkpoints: Sequence[Path], rows: Labels, said: Labels
) -> NDArray[np.float32]:
    """Returns heat (n, size, size), each row by the checkpoint of its own fold."""
    heat = np.zeros((len(rows), *material.images.shape[1:3]), dtype=np.float32)
    numbers = np.unique(material.folds).tolist()
    for fold, checkpoint in zip(numbers, checkpoints, strict=True):
        mine = np.flatnonzero(material.folds[rows] == fold)
        if len(mine):
            images = np.stack([material.image(row) for row in rows[mine]])
            heat[mine] = opened.compute_heat(checkpoint, images, said[mine])
    return heat


def sample(labels: Labels, many: int, seed: int = 0) -> Labels:
    """Returns rows drawn at random, class by class in turn until there are enough."""
    order = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), dtype=np.int64)  # the how-manieth of its class each row is
    for label in np.unique(labels):
        own = order[labels[order] == label]
        rank[own] = np.arange(len(own))
    return np.sort(order[np.argsort(rank[order], kind="stable")][:many])


def examples(labels: Labels, probs: Probs) -> list[int]:
    """Returns for each class, the worst ones first and alone of many, the surest right and the surest wrong row."""
    known = by_class(labels, probs)
    wrong, found = probs.argmax(axis=1) != labels, []
    for label in known.worst_first[:MOST_CLASSES]:
        found += surest(labels, probs, label, label, 1)
        missed = np.flatnonzero(wrong & (labels == label))
        found += missed[np.argsort(-probs[missed].max(axis=1), kind="stable")][:1].tolist()
    return found
