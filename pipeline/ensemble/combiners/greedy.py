"""Greedy ensemble selection with replacement, sorted initialisation and bags of members.

References: Caruana et al. 2004, Ensemble selection from libraries of models, https://doi.org/10.1145/1015330.1015432;
Caruana et al. 2006, Getting the most out of ensemble selection, https://doi.org/10.1109/ICDM.2006.76 (bags).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.core.arrays import Labels, Weights
from pipeline.core.progress import track_progress
from pipeline.ensemble.combiners.contract import Fitted, OofRows, make_blend
from pipeline.ensemble.combiners.scorers import (
    Scorer,
    make_accuracy_scorer,
    make_log_loss_scorer,
    make_loss_scorer,
    make_metric_scorer,
    make_product_scorer,
    make_value_scorer,
)

MOST_SORTED, PICKS = 25, 100
# Predictions of one member that a search looks at where a row has many: of more, rows are drawn.
LOSS_CELLS, METRIC_CELLS = 200_000, 100_000
_SMALLEST_BAG = 3


@dataclass(frozen=True)
class Effort:
    """How long is searched: bags of half the members each, and picks in each bag."""

    bags: int
    rounds: int


BY_LOG_LOSS = Effort(bags=20, rounds=50)
BY_ACCURACY = Effort(bags=10, rounds=25)
BY_OTHERS = Effort(bags=5, rounds=25)


def fit_greedy(sample: OofRows) -> Fitted:
    """Selects among all members by the loss, whatever the metric: it flatters itself less than accuracy."""
    values, score = _score_by_loss(sample)
    return make_blend(select_members(values, np.arange(len(values)), score, PICKS), sample.target)


def fit_greedy_bagged(sample: OofRows) -> Fitted:
    """Selects by the loss among random halves of the members: weights more even, probabilities more cautious."""
    values, score = _score_by_loss(sample)
    return make_blend(select_in_bags(values, score, BY_LOG_LOSS, sample.seed), sample.target)


def fit_greedy_metric(sample: OofRows) -> Fitted:
    """Selects by the competition's metric among random halves of the members."""
    labels = sample.classes
    if labels is None:
        drawn = sample.draw_rows(METRIC_CELLS)
        weights = select_in_bags(drawn.stacked, make_value_scorer(drawn), BY_OTHERS, sample.seed)
    elif sample.metric.name == "accuracy":
        weights = select_in_bags(*make_accuracy_scorer(sample.stacked, labels), BY_ACCURACY, sample.seed)
    else:
        weights = select_in_bags(sample.stacked, make_metric_scorer(labels, sample.metric), BY_OTHERS, sample.seed)
    return make_blend(weights, sample.target)


def _score_by_loss(sample: OofRows) -> tuple[NDArray[np.float32], Scorer]:
    """Returns what is summed over members (n_members, ...), and the scorer of such sums."""
    if sample.classes is not None:
        values = sample.loss.likelihoods.astype(np.float32, copy=False)
        return values, make_log_loss_scorer(values.shape[1])
    loss = sample.draw_rows(LOSS_CELLS).loss
    return make_product_scorer(loss.likelihoods) if loss.is_plain else make_loss_scorer(loss)


def select_in_bags(values: NDArray[np.float32], score: Scorer, effort: Effort, seed: int) -> Weights:
    """Returns the mean weights of selections among random halves of the members.

    Args:
        values: (n_members, ...), what is summed and scored.
        score: of a sum.
        effort: how long is searched.
        seed: of the bags.
    """
    n_members = len(values)
    size = min(n_members, max(_SMALLEST_BAG, (n_members + 1) // 2))
    random = np.random.default_rng(seed)
    bags = effort.bags if size < n_members else 1
    chosen = [np.sort(random.permutation(n_members)[:size]) for _ in range(bags)]
    weights = np.zeros(n_members)
    found: dict[bytes, Weights] = {}  # of few members the same halves are drawn again
    with track_progress("ensemble selection: picks", bags * effort.rounds) as advance:
        for members in chosen:
            if (bag := members.tobytes()) in found:
                advance(effort.rounds)
            else:
                found[bag] = select_members(values, members, score, effort.rounds, advance)
            weights[members] += found[bag]
    shares: Weights = weights / weights.sum()
    return shares


def select_members(
    values: NDArray[np.float32],
    members: Labels,
    score: Scorer,
    rounds: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Weights:
    """Returns the weights of one selection.

    Begins with the best members, as many as score best together; then picks, with replacement, whichever member
    raises the score most, and in the end returns to the best sum seen.

    Args:
        values: (n_members, ...) of all members.
        members: indices of those that may be picked.
        score: of a sum.
        rounds: picks after the start.
        advance: told each pick.

    Returns:
        (n_chosen,) weights of ``members``, sum 1.
    """
    total, counts, best = _sorted_start(values, members, score)
    best_counts = counts.copy()
    for _ in range(rounds):
        many = int(counts.sum()) + 1
        scores = [score(total, values[member], many) for member in members]
        pick = int(np.argmax(scores))
        total += values[members[pick]]
        counts[pick] += 1
        if scores[pick] > best:
            best, best_counts = scores[pick], counts.copy()
        advance(1)
    weights: Weights = best_counts / best_counts.sum()
    return weights


def _sorted_start(
    values: NDArray[np.float32], members: Labels, score: Scorer
) -> tuple[NDArray[np.float32], NDArray[np.int64], float]:
    """Returns the sum of the best members, which they are (counts), and its score."""
    nothing = np.zeros(values.shape[1:], dtype=np.float32)
    alone = [score(nothing, values[member], 1) for member in members]
    order = np.argsort(-np.asarray(alone), kind="stable")[:MOST_SORTED]
    together, total = [], nothing.copy()
    for many, place in enumerate(order, start=1):
        together.append(score(total, values[members[place]], many))
        total += values[members[place]]
    many = int(np.argmax(together)) + 1
    counts = np.zeros(len(members), dtype=np.int64)
    total = nothing
    for place in order[:many]:
        total += values[members[place]]
        counts[place] = 1
    return total, counts, float(together[many - 1])
