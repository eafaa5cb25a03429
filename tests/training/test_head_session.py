"""A session of heads: moments by fold, strengths chosen within the training rows, every head on every target."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.core.targets.contract import Target
from pipeline.core.targets.numbers import Numbers
from pipeline.core.targets.several_labels import SeveralLabels
from pipeline.training.classic.recipe import ClassicModel
from pipeline.training.data import Data
from pipeline.training.heads import moments
from pipeline.training.heads.moments import join_features
from pipeline.training.heads.other_heads import load_neighbours, save_neighbours
from pipeline.training.heads.output_scale import fit_scale
from pipeline.training.heads.recipe import HeadRecipe, TreesHead
from pipeline.training.heads.session import FeatureViews, HeadSession, open_views, predict_head

COUNT = 240
RANDOM = np.random.default_rng(1)
LABELS = RANDOM.integers(0, 3, COUNT)
CENTRES = 2 * RANDOM.normal(size=(3, 10))
FOLDS = np.arange(COUNT) // 3 % 4
CLASSES = OneClass(columns=("a", "b", "c"))
HEADS: dict[str, dict[str, Any]] = {
    "logistic": {"name": "logistic"},
    "selected": {"name": "selected", "keep": 0.6},
    "ridge": {"name": "ridge"},
    "discriminant": {"name": "discriminant"},
    "prototypes": {"name": "prototypes"},
    "neighbours": {"name": "neighbours", "neighbours": 10, "temperature": 0.1},
    "trees": {"name": "trees", "components": 4, "boosting": {"iterations": 20, "learning_rate": 0.2}},
}
TARGETS: dict[str, tuple[Target, NDArray[Any]]] = {
    "classes": (CLASSES, LABELS),
    "labels": (SeveralLabels(columns=("p", "q")), np.stack([LABELS == 0, LABELS > 0], axis=1).astype(np.float32)),
    "numbers": (Numbers(columns=("x",), means=(1.0,), scales=(0.8,)), LABELS[:, None].astype(np.float32)),
}


def draw(seed: int) -> NDArray[np.float16]:
    random = np.random.default_rng(seed)
    made = (CENTRES[LABELS] + random.normal(size=(COUNT, 10))) * np.linspace(0.2, 3, 10) + 5
    return made.astype(np.float16)


VIEWS = open_views([[draw(0), draw(1)], [draw(2), draw(3)]])


def session(head: str, kind: str = "classes", truth: NDArray[Any] | None = None) -> HeadSession:
    settings = {"backbones": [{"network": {"name": "x"}}], "head": HEADS[head]}
    target, known = TARGETS[kind]
    empty = np.zeros((0, 1, 1, 1), dtype=np.uint8)
    ids = tuple(map(str, range(COUNT)))
    data = Data(empty, known if truth is None else truth, ids, FOLDS, empty, (), target)
    return HeadSession(parse(settings, HeadRecipe, "a test").head, data, VIEWS, 2)


def predict(opened: HeadSession, fold: int, views: FeatureViews = VIEWS) -> NDArray[np.float32]:
    """Returns the outputs of a fold's valid rows, the mean over the views."""
    parts = list(predict_head(opened.fit(fold, 0), views, np.flatnonzero(fold == FOLDS)))
    return np.asarray(np.concatenate(parts, axis=1).mean(axis=0))


def test_moments_of_some_folds_are_those_of_their_rows() -> None:
    joined = join_features(VIEWS.backbones, 2, FOLDS)
    found = joined.measure_moments(frozenset({1, 3}))
    rows = joined.gather(np.flatnonzero(np.isin(FOLDS, [0, 2])))
    assert found.count == len(rows) == COUNT
    assert np.allclose(found.mean, rows.mean(axis=0), atol=1e-4)
    assert np.allclose(found.scale, rows.std(axis=0), rtol=1e-4)
    assert np.allclose(found.covariance, np.corrcoef(rows, rowvar=False), atol=1e-4)


def test_a_constant_feature_says_nothing_and_harms_nothing() -> None:
    constant = np.full((COUNT, 2), 7, dtype=np.float16)
    joined = join_features([[draw(0)], [constant]], 1, FOLDS)
    found = joined.measure_moments(frozenset({0}))
    assert np.array_equal(found.scale[-2:], [1, 1])
    assert np.allclose(found.covariance[-2:], 0, atol=1e-6)


def test_more_than_memory_holds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = np.broadcast_to(np.float16(0), (COUNT, 40_000_000))
    with pytest.raises(InputError, match=r"240 images x 40,000,000 features need .* GB of memory"):
        moments.join_features([[wide]], 1, FOLDS)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_learns_what_it_takes(head: str, kind: str) -> None:
    if kind != "classes" and head in ("discriminant", "prototypes"):
        return  # refused when the model is opened
    target, truth = TARGETS[kind]
    made = predict(session(head, kind), 1)
    valid = truth[FOLDS == 1]
    same = np.repeat(made.mean(axis=0, keepdims=True), len(made), axis=0)
    assert target.measure_output_losses(valid, made).mean() < 0.7 * target.measure_output_losses(valid, same).mean()


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("fold", [0, 3])
def test_no_label_of_a_fold_plays_a_part_in_its_predictions(head: str, fold: int) -> None:
    other = np.where(fold == FOLDS, (LABELS + 1) % 3, LABELS)
    assert np.array_equal(predict(session(head), fold), predict(session(head, truth=other), fold))


def test_folds_come_out_the_same_in_any_order() -> None:
    forwards, backwards = session("logistic"), session("logistic")
    first = {fold: predict(forwards, fold) for fold in (0, 1, 2, 3)}
    second = {fold: predict(backwards, fold) for fold in (3, 1, 2, 0)}
    assert all(np.array_equal(first[fold], second[fold]) for fold in first)


def test_two_folds_share_the_fits_on_neither_of_them() -> None:
    opened = session("ridge")
    for fold in range(4):
        opened.fit(fold, 0)
    assert set(opened._judged) == {frozenset({0, 1}), frozenset({2, 3})}


def test_a_linear_head_is_one_small_model_of_the_features_as_they_are_kept() -> None:
    fitted = session("logistic").fit(0, 0)
    assert isinstance(fitted.model, ClassicModel)
    assert fitted.model.parameters == 20 * 3 + 3 + 2 * 20
    raw = VIEWS.read_rows(0, np.arange(5))
    assert np.allclose(fitted.predict(raw), fitted.model.logits(raw), atol=1e-4)


def test_neighbours_are_kept_as_plain_arrays(tmp_path: Path) -> None:
    model = session("neighbours").fit(2, 0).model
    assert model is not None
    assert not isinstance(model, ClassicModel)
    save_neighbours(tmp_path / "x.npz", model)
    read = load_neighbours(tmp_path / "x.npz")
    assert all(np.array_equal(value, getattr(read, name)) for name, value in vars(model).items())
    (tmp_path / "x.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="no checkpoint of neighbours"):
        load_neighbours(tmp_path / "x.npz")


def test_trees_have_as_many_components_as_they_say() -> None:
    assert session("trees").fit(0, 0).note == f"{TreesHead(**HEADS['trees']).components} components"


def test_a_scale_brings_logits_to_the_least_loss() -> None:
    probs = RANDOM.dirichlet((1, 1, 1), size=4000)
    truth = (probs.cumsum(axis=1) < RANDOM.random((4000, 1))).sum(axis=1)
    scale, loss = fit_scale((np.log(probs) * 4).astype(np.float32), truth, CLASSES)
    assert scale == pytest.approx(0.25, rel=0.1)
    assert loss == pytest.approx(-np.log(probs[np.arange(4000), truth]).mean(), abs=0.002)


def test_two_folds_are_too_few() -> None:
    empty = np.zeros((0, 1, 1, 1), dtype=np.uint8)
    data = Data(empty, LABELS, tuple(map(str, range(COUNT))), FOLDS % 2, empty, (), CLASSES)
    settings = {"backbones": [{"network": {"name": "x"}}], "head": HEADS["ridge"]}
    with pytest.raises(InputError, match="needs 3 folds, got 2"):
        HeadSession(parse(settings, HeadRecipe, "a test").head, data, VIEWS, 2)


def test_a_few_rows_that_are_all_right_give_no_scale_without_bound() -> None:
    truth = np.arange(20) % 3
    outputs = np.eye(3, dtype=np.float32)[truth] * 3
    few, _ = fit_scale(outputs, truth, CLASSES)
    many, _ = fit_scale(np.tile(outputs, (50, 1)), np.tile(truth, 50), CLASSES)
    assert 1.2 < few < 3 < many


def test_a_feature_that_one_fold_alone_has_is_constant_for_the_others() -> None:
    random = np.random.default_rng(0)
    folds = np.arange(500) % 5
    features = random.exponential(size=(500, 40)).astype(np.float16)
    features[folds > 0, 20:] = 0
    joined = join_features([[features]], 1, folds)
    # Of the others' rows, all the same, the moments of float32 leave 0.0003 of deviation here and there.
    assert (joined.measure_moments(frozenset({0})).scale[20:] == 1).all()
    assert (joined.measure_moments(frozenset({1})).scale != 1).all()
