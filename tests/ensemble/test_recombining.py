"""The ensemble's combination made again: by every combiner the same as the ensemble's own."""

from pathlib import Path

import numpy as np
import pytest
from support.fabricated import CLASSES, train_fake, write_params, write_repository

from pipeline.core import paths, predictions
from pipeline.core.cards import EnsembleCard, read_card
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.core.measures.metric import Metric
from pipeline.core.targets.classes import OneClass
from pipeline.ensemble.combiners.catalogue import COMBINERS
from pipeline.ensemble.members import read_test_predictions
from pipeline.ensemble.recombining import check_combination, list_used_members, rebuild_combination
from pipeline.stages import ensemble

MODELS = ("one", "three", "two")


def combined(root: Path, metric: str = "accuracy", **settings: object) -> tuple[EnsembleCard, Metric]:
    """Three members, combined as params.yaml says."""
    write_repository(root, metric=metric, models=MODELS)
    write_params(root, MODELS, ensemble=settings)
    for number, name in enumerate(MODELS):
        train_fake(root, name, seed=number, skill=0.2 + 0.1 * number)
    ensemble.run(root)
    return read_card(paths.card_path(root, paths.ENSEMBLE), EnsembleCard), load_competition(root).metric.metric


def apart(root: Path, card: EnsembleCard, metric: Metric) -> float:
    """The largest difference to the ensemble's own test predictions."""
    known = predictions.read_predictions(paths.predicted_test_path(root, paths.ENSEMBLE), CLASSES)
    again = rebuild_combination(root, metric)(
        read_test_predictions(root, card.members, OneClass(columns=CLASSES), known.ids)
    )
    return float(np.abs(again - known.probs).max())


@pytest.mark.parametrize("name", COMBINERS)
def test_every_combiner_combines_again_to_the_bit(tmp_path: Path, name: str) -> None:
    card, metric = combined(tmp_path, combiners=[name])
    assert card.combiner.removesuffix("+temperature") == name
    assert apart(tmp_path, card, metric) == 0


@pytest.mark.parametrize("name", ["mean", "convex"])
def test_members_with_temperatures_combine_again_to_the_bit(tmp_path: Path, name: str) -> None:
    card, metric = combined(tmp_path, combiners=[name], temperature="always")
    assert card.combiner == f"{name}+temperature"
    assert apart(tmp_path, card, metric) == 0


def test_a_choice_among_several_and_a_decision_rule_combine_again_to_the_bit(tmp_path: Path) -> None:
    card, metric = combined(tmp_path, "macro_f1", combiners=["mean", "convex", "stack_logistic"])
    path = paths.card_path(tmp_path, paths.ENSEMBLE)
    decided = card.model_copy(update={"decision": {"ant": 2.0, "bee": 1.0, "cat": 0.5}})
    assert apart(tmp_path, card, metric) == 0
    path.write_text(decided.model_dump_json(), encoding="utf-8")
    assert apart(tmp_path, card, metric) > 0


def test_members_without_weight_are_not_used(tmp_path: Path) -> None:
    card, _ = combined(tmp_path, combiners=["best_single"])
    assert len(list_used_members(card)) == 1
    assert list_used_members(card.model_copy(update={"weights": {}})) == MODELS


def test_an_ensemble_of_other_predictions_than_lie_there_is_refused(tmp_path: Path) -> None:
    _, metric = combined(tmp_path, combiners=["mean"])
    check_combination(tmp_path, metric)
    train_fake(tmp_path, "one", seed=9)
    with pytest.raises(InputError, match=r"is not what its members give now .*; run `dvc repro ensemble`"):
        check_combination(tmp_path, metric)
