"""The ensemble's combination, made again from its card and the members' out-of-fold predictions.

Nothing of a fit is kept but numbers in a card, and stacks have none there: the combiner that was chosen is fitted again
to the same rows, which gives the same; temperature and decision rule at the end are the card's.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.core import paths, predictions, tables
from pipeline.core.arrays import Probs
from pipeline.core.cards import EnsembleCard, read_card
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.paths import classes_path
from pipeline.ensemble.calibration import apply_temperature, apply_temperatures, fit_temperatures
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.combiners.contract import OofRows
from pipeline.ensemble.decisions import apply_class_factors
from pipeline.ensemble.members import read_members, read_test_predictions
from pipeline.ensemble.nested import WITH_TEMPERATURE, assign_parts

Combine = Callable[[Probs], Probs]
_SAME = 1e-5


def list_used_members(card: EnsembleCard) -> tuple[str, ...]:
    """Names the members whose predictions count: those with a weight, or all where a combiner has none."""
    return tuple(name for name in card.members if not card.weights or card.weights[name] > 0)


def rebuild_combination(root: Path, metric: Metric) -> Combine:
    """Makes the combination of ``reports/ensemble.json`` again.

    Args:
        root: the repository folder, or what `pack` made of it.
        metric: the competition's.

    Returns:
        What takes the members' predictions of any rows, (n_members, n_samples, n_classes) in the card's order, to the
        ensemble's.

    Raises:
        InputError: there is no ensemble, or its members' predictions are gone or are others.
    """
    card = read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard)
    classes = tables.read_classes(classes_path(root))
    members = read_members(root, card.members, classes, allow_peeked=True)  # the ensemble has accepted them
    labels, folds, groups = (members.rows[name].to_numpy(dtype=np.int64) for name in ("label", "fold", "group"))
    sample = OofRows(members.stacked, labels, assign_parts(folds, groups, labels), metric)
    name, cools = card.combiner.removesuffix(WITH_TEMPERATURE), card.combiner.endswith(WITH_TEMPERATURE)
    degrees = fit_temperatures(labels, members.stacked) if cools else None
    fitted = COMBINERS[name](
        sample if degrees is None else replace(sample, stacked=apply_temperatures(sample.stacked, degrees))
    )
    factors = np.array([card.decision[name] for name in classes]) if card.decision else None

    def combine(stacked: Probs) -> Probs:
        combined = fitted(stacked if degrees is None else apply_temperatures(stacked, degrees))
        finished = apply_temperature(combined, card.temperature)
        return finished if factors is None else apply_class_factors(finished, factors)

    return combine


def check_combination(root: Path, metric: Metric) -> None:
    """Holds the combination made again to the ensemble's own test predictions.

    Raises:
        InputError: they differ: the ensemble was made of other predictions than those that lie there now.
    """
    card = read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard)
    path = paths.predicted_test_path(root, paths.ENSEMBLE)
    known = predictions.read_predictions(path, tables.read_classes(classes_path(root)))
    again = rebuild_combination(root, metric)(read_test_predictions(root, card.members, known.classes, known.ids))
    apart = float(np.abs(again - known.probs).max(initial=0.0))
    if apart > _SAME:
        raise InputError(
            f"{path} is not what its members give now (probabilities differ by up to {apart:.2g}); "
            "run `dvc repro ensemble`"
        )
