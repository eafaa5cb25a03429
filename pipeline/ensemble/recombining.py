"""The ensemble's combination, made again from its card and the members' out-of-fold predictions.

Nothing of a fit is kept but numbers in a card, and stacks have none there: the combiner that was chosen is fitted again
to the same rows, which gives the same; temperature and decision rule at the end are the card's.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.core import paths, predictions
from pipeline.core.arrays import Values
from pipeline.core.cards import EnsembleCard, SubmissionCard, read_card
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.targets.contract import Target
from pipeline.core.targets.prepared import read_target
from pipeline.ensemble.calibration import apply_temperature, apply_temperatures, fit_temperatures
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.combiners.contract import OofRows
from pipeline.ensemble.decisions import read_decision
from pipeline.ensemble.members import read_members, read_test_predictions
from pipeline.ensemble.nested import WITH_TEMPERATURE, assign_parts

Combine = Callable[[Values], Values]
_SAME = 1e-5


def list_used_members(card: EnsembleCard) -> tuple[str, ...]:
    """Names the members whose predictions count: those with a weight, or all where a combiner has none."""
    return tuple(name for name in card.members if not card.weights or card.weights[name] > 0)


def read_rule_alone(card: SubmissionCard, target: Target) -> Callable[[Values], Values] | None:
    """Reads the decision rule of a single model's submission from its card; None where it has none."""
    return None if card.rule is None else read_decision(card.rule, target, card.decision)


def rebuild_combination(root: Path, metric: Metric) -> Combine:
    """Makes the combination of ``reports/ensemble.json`` again.

    Args:
        root: the repository folder, or what `pack` made of it.
        metric: the competition's.

    Returns:
        What takes the members' predictions of any rows, (n_members, n_samples, n_columns) in the card's order, to the
        ensemble's.

    Raises:
        InputError: there is no ensemble, or its members' predictions are gone or are others.
    """
    card = read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard)
    target = read_target(paths.prepared_folder(root))
    members = read_members(root, card.members, target, allow_peeked=True)  # the ensemble has accepted them
    truth, (folds, groups) = members.truth, (members.rows[name].to_numpy(dtype=np.int64) for name in ("fold", "group"))
    sample = OofRows(members.stacked, truth, assign_parts(folds, groups, truth, target), metric, target)
    name, cools = card.combiner.removesuffix(WITH_TEMPERATURE), card.combiner.endswith(WITH_TEMPERATURE)
    degrees = fit_temperatures(truth, members.stacked, target) if cools else None
    fitted = COMBINERS[name](
        sample if degrees is None else replace(sample, stacked=apply_temperatures(sample.stacked, degrees, target))
    )
    decision = read_decision(card.rule, target, card.decision)

    def combine(stacked: Values) -> Values:
        combined = fitted(stacked if degrees is None else apply_temperatures(stacked, degrees, target))
        finished = apply_temperature(combined, card.temperature, target)
        return finished if decision is None else decision(finished)

    return combine


def check_combination(root: Path, metric: Metric) -> None:
    """Holds the combination made again to the ensemble's own test predictions.

    Raises:
        InputError: they differ: the ensemble was made of other predictions than those that lie there now.
    """
    card = read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard)
    path = paths.predicted_test_path(root, paths.ENSEMBLE)
    target = read_target(paths.prepared_folder(root))
    known = predictions.read_predictions(path, target)
    again = rebuild_combination(root, metric)(read_test_predictions(root, card.members, target, known.ids))
    scales = np.maximum(np.abs(known.probs).max(axis=0, initial=0.0), 1)  # numbers may be large
    apart = float((np.abs(again - known.probs) / scales).max(initial=0.0))
    if apart > _SAME:
        raise InputError(
            f"{path} is not what its members give now (probabilities differ by up to {apart:.2g}); "
            "run `dvc repro ensemble`"
        )
