"""Pseudo-labels: which test images join which fold, with which targets, and what must never pass from fold to fold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from ruamel.yaml import YAML
from support import tiny
from support.fabricated import CLASSES, TEST, TRAIN, write_model_card, write_params
from support.trainings import kept, recipe, repository, session, settings, teach, train, write_taught

from pipeline.core import predictions
from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.paths import folds_path, predicted_test_fold_path
from pipeline.core.targets.classes import OneClass
from pipeline.networks.feature_batches import FeatureBatches
from pipeline.training.classic.recipe import load_classic_recipe
from pipeline.training.data import Data, load_data
from pipeline.training.lr_range import Sweep, range_test
from pipeline.training.model_file import load_model
from pipeline.training.recipes.pseudo import (
    PseudoLabelling,
    PseudoLabels,
    Teachers,
    find_teachers,
    list_inherited_marks,
    make_pseudo_labels,
)
from pipeline.training.recipes.recipe import Recipe, load_recipe
from pipeline.training.rows import TrainingRows

ROOT = Path(__file__).parents[2]
IDS = ("a", "b", "c", "d")
TARGET = OneClass(columns=CLASSES)
PROBS = np.array([[0.9, 0.06, 0.04], [0.2, 0.3, 0.5], [0.04, 0.95, 0.01], [0.0, 0.0, 1.0]], dtype=np.float32)


def section(*teachers: str, **changes: Any) -> PseudoLabelling:
    return parse({"teachers": list(teachers or ("wise",)), **changes}, PseudoLabelling, "a.yaml: training.pseudo")


def written(path: Path, probs: NDArray[np.float32] = PROBS, ids: tuple[str, ...] = IDS) -> Path:
    predictions.write_predictions(path, predictions.Predictions(ids, probs, CLASSES))
    return path


def found(tmp_path: Path, **changes: Any) -> PseudoLabels:
    return make_pseudo_labels([written(tmp_path / "one.parquet")], IDS, TARGET, section(**changes))


def test_images_of_which_a_teacher_is_sure_join_with_its_probabilities(tmp_path: Path) -> None:
    made = found(tmp_path)
    assert made.rows.tolist() == [0, 2, 3]  # 0.9 reaches 0.9, though files are float32
    assert made.targets == pytest.approx(PROBS[[0, 2, 3]])
    assert made.targets.dtype == np.float32


def test_hard_labels_are_the_likeliest_class_alone(tmp_path: Path) -> None:
    assert found(tmp_path, labels="hard").targets.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_soft_labels_are_sharpened_after_it_is_settled_who_joins(tmp_path: Path) -> None:
    made = found(tmp_path, temperature=0.5, weight=2.0)
    assert made.rows.tolist() == [0, 2, 3]
    squares = np.square(PROBS[[0, 2]], dtype=np.float64)
    assert made.targets[:2] == pytest.approx(2 * squares / squares.sum(axis=1, keepdims=True), rel=1e-5)
    assert "temperature" not in section().model_dump(mode="json")  # what was trained before does not train again
    with pytest.raises(InputError, match="temperature is of soft labels; leave it out with labels: hard"):
        section(labels="hard", temperature=0.5)


def test_targets_sum_to_the_weight(tmp_path: Path) -> None:
    assert found(tmp_path, labels="hard", weight=0.25).targets.tolist()[1] == [0, 0.25, 0]
    assert found(tmp_path, weight=2.0).targets[0] == pytest.approx([1.8, 0.12, 0.08])


def test_a_higher_confidence_takes_fewer_images(tmp_path: Path) -> None:
    assert found(tmp_path, confidence=0.95).rows.tolist() == [2, 3]
    assert found(tmp_path, confidence=1.0).rows.tolist() == [3]


def test_several_teachers_are_averaged_before_they_are_asked_how_sure_they_are(tmp_path: Path) -> None:
    other = PROBS.copy()
    other[0], other[3] = [0.94, 0.03, 0.03], [1.0, 0.0, 0.0]
    paths = [written(tmp_path / "one.parquet"), written(tmp_path / "two.parquet", other[::-1], IDS[::-1])]
    made = make_pseudo_labels(paths, IDS, TARGET, section("one", "two"))
    assert made.rows.tolist() == [0, 2]
    assert made.targets[0] == pytest.approx([0.92, 0.045, 0.035])
    assert made.highest == pytest.approx(0.95)


def test_where_no_image_is_sure_none_joins(tmp_path: Path) -> None:
    made = make_pseudo_labels([written(tmp_path / "one.parquet", PROBS[1:2], ("b",))], ("b",), TARGET, section())
    assert made.targets.shape == (len(made.rows), 3) == (0, 3)
    assert made.highest == pytest.approx(0.5)


def test_a_teacher_of_other_images_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "one.parquet", ids=("a", "b", "c", "x"))
    with pytest.raises(InputError, match=r"one.parquet lacks 1 ids: d"):
        make_pseudo_labels([path], IDS, TARGET, section())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teachers": []}, "teachers: .*at least 1 item"),
        ({"teachers": ["one", "one"]}, "one is listed more than once; keep one"),
        ({"confidence": 1.01}, "confidence: .*less than or equal to 1, got 1.01"),
        ({"confidence": 0.0}, "confidence: .*greater than 0, got 0.0"),
        ({"labels": "both"}, "labels: .*'both'"),
        ({"weight": 0.0}, "weight: .*greater than 0, got 0.0"),
        ({"teacher": "one"}, "unknown key teacher; did you mean teachers"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        section(**changes)


def test_the_example_in_the_documentation_is_a_section() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8").partition("## Pseudo-labels")[2]
    example = YAML(typ="safe", pure=True).load(text.partition("```yaml\n")[2].partition("```")[0])
    made = parse(example["training"]["pseudo"], PseudoLabelling, "docs/models.md")
    assert made == PseudoLabelling(teachers=made.teachers)  # what it shows beside the teachers are the defaults
    assert all((ROOT / "configs" / "models" / f"{name}.yaml").is_file() for name in made.teachers)


def test_teachers_of_shipped_models_are_shipped() -> None:
    shipped = {path.stem for path in (ROOT / "configs" / "models").glob("*.yaml")}
    students = {name: load_model(ROOT, name, mirror=True).teachers for name in shipped}
    assert students["mobilenet_v2_frozen_pseudo"] == ("mobilenet_v2_frozen",)
    assert {name for teachers in students.values() for name in teachers} <= shipped


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository root with a teacher that was never trained."""
    repository(tmp_path)
    teach(tmp_path)
    return tmp_path


def search(root: Path, *teachers: str, wanted: tuple[int, ...] = (0, 1, 2), **changes: Any) -> Teachers:
    return find_teachers(root, section(*teachers, **changes), TARGET, folds_path(root), wanted)


def test_an_unknown_teacher_names_the_near_ones(root: Path) -> None:
    with pytest.raises(InputError, match=r"training.pseudo.teachers: no model is called 'wiser'; did you mean wise"):
        search(root, "wiser")


def test_a_teacher_that_is_not_trained_names_the_command(root: Path) -> None:
    with pytest.raises(InputError, match=r"two is not trained; run `python -m pipeline train two` first"):
        search(root, "two")
    write_params(root, ["one", "two"])
    with pytest.raises(InputError, match=r"two is not trained; run `dvc repro train@two` first"):
        search(root, "two")


def test_a_teacher_of_another_fold_table_is_refused(root: Path) -> None:
    write_model_card(root, "wise", fold_table="0" * 64)
    with pytest.raises(InputError, match=r"wise was trained on another fold table than .*folds.csv; run .* again"):
        search(root)


def test_a_teacher_of_fewer_folds_is_refused(root: Path) -> None:
    predicted_test_fold_path(root, "wise", 2).unlink()
    search(root, wanted=(0, 1))
    with pytest.raises(InputError, match=r"wise has no test predictions of fold 2 .*does not exist\); run `"):
        search(root)


@pytest.mark.parametrize("confidence", [0.2, 0.3333])
def test_a_confidence_that_every_image_reaches_is_refused(root: Path, confidence: float) -> None:
    with pytest.raises(InputError, match=rf"confidence is {confidence}, but with 3 classes every image reaches 0.333"):
        search(root, confidence=confidence)


def test_digests_tell_of_every_fold(root: Path) -> None:
    before = search(root).digests(3)
    write_taught(root, "wise", 1, seed=7)
    after = search(root).digests(3)
    assert [name for name in before if before[name] != after[name]] == ["wise 1"]


def test_a_model_cannot_teach_itself(root: Path) -> None:
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", settings(pseudo={"teachers": ["wise", "one"]}))
    with pytest.raises(InputError, match=r"one.yaml: training.pseudo.teachers names one itself"):
        load_recipe(root, "one")


def test_a_classic_model_takes_no_pseudo_labels(root: Path) -> None:
    classic = {"features": {"name": "hog"}, "classifier": {}, "training": {"pseudo": {"teachers": ["wise"]}}}
    tiny.write_yaml(root / "configs" / "models" / "one.yaml", classic)
    with pytest.raises(InputError, match=r"one.yaml: training \(phases, soft labels, pseudo-labels\) is for networks"):
        load_classic_recipe(root, "one")


def test_what_a_teacher_looked_at_is_handed_on(root: Path) -> None:
    write_model_card(root, "wise", peeked=("epoch chosen on the validation fold",))
    assert list_inherited_marks(root, ["wise"]) == ("pseudo-labels of wise: epoch chosen on the validation fold",)


def student(**changes: Any) -> Recipe:
    """A student; ``changes`` are those of its ``pseudo`` section."""
    return recipe(epochs=2, pseudo={"teachers": ["wise"]} | changes)


def loaded(root: Path) -> Data:
    return load_data(root / "data" / "prepared", folds_path(root))


def test_sure_test_images_come_after_the_labelled_rows_of_the_fold(root: Path) -> None:
    data, wanted = loaded(root), student(labels="hard", weight=0.5)
    shown = TrainingRows(wanted, data, {}, Teachers(root, section(labels="hard", weight=0.5))).select(1, 0)
    sure = np.flatnonzero(teach(root)[1].max(axis=1) > 0.9)
    assert shown.rows.tolist() == [*np.flatnonzero(data.fold_of != 1), *(TRAIN + sure)]
    assert shown.targets is not None
    assert shown.targets.shape == (TRAIN + TEST, 3)
    assert np.array_equal(shown.targets[:TRAIN], np.eye(3)[data.labels])
    assert np.array_equal(shown.targets[TRAIN + sure], 0.5 * np.eye(3)[shown.labels[TRAIN + sure]])
    assert np.isnan(np.delete(shown.targets[TRAIN:], sure, axis=0)).all()


def test_without_teachers_rows_and_labels_are_what_they_were(root: Path) -> None:
    data = loaded(root)
    shown = TrainingRows(recipe(), data, {}, None).select(0, 0)
    assert np.array_equal(shown.rows, data.rows(0)[0])
    assert shown.targets is None


def test_batches_show_the_test_images_that_joined(root: Path) -> None:
    opened = session(root, recipe(augmentation={"flip": "none"}, pseudo={"teachers": ["wise"]}))
    made = opened.inputs.image_batches(opened.begin(1, 0).phase, 1, 0)
    assert made.steps_per_epoch == 6  # 40 labelled rows and 8 of which fold 1 is sure, in batches of 8
    batches = [made.batch(step, made.plan.transform()) for step in range(6)]
    pictures = {image.tobytes(): target for pair in batches for image, target in zip(*pair, strict=True)}
    probs, data = teach(root)[1], loaded(root)
    sure = np.flatnonzero(probs.max(axis=1) > 0.9)
    assert len(pictures) == 48
    for row in sure:
        assert pictures[data.test_images[row].tobytes()] == pytest.approx(probs[row], abs=1e-6)


def test_features_of_test_images_follow_those_of_training_images() -> None:
    train_features, test_features = np.zeros((4, 1), np.float32), 10 + np.arange(3, dtype=np.float32)[:, None]
    targets = np.arange(7, dtype=np.float32)[:, None]
    made = FeatureBatches([train_features], targets, np.array([0, 2, 5, 6]), 4, 1, (0,), [test_features])
    features, shown = made.batch(0)
    assert sorted(zip(shown[:, 0].tolist(), features[:, 0].tolist(), strict=True)) == [(0, 0), (2, 0), (5, 11), (6, 12)]


@pytest.mark.slow
def test_hard_and_soft_labels_and_weights_train_other_weights(root: Path) -> None:
    wanted = [student(), student(labels="hard"), student(weight=0.5), recipe(epochs=2)]
    made = [kept(train(root, each, f"work {number}"))["valid.parquet"] for number, each in enumerate(wanted)]
    assert len(set(made)) == len(made)


@pytest.mark.slow
def test_no_image_above_the_confidence_is_said_and_changes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = train(root, recipe(epochs=2), "plain")
    place = train(root, student(confidence=0.99), "unsure")
    said = "fold 0: no test image reaches training.pseudo.confidence 0.99 (the highest has 0.960); it trains without"
    assert capsys.readouterr().out.count(said) == 1
    assert kept(place) == kept(plain)


@pytest.mark.slow
def test_a_fold_learns_from_its_own_file_alone(root: Path) -> None:
    before = kept(train(root, student(), "before"))
    write_taught(root, "wise", 1, seed=5, sure=1)
    write_taught(root, "wise", 2, seed=5, sure=19)
    assert kept(train(root, student(), "others")) == before
    write_taught(root, "wise", 0, seed=5)
    assert kept(train(root, student(), "own")) != before


@pytest.mark.slow
def test_a_fold_trained_after_others_of_other_lengths_equals_one_trained_alone(root: Path) -> None:
    together = train(root, student(), "together", (2, 0, 1))
    alone = train(root, student(), "alone", (1,))  # which came last, and has other lengths than both before
    assert kept(together.parent / "fold1") == kept(alone)


@pytest.mark.slow
def test_a_head_on_features_takes_pseudo_labels_too(root: Path) -> None:
    head = {"unfreeze": "head", "epochs": 2, "batch_size": 8, "optimizer": {"name": "adam", "learning_rate": 0.01}}
    made = {}
    for draws in (0, 2):
        more: dict[str, Any]
        for name, more in (("with", {"pseudo": {"teachers": ["wise"]}}), ("without", {})):
            data = settings({"flip": "random"}) | {"network": {"name": "mlp_hog", "head": {"units": [4]}}}
            wanted = parse(data | {"training": head | {"draws": draws} | more}, Recipe, "a test")
            made[draws, name] = kept(train(root, wanted, f"{name} {draws}"))["valid.parquet"]
    assert len(set(made.values())) == 4


def test_a_range_test_sweeps_as_far_as_it_was_told(root: Path) -> None:
    # The phase alone has 12 steps: what joins a fold must not put it back where the sweep was.
    training = session(root, student()).begin(1, 0)
    curve = range_test(training, Sweep(1e-5, 1e-2, steps=20, fold=1), "a student")
    assert len(curve.losses) == 20
