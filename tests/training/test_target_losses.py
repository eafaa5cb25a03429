"""Losses of every kind of target: known values, and what does not fit."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, log_softmax
from support.targets import SPECS

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.targets.contract import CELL_SEPARATOR, Target
from pipeline.core.targets.grade_heads import GradesHead, give_head
from pipeline.training.recipes.built_losses import build_target_loss
from pipeline.training.recipes.losses import set_class_weights
from pipeline.training.recipes.recipe import Training
from pipeline.training.recipes.target_losses import check_loss

OUTPUTS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
FLAT = {"epochs": 1, "batch_size": 8, "optimizer": {"name": "sgd", "learning_rate": 0.1}}


def target(kind: str, head: GradesHead = "classification") -> Target:
    spec, columns, by_class = SPECS[kind]
    return give_head(spec.fit([CELL_SEPARATOR.join(cells) for cells in by_class], columns), head, "here")


def truth(wanted: Target, kind: str) -> NDArray[Any]:
    return wanted.encode([CELL_SEPARATOR.join(cells) for cells in SPECS[kind][2]])


def value(kind: str, head: GradesHead = "classification", weights: Any = None, **settings: Any) -> float:
    wanted = target(kind, head)
    training = parse(FLAT | settings, Training, "a.yaml: training")
    check_loss(training.loss_settings, wanted)
    loss = build_target_loss(wanted, training.loss_settings, weights)
    return float(loss(wanted.make_targets(truth(wanted, kind)), OUTPUTS[:, : wanted.n_outputs]))


@pytest.mark.parametrize(
    ("kind", "head"),
    [(kind, "classification") for kind in SPECS if kind != "vote_shares"]
    + [("grades", "regression"), ("grades", "cumulative")],
)
def test_the_usual_loss_is_what_the_target_measures(kind: str, head: GradesHead) -> None:
    wanted = target(kind, head)
    measured = wanted.measure_output_losses(truth(wanted, kind), OUTPUTS[:, : wanted.n_outputs])
    assert value(kind, head) == pytest.approx(measured.mean(), rel=1e-4)


def test_divergence_of_shares_is_cross_entropy_less_their_entropy() -> None:
    shares = truth(target("vote_shares"), "vote_shares")
    entropy = -(shares * np.log(np.maximum(shares, 1e-7))).sum(axis=1).mean()
    assert value("vote_shares") - value("vote_shares", loss={"name": "kl"}) == pytest.approx(entropy, abs=1e-5)
    assert value("vote_shares") == pytest.approx(-(shares * log_softmax(OUTPUTS[:, :3], axis=1)).sum(axis=1).mean())


def test_numbers_by_other_losses() -> None:
    wanted = target("numbers")
    apart = wanted.make_targets(truth(wanted, "numbers")) - OUTPUTS[:, :2]
    assert value("numbers", loss={"name": "mae"}) == pytest.approx(np.abs(apart).mean())
    huber = np.where(np.abs(apart) <= 0.5, apart**2 / 2, 0.5 * (np.abs(apart) - 0.25))
    assert value("numbers", loss={"name": "huber", "delta": 0.5}) == pytest.approx(huber.mean())
    by_number = value("grades", "regression", loss={"name": "mae"})
    grades = target("grades", "regression")
    assert by_number == pytest.approx(np.abs(grades.make_output_targets(np.arange(3)) - OUTPUTS[:, :1]).mean())


def test_asymmetric_loss_forgets_easy_labels() -> None:
    marks = truth(target("several_labels"), "several_labels")
    probs = expit(OUTPUTS[:, :2].astype(np.float64))
    moved = np.maximum(probs - 0.1, 0)
    wanted = -(marks * (1 - probs) * np.log(probs) + (1 - marks) * moved**3 * np.log(1 - moved)).mean()
    settings = {"name": "asymmetric", "gamma_negative": 3.0, "gamma_positive": 1.0, "margin": 0.1}
    assert value("several_labels", loss=settings) == pytest.approx(wanted, rel=1e-4)


def test_focus_and_smoothing_of_labels_are_those_of_keras() -> None:
    marks = truth(target("several_labels"), "several_labels")
    focal = keras.losses.BinaryFocalCrossentropy(gamma=2.0, from_logits=True)
    assert value("several_labels", focal_gamma=2.0) == pytest.approx(float(focal(marks, OUTPUTS[:, :2])), rel=1e-4)
    smooth = keras.losses.BinaryCrossentropy(label_smoothing=0.2, from_logits=True)
    assert value("several_labels", label_smoothing=0.2) == pytest.approx(float(smooth(marks, OUTPUTS[:, :2])), rel=1e-4)


def test_positive_weights_reach_the_labels_that_a_row_has() -> None:
    marks = truth(target("several_labels"), "several_labels")
    probs = expit(OUTPUTS[:, :2].astype(np.float64))
    wanted = -(np.array([3.0, 0.5]) * marks * np.log(probs) + (1 - marks) * np.log(1 - probs)).mean()
    assert value("several_labels", weights=np.array([3.0, 0.5], np.float32)) == pytest.approx(wanted, rel=1e-4)
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2)])
    settings = parse(FLAT, Training, "a.yaml: training").loss_settings
    model.compile(loss=build_target_loss(target("several_labels"), settings, np.ones(2, np.float32)))
    set_class_weights(model, np.array([3.0, 0.5], np.float32))
    assert float(model.loss(marks, OUTPUTS[:, :2])) == pytest.approx(wanted, rel=1e-4)


def test_several_targets_are_weighed() -> None:
    doubled = value("several_targets", loss_weights={"length": 2.0}) - value("several_targets")
    assert doubled == pytest.approx(value("several_targets") - value("several_targets", loss_weights={"length": 1e-9}))
    assert doubled > 0.1


@pytest.mark.parametrize("head", ["regression", "cumulative"])
def test_heads_of_grades_take_mixed_targets_weights_and_counts(head: GradesHead) -> None:
    wanted = target("grades", head)
    loss = build_target_loss(wanted, parse(FLAT, Training, "here").loss_settings)
    mixed = np.array([[0.5, 0.0, 0.5]], dtype=np.float32)
    assert np.isfinite(float(loss(mixed, OUTPUTS[:1, : wanted.n_outputs])))
    each = [value("grades", head, np.eye(3, dtype=np.float32)[grade]) for grade in range(3)]
    assert sum(each) == pytest.approx(value("grades", head), rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "head", "settings", "message"),
    [
        (
            "one_class",
            "classification",
            {"loss": {"name": "mse"}},
            r"training.loss: mse does not fit .* one_class; known: arcface",
        ),
        ("numbers", "classification", {"loss": {"name": "asymmetric"}}, r"asymmetric does not fit .*numbers"),
        ("several_labels", "classification", {"loss": {"name": "kl"}}, r"kl does not fit .*; .*asymmetric"),
        ("numbers", "classification", {"label_smoothing": 0.1}, r"label_smoothing does not go with .*numbers"),
        (
            "grades",
            "cumulative",
            {"focal_gamma": 1.0},
            r"training.focal_gamma does not go with grades with the head cumul",
        ),
        ("grades", "regression", {"label_smoothing": 0.1}, r"label_smoothing does not go with .*head regression"),
        (
            "one_class",
            "classification",
            {"loss_weights": {"a": 2.0}},
            r"is for several targets at once, not for one",
        ),
        ("several_targets", "classification", {"loss_weights": {"shap": 2.0}}, r"'shap'; did you mean shape"),
        ("several_labels", "classification", {"loss": {"name": "asymmetric"}, "focal_gamma": 1.0}, r"two losses"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    kind: str, head: GradesHead, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        value(kind, head, **settings)


def arcface(wanted: Target, scale: float, margin: float, cosines: NDArray[Any], marks: NDArray[Any]) -> float:
    training = parse(FLAT | {"loss": {"name": "arcface", "margin": margin}}, Training, "a.yaml: training")
    settings = replace(training.loss_settings, scale=scale)
    check_loss(settings, wanted)
    return float(build_target_loss(wanted, settings)(marks, (scale * cosines).astype(np.float32)))


def test_an_angular_margin_enlarges_the_angle_to_the_own_class_alone() -> None:
    wanted = target("one_class")
    cosines = np.array([[0.9, 0.2, -0.3], [-0.99, 0.1, 0.4]])
    marks = np.array([[1, 0, 0], [1, 0, 0]], dtype=np.float32)
    moved = cosines.copy()
    moved[0, 0] = np.cos(np.arccos(0.9) + 0.5)
    moved[1, 0] = -0.99 - 0.5 * np.sin(np.pi - 0.5)  # beyond pi: a straight line
    by_hand = -log_softmax(8 * moved, axis=1)[:, 0].mean()
    assert arcface(wanted, 8, 0.5, cosines, marks) == pytest.approx(by_hand, rel=1e-4)
    plain = -log_softmax(8 * cosines, axis=1)[:, 0].mean()
    assert arcface(wanted, 8, 0.0, cosines, marks) == pytest.approx(plain, rel=1e-4)


@pytest.mark.parametrize("kind", ["several_labels", "numbers", "vote_shares"])
def test_cosines_are_for_classes_alone(kind: str) -> None:
    training = parse(FLAT, Training, "a.yaml: training")
    with pytest.raises(InputError, match=r"network\.head\.cosine is for one class"):
        check_loss(replace(training.loss_settings, scale=30.0), target(kind))


def test_a_margin_needs_a_head_of_cosines() -> None:
    with pytest.raises(InputError, match="arcface is of cosines; add cosine"):
        value("one_class", loss={"name": "arcface"})
