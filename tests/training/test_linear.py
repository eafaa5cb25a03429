"""Linear models of every kind of target: what they fit, and that a fold of each trains and reads back."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from support import trainings
from support.targets import SPECS, LossScore, retarget

from pipeline.core.errors import InputError
from pipeline.core.predictions import read_predictions
from pipeline.core.targets.classes import Grades, OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import GradesHead, give_head
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.core.targets.vote_shares import VoteShares
from pipeline.training.classic.linear import LogisticRegression, fit_linear
from pipeline.training.classic.recipe import ClassicRecipe, load_classic_model, parse_classic_recipe, predict_logits
from pipeline.training.classic.training import ClassicSession, train_classic_fold
from pipeline.training.data import load_data

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(200, 4)).astype(np.float32)


def recipe(**changes: Any) -> ClassicRecipe:
    features = {"name": "hog", "pixels_per_cell": 4, "cells_per_block": 1}
    return parse_classic_recipe({"features": features, "classifier": {"C": 1.0} | changes}, "a test")


def train(root: Path, wanted: ClassicRecipe) -> tuple[Path, Target]:
    task = replace(trainings.task(root, cast(Any, wanted), "work"), score=LossScore())
    session = ClassicSession(wanted, load_data(task.prepared, task.folds), root / "descriptors", 1)
    train_classic_fold(task, session)
    return task.folder, session.data.target


@pytest.mark.parametrize("kind", SPECS)
def test_every_kind_trains_better_than_chance_and_reads_back(tmp_path: Path, kind: str) -> None:
    root = trainings.repository(tmp_path)
    retarget(root, kind)
    folder, target = train(root, recipe())
    data = load_data(root / "data" / "prepared", root / "folds" / "folds.csv")
    valid = data.rows(0)[1]
    values = read_predictions(folder / "valid.parquet", target).aligned([data.ids[row] for row in valid], "valid")
    nothing = target.from_outputs(np.zeros((len(valid), target.n_outputs)))
    losses, chance = (target.measure_losses(data.truth[valid], each).mean() for each in (values, nothing))
    assert losses < 0.8 * chance
    logits = predict_logits(
        load_classic_model(folder / "checkpoint.npz"), recipe(), np.asarray(data.test_images), target
    )
    kept = read_predictions(folder / "test.parquet", target).probs
    np.testing.assert_allclose(target.from_outputs(logits), kept, atol=1e-5)


@pytest.mark.parametrize("head", ["regression", "cumulative"])
def test_heads_of_grades_predict_distributions(tmp_path: Path, head: GradesHead) -> None:
    root = trainings.repository(tmp_path)
    target = retarget(root, "grades")
    folder, _ = train(root, recipe(grades=head))
    found = read_predictions(folder / "valid.parquet", target)  # sums and signs are checked
    assert found.probs.shape == (20, 3)
    width = {"regression": 1, "cumulative": 2}[head]
    assert load_classic_model(folder / "checkpoint.npz").intercepts.shape == (width,)


def test_another_head_is_for_grades(tmp_path: Path) -> None:
    root = trainings.repository(tmp_path)
    with pytest.raises(InputError, match=r"classifier.grades: regression is for a target of ordered"):
        train(root, recipe(grades="regression"))


def test_a_label_that_never_changes_has_its_share_as_probability() -> None:
    marks = np.stack([FEATURES[:, 0] > 0, np.zeros(200), np.ones(200)], axis=1).astype(np.float32)
    target = SeveralLabels(columns=("a", "b", "c"))
    fit = fit_linear(FEATURES, marks, target, LogisticRegression())
    values = target.from_outputs(FEATURES @ fit.coefficients + fit.intercepts)
    assert ((values[:, 0] > 0.5) == (marks[:, 0] == 1)).mean() > 0.95
    assert values[:, 1] == pytest.approx(np.full(200, 0.5 / 201), abs=1e-6)
    assert values[:, 2] == pytest.approx(np.full(200, 200.5 / 201), abs=1e-6)


def test_numbers_are_linear() -> None:
    truth = np.stack([3 * FEATURES[:, 0] - FEATURES[:, 1] + 100, FEATURES[:, 2]], axis=1)
    target = Numbers(
        columns=("x", "y"), means=tuple(truth.mean(axis=0).tolist()), scales=tuple(truth.std(axis=0).tolist())
    )
    fit = fit_linear(FEATURES, truth, target, LogisticRegression(C=1000))
    assert target.from_outputs(FEATURES @ fit.coefficients + fit.intercepts) == pytest.approx(truth, abs=0.01)


def test_shares_of_one_vote_each_are_classes() -> None:
    labels = (FEATURES[:, 0] > 0).astype(np.int64) + (FEATURES[:, 1] > 1)
    settings = LogisticRegression(C=0.5, max_iter=1000)
    shares = fit_linear(FEATURES, np.eye(3, dtype=np.float32)[labels], VoteShares(columns=("a", "b", "c")), settings)
    classes = fit_linear(FEATURES, labels, OneClass(columns=("a", "b", "c")), settings)
    assert shares.coefficients == pytest.approx(classes.coefficients, abs=5e-3)


def test_a_class_without_rows_is_improbable_and_no_error() -> None:
    target, labels = OneClass(columns=("a", "b", "c", "d")), np.where(FEATURES[:, 0] > 0, 0, 2)
    fit = fit_linear(FEATURES, labels, target, LogisticRegression())
    values = target.from_outputs(FEATURES @ fit.coefficients + fit.intercepts)
    assert values[:, [1, 3]].max() < 0.01
    assert (values.argmax(axis=1) == labels).mean() > 0.95
    alone = fit_linear(FEATURES, np.full(200, 3), target, LogisticRegression())
    assert target.from_outputs(FEATURES @ alone.coefficients + alone.intercepts)[:, 3].min() > 0.99


def test_cumulated_grades_rise_with_their_cause() -> None:
    target = give_head(Grades(columns=("0", "1", "2"), numbers=(0, 1, 2)), "cumulative", "here")
    labels = np.digitize(FEATURES[:, 0], [-0.5, 0.5])
    fit = fit_linear(FEATURES, labels, target, LogisticRegression())
    assert (target.from_outputs(FEATURES @ fit.coefficients + fit.intercepts).argmax(axis=1) == labels).mean() > 0.9


def test_numbers_have_no_class_weights() -> None:
    target = Numbers(columns=("x",), means=(0.0,), scales=(1.0,))
    with pytest.raises(InputError, match="class_weight: balanced is for classes and labels"):
        fit_linear(FEATURES, FEATURES[:, :1], target, LogisticRegression(class_weight="balanced"))


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers", "shares"])
def test_a_row_of_weight_two_is_a_row_that_stands_there_twice(kind: str) -> None:
    labels = (FEATURES @ np.eye(4, 2, dtype=np.float32)).argmax(axis=1)
    marks = np.eye(2, dtype=np.float32)[labels]
    target: Target = {
        "classes": OneClass(columns=("a", "b")),
        "labels": SeveralLabels(columns=("a", "b")),
        "numbers": Numbers(columns=("a", "b"), means=(0.5, 0.5), scales=(0.5, 0.5)),
        "shares": VoteShares(columns=("a", "b")),
    }[kind]
    truth = labels if kind == "classes" else marks
    twice = np.concatenate([np.arange(200), np.arange(50)])
    weights = np.where(np.arange(200) < 50, np.float32(2), np.float32(1))
    section = LogisticRegression(C=0.1, max_iter=2000)
    made = fit_linear(FEATURES, truth, target, section, weights)
    repeated = fit_linear(FEATURES[twice], truth[twice], target, section)
    np.testing.assert_allclose(made.coefficients, repeated.coefficients, atol=2e-3)
    np.testing.assert_allclose(made.intercepts, repeated.intercepts, atol=2e-3)
