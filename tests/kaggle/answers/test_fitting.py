"""What answers need beside predictions, and the score of answers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.core.answers import LabelSubmission, ProbabilitySubmission, RankedSubmission
from pipeline.core.metrics import get_metric
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.units import UnitPattern, Units
from pipeline.kaggle.answers import fitting
from pipeline.kaggle.answers.contract import AnswerRule
from pipeline.kaggle.answers.fitting import ScoredRows, fit_rule
from pipeline.kaggle.answers.pooling import choose_pooling_by_piece, pool_values

TWO = OneClass(columns=("no", "yes"))
UNIT = UnitPattern(by="pattern", pattern="(?P<unit>.)")
SAMPLE = pd.DataFrame({"id": ["a"], "y": ["no yes"]})


def score_units(n_units: int, seed: int) -> ScoredRows:
    """Units of eight images, of which one is telling; four folds."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(rng.integers(0, 2, n_units), 8)
    yes = rng.uniform(0.0, 0.5, 8 * n_units)
    yes[::8] += 0.4 * truth[::8]
    values = np.stack([1 - yes, yes], axis=1).astype(np.float32)
    units = tuple(f"u{number // 8}" for number in range(8 * n_units))
    return ScoredRows(truth, values, np.repeat(np.arange(n_units) % 4, 8), units)


def section(**changes: Any) -> LabelSubmission:
    return LabelSubmission(kind="label", sample="s.csv", id="id", label="y", positive="yes", **changes)


def test_images_that_stand_alone_need_nothing() -> None:
    scored = score_units(8, 0)
    alone = ScoredRows(scored.truth, scored.values, scored.folds, ("",) * 64)
    rule, score = fit_rule(section(), SAMPLE, TWO, get_metric("accuracy"), alone)
    assert rule == AnswerRule()
    assert score == get_metric("accuracy").score(scored.truth, scored.values)


def test_the_pooling_is_chosen_where_training_images_have_units() -> None:
    metric, scored = get_metric("roc_auc"), score_units(40, 1)
    rule, score = fit_rule(section(unit=Units(test=UNIT, train=UNIT)), SAMPLE, TWO, metric, scored)
    assert rule.pooling != "mean"
    assert score > 0.9


TAGS = SeveralLabels(columns=("all", "one"))
AREA = get_metric("roc_auc", target=TAGS)
EACH = ProbabilitySubmission(kind="probabilities", sample="s.csv", id="id", unit=Units(test=UNIT, train=UNIT))


def score_labels(n_units: int, folds: int) -> ScoredRows:
    """Units of eight images: of the second label one image tells, of the first all."""
    rng = np.random.default_rng(4)
    truth = np.repeat(rng.integers(0, 2, (n_units, 2)).astype(np.float32), 8, axis=0)
    values = np.clip(rng.normal(0.3, 0.15, truth.shape) + 0.15 * truth * [1, 0], 0, 1).astype(np.float32)
    values[:, 1] = rng.uniform(0.0, 0.5, len(values))
    values[::8, 1] += 0.45 * truth[::8, 1]
    units = tuple(f"u{number // 8}" for number in range(8 * n_units))
    return ScoredRows(truth, values, np.repeat(np.arange(n_units) % folds, 8), units)


def test_each_label_is_pooled_in_its_own_way_where_that_scores_better() -> None:
    scored = score_labels(400, 4)
    rule, score = fit_rule(EACH, SAMPLE, TAGS, AREA, scored)
    assert rule.pooling == {"all": "mean", "one": "max"}
    common = [
        roc_auc_score(scored.truth[::8], pool_values(TAGS, scored.values, scored.units, name)[1])
        for name in ("mean", "power_4", "power_8", "max")
    ]
    assert score > max(common)


def test_the_score_is_that_of_what_the_other_folds_choose() -> None:
    scored, order, pooled = score_labels(240, 4), [], []
    for fold in range(4):
        inner, outer = (np.flatnonzero(mask) for mask in (scored.folds != fold, scored.folds == fold))
        units = [tuple(scored.units[row] for row in rows) for rows in (inner, outer)]
        others = ScoredRows(scored.truth[inner], scored.values[inner], scored.folds[inner], units[0])
        pooling = fit_rule(EACH, SAMPLE, TAGS, AREA, others)[0].pooling
        order += outer[::8].tolist()
        pooled.append(pool_values(TAGS, scored.values[outer], units[1], pooling)[1])
    _, score = fit_rule(EACH, SAMPLE, TAGS, AREA, scored)
    assert score == pytest.approx(AREA.score(scored.truth[order], np.concatenate(pooled)), abs=1e-12)


@pytest.mark.parametrize(("folds", "choices"), [(5, 1 + 5 + 10), (8, 1 + 8 + 16), (16, 1 + 16 + 32)])
def test_the_cost_of_a_choice_grows_with_the_folds_and_not_with_their_square(
    monkeypatch: pytest.MonkeyPatch, folds: int, choices: int
) -> None:
    made = []

    def counted(*given: Any) -> dict[str, str]:
        made.append(given)
        return choose_pooling_by_piece(*given)

    monkeypatch.setattr(fitting, "choose_pooling_by_piece", counted)
    fit_rule(EACH, SAMPLE, TAGS, AREA, score_labels(320, folds))
    assert folds < len(made) <= choices


def test_one_scored_fold_chooses_one_pooling_for_all_labels() -> None:
    rule, _ = fit_rule(EACH, SAMPLE, TAGS, AREA, score_labels(120, 1))
    assert isinstance(rule.pooling, str)


def test_permuted_units_score_at_chance() -> None:
    scored = score_units(60, 2)
    mixed = np.repeat(np.random.default_rng(3).permutation(scored.truth[::8]), 8)
    wrong = ScoredRows(mixed, scored.values, scored.folds, scored.units)
    _, score = fit_rule(section(unit=Units(test=UNIT, train=UNIT)), SAMPLE, TWO, get_metric("roc_auc"), wrong)
    assert 0.35 < score < 0.65


def test_without_units_in_training_it_is_the_wanted_pooling_or_the_mean() -> None:
    scored = score_units(8, 0)
    alone = ScoredRows(scored.truth, scored.values, scored.folds, ("",) * 64)
    for wanted, pooling in ((None, "mean"), ("max", "max"), ("power", "power_4")):
        unit = Units(test=UNIT, pooling=wanted)  # type: ignore[arg-type]
        assert fit_rule(section(unit=unit), SAMPLE, TWO, get_metric("accuracy"), alone)[0].pooling == pooling


@pytest.mark.parametrize(("new", "fitted"), [("other", True), ("no", False), (None, False)])
def test_a_threshold_is_fitted_for_a_class_of_its_own_alone(new: str | None, fitted: bool) -> None:
    scored = score_units(8, 0)
    alone = ScoredRows(scored.truth, scored.values, scored.folds, ("",) * 64)
    ranked = RankedSubmission(kind="ranked", sample="s.csv", id="id", label="y", new=new)
    rule, _ = fit_rule(ranked, SAMPLE, TWO, get_metric("accuracy"), alone)
    assert (rule.new_threshold > 0) == fitted
