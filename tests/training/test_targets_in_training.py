"""Networks on every kind of target: they learn, and what balances, mixes and teaches works or is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import trainings
from support.targets import SPECS, LossScore, retarget

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.paths import folds_path
from pipeline.core.predictions import Predictions, read_predictions, write_predictions
from pipeline.core.targets.contract import Target
from pipeline.core.targets.grade_heads import GradesHead
from pipeline.training.data import load_data
from pipeline.training.recipes.balance import Balance, check_classes, compute_class_weights, find_weak_classes
from pipeline.training.recipes.distillation import Distillation, make_soft_targets
from pipeline.training.recipes.pseudo import PseudoLabelling, check_pseudo, make_pseudo_labels
from pipeline.training.recipes.recipe import Recipe
from pipeline.training.rows import TrainingRows
from pipeline.training.trainer import train_fold

MIXED = {"flip": "alternating", "mixup": 0.2, "cutmix": 0.5, "mix_probability": 0.5}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return trainings.repository(tmp_path)


def recipe(
    augmentation: dict[str, Any] | None = None, sections: dict[str, Any] | None = None, **changes: Any
) -> Recipe:
    adam = {"epochs": 12, "optimizer": {"name": "adam", "learning_rate": 0.01}}
    return parse(trainings.settings(augmentation, 32, **adam | changes) | (sections or {}), Recipe, "a test")


def losses(root: Path, wanted: Recipe) -> tuple[float, float]:
    """Trains fold 0; returns its loss on the valid rows and that of outputs of nought."""
    opened = trainings.session(root, wanted)
    task = replace(trainings.task(root, wanted, "work"), score=LossScore())
    train_fold(task, opened)
    data, target = opened.data, opened.data.target
    valid = data.rows(0)[1]
    values = read_predictions(task.folder / "valid.parquet", target).aligned([data.ids[row] for row in valid], "valid")
    nothing = np.zeros((len(valid), target.n_outputs))
    truth = data.truth[valid]
    learnt = target.measure_output_losses(truth, target.to_outputs(values)).mean()
    return float(learnt), float(target.measure_output_losses(truth, nothing).mean())


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPECS)
def test_a_network_learns_every_kind_from_mixed_images(root: Path, kind: str) -> None:
    retarget(root, kind)
    learnt, chance = losses(root, recipe(MIXED))
    assert learnt < 0.9 * chance


@pytest.mark.slow
@pytest.mark.parametrize("head", ["regression", "cumulative"])
def test_a_network_learns_grades_by_other_heads(root: Path, head: GradesHead) -> None:
    retarget(root, "grades")
    learnt, chance = losses(root, recipe(grades=head))
    assert learnt < 0.8 * chance


def test_labels_are_balanced_by_rows_and_by_weights(root: Path) -> None:
    retarget(root, "several_labels")
    data = load_data(root / "data" / "prepared", folds_path(root))
    settings = {"balance": {"oversample": {"b": 3.0}, "class_weight": "balanced"}}
    rows = TrainingRows(recipe(sections=settings), data, {}, None).sample(0, 0)[0]
    times = np.bincount(rows, minlength=len(data.ids))[data.rows(0)[0]]
    assert np.array_equal(times, np.where(data.truth[data.rows(0)[0], 1] == 1, 3, 1))
    weights = compute_class_weights(data.strata, Balance(class_weight="balanced"), data.target)
    assert weights == pytest.approx([0.5, 2.0])  # of three images two have a and one has b
    assert np.isfinite(losses(root, recipe(sections=settings, epochs=1))).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["vote_shares", "grades"])
def test_classes_of_other_kinds_are_balanced_as_those_of_one_class(root: Path, kind: str) -> None:
    target = retarget(root, kind)
    settings = {"balance": {"oversample": {target.columns[1]: 2.0}, "class_weight": {target.columns[0]: 2.0}}}
    assert np.isfinite(losses(root, recipe(sections=settings, epochs=1))).all()


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("numbers", {"oversample": "balanced"}, r"balance.oversample is for classes and labels, not for numbers"),
        ("numbers", {"class_weight": "balanced"}, r"balance.class_weight is for classes and labels"),
        (
            "several_targets",
            {"oversample": "balanced"},
            r"balance.oversample is for classes and labels, not for numbers",
        ),
        ("several_labels", {"oversample": {"c": 2.0}}, r"no class is called 'c'"),
    ],
)
def test_balance_that_does_not_fit_is_refused(root: Path, kind: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_classes(parse(settings, Balance, "balance"), retarget(root, kind))


def write_oof(root: Path, target: Target) -> Path:
    """Writes a teacher's OOF predictions: of the outputs 1, -1, 1, ..."""
    data = load_data(root / "data" / "prepared", folds_path(root))
    outputs = np.where(np.arange(target.n_outputs) % 2, -1.0, 1.0) * np.ones((len(data.ids), 1))
    path = root / "oof.parquet"
    write_predictions(path, Predictions(data.ids, target.from_outputs(outputs), target.columns, target=target))
    return path


@pytest.mark.parametrize("kind", SPECS)
def test_soft_targets_of_every_kind_lie_between_teacher_and_truth(root: Path, kind: str) -> None:
    target = retarget(root, kind)
    data, rows = load_data(root / "data" / "prepared", folds_path(root)), np.arange(30)
    path = write_oof(root, target)
    given = data.ids, target, data.truth, rows
    hard, soft = target.make_targets(data.truth), target.soften(read_predictions(path, target).probs, 1.0)
    found = make_soft_targets(path, *given, Distillation(oof="oof.parquet", weight=0.25))
    assert found[:30] == pytest.approx(0.75 * hard[:30] + 0.25 * soft[:30], abs=1e-5)
    assert np.isnan(found[30:]).all()
    if kind in ("numbers", "several_targets"):
        with pytest.raises(InputError, match=r"training.distill.temperature: .* numbers are none; say 1, not 2"):
            make_soft_targets(path, *given, Distillation(oof="oof.parquet", temperature=2.0))


def test_weak_labels_are_those_of_lowest_recall(root: Path) -> None:
    target = retarget(root, "several_labels")  # the teacher finds every a and no b
    data = load_data(root / "data" / "prepared", folds_path(root))
    weak = Balance.model_validate({"weak": {"oof": "oof.parquet", "lowest": 1, "factor": 2.0}}).weak
    assert weak is not None
    assert find_weak_classes(weak, write_oof(root, target), data.ids, target, data.truth, np.arange(30)) == (1,)


def test_labels_of_which_teachers_are_sure_become_pseudo_labels(root: Path) -> None:
    target = retarget(root, "several_labels")
    values = np.array([[0.95, 0.02], [0.95, 0.5], [0.05, 0.91]], dtype=np.float32)
    path = root / "test.parquet"
    write_predictions(path, Predictions(("p", "q", "r"), values, target.columns, target=target))
    section = PseudoLabelling(teachers=("wise",), labels="hard")
    found = make_pseudo_labels([path], ("p", "q", "r"), target, section)
    assert found.rows.tolist() == [0, 2]
    assert found.targets.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        ("numbers", {}, r"numbers have no certainty; leave it out"),
        ("several_targets", {}, r"numbers have no certainty"),
        ("several_labels", {"weight": 0.5}, r"training.pseudo.weight is 0.5, .*of several_labels say 1"),
        ("several_labels", {"confidence": 0.5}, r"training.pseudo.confidence is 0.5, .*reaches 0.5"),
    ],
)
def test_pseudo_labels_that_do_not_fit_are_refused(
    root: Path, kind: str, settings: dict[str, Any], message: str
) -> None:
    section = PseudoLabelling.model_validate({"teachers": ("wise",)} | settings)
    with pytest.raises(InputError, match=message):
        check_pseudo(section, retarget(root, kind))
