"""Simulated members of every kind of target: what is true, seen through noise that members share in part."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Truth
from pipeline.core.measures.metric import Metric, mean_metric
from pipeline.core.metrics import get_metric
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.several_targets import SeveralTargets
from pipeline.core.targets.vote_shares import VoteShares
from pipeline.ensemble.combiners.contract import OofRows

_AGE = Numbers(columns=("age",), means=(40.0,), scales=(10.0,))
TARGETS: dict[str, Target] = {
    "one_class": OneClass(columns=("ant", "bee", "cat")),
    "grades": Grades(columns=("0", "1", "2", "3"), numbers=(0, 1, 2, 3)),
    "several_labels": SeveralLabels(columns=("haze", "road", "water")),
    "numbers": Numbers(columns=("x", "y"), means=(5.0, -100.0), scales=(2.0, 30.0)),
    "vote_shares": VoteShares(columns=("disk", "edge", "star")),
    "several_targets": SeveralTargets(
        columns=("root:k1", "root:k2", "root:k3", "age:age"),
        parts={"root": OneClass(columns=("k1", "k2", "k3")), "age": _AGE},
    ),
}
METRICS = {
    "one_class": "accuracy",
    "grades": "quadratic_kappa",
    "several_labels": "macro_f1",
    "numbers": "rmse",
    "vote_shares": "kl_divergence",
}


def draw_truth(target: Target, rows: int, random: np.random.Generator) -> Truth:
    """Returns what is true of rows, as the target encodes it."""
    n_columns = len(target.columns)
    if isinstance(target, OneClass):
        return random.integers(0, n_columns, rows)
    if isinstance(target, SeveralLabels):
        return (random.random((rows, n_columns)) < np.linspace(0.15, 0.5, n_columns)).astype(np.float32)
    if isinstance(target, Numbers):
        return target.from_outputs(random.normal(size=(rows, n_columns)))
    if isinstance(target, VoteShares):
        return random.dirichlet(np.full(n_columns, 0.7), rows).astype(np.float32)
    parts = [draw_truth(part, rows, random).reshape(rows, -1) for _, part, _, _ in target.each()]
    return np.concatenate(parts, axis=1).astype(np.float32)


def make_outputs(target: Target, truth: Truth) -> NDArray[np.float64]:
    """Returns outputs that are right and moderately certain."""
    pieces = []
    for _, part, _, width in target.each():
        own = truth if truth.ndim == 1 else part.take_truth(truth[:, width])
        marks = part.make_targets(own).astype(np.float64)
        pieces.append({"softmax": 2 * marks, "sigmoid": 2 * marks - 1, "linear": marks}[part.activation])
    return np.concatenate(pieces, axis=1)


def loss_metric(target: Target) -> Metric:
    """Returns the metric that is the mean loss."""
    return mean_metric("own_loss", False, target.measure_losses, "probabilities")


def sample_kind(kind: str, strengths: Sequence[float], rows: int = 250, seed: int = 0, metric: str = "") -> OofRows:
    """Returns simulated members on five folds; 0 knows nothing."""
    target, random = TARGETS[kind], np.random.default_rng(seed)
    truth = draw_truth(target, rows, random)
    right = make_outputs(target, truth)
    linear = np.concatenate(
        [np.full(len(part.columns), part.activation == "linear") for _, part, _, _ in target.each()]
    )
    shared = random.normal(size=right.shape)
    stacked = []
    for strength in strengths:
        noise = 0.5 * shared + 0.5 * random.normal(size=right.shape)
        # A number is not known better by being larger, but by less noise.
        seen = np.where(linear, min(strength, 1) * right + noise / (0.5 + strength), strength * right + noise)
        stacked.append(target.from_outputs(seen))
    # No shipped metric judges classes beside numbers.
    judge = loss_metric(target) if kind == "several_targets" else get_metric(metric or METRICS[kind], target=target)
    return OofRows(np.stack(stacked), truth, np.arange(rows) % 5, judge, target)
