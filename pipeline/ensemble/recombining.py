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
from pipeline.core.metrics import Metric
from pipeline.core.paths import classes_path
from pipeline.ensemble.calibration import all_cooled, cooled, temperatures
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.combiners.contract import Sample
from pipeline.ensemble.decisions import weighed
from pipeline.ensemble.members import read_members, read_test
from pipeline.ensemble.nested import COOLED, parts_of

Combine = Callable[[Probs], Probs]
_SAME = 1e-5


def used_members(card: EnsembleCard) -> tuple[str, ...]:
    """Names the members whose predictions count: those with a weight, or all where a combiner has none."""
    return tuple(name for name in card.members if not card.weights or card.weights[name] > 0)


def recombine(root: Path, metric: Metric) -> Combine:
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
    sample = Sample(members.stacked, labels, parts_of(folds, groups, labels), metric)
    name, cools = card.combiner.removesuffix(COOLED), card.combiner.endswith(COOLED)
    degrees = temperatures(labels, members.stacked) if cools else None
    fitted = COMBINERS[name](
        sample if degrees is None else replace(sample, stacked=all_cooled(sample.stacked, degrees))
    )
    factors = np.array([card.decision[name] for name in classes]) if card.decision else None

    def combine(stacked: Probs) -> Probs:
        combined = fitted(stacked if degrees is None else all_cooled(stacked, degrees))
        finished = cooled(combined, card.temperature)
        return finished if factors is None else weighed(finished, factors)

    return combine


def check_recombines(root: Path, metric: Metric) -> None:
    """Holds the combination made again to the ensemble's own test predictions.

    Raises:
        InputError: they differ: the ensemble was made of other predictions than those that lie there now.
    """
    card = read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard)
    path = paths.predicted_test_path(root, paths.ENSEMBLE)
    known = predictions.read_predictions(path, tables.read_classes(classes_path(root)))
    again = recombine(root, metric)(read_test(root, card.members, known.classes, known.ids))
    apart = float(np.abs(again - known.probs).max(initial=0.0))
    if apart > _SAME:
        raise InputError(
            f"{path} is not what its members give now (probabilities differ by up to {apart:.2g}); "
            "run `dvc repro ensemble`"
        )
