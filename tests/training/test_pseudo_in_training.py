"""Pseudo-labels in trainings: a teacher and its student through the train stage."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import tiny
from support.fabricated import TRAIN, write_model_card, write_params
from support.trainings import kept, recipe, repository, settings, teach, train, write_taught

from pipeline.core import cards, tables
from pipeline.core.errors import InputError
from pipeline.core.paths import card_path, folds_path, predicted_test_fold_path
from pipeline.stages import train as stage
from pipeline.training.callback import StateCallback


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository root with a teacher that was never trained."""
    repository(tmp_path)
    teach(tmp_path)
    return tmp_path


def run(root: Path, name: str, folds: list[int] | None = None, **training: Any) -> cards.ModelCard:
    tiny.write_yaml(root / "configs" / "models" / f"{name}.yaml", settings({"flip": "none"}, units=32, **training))
    write_params(root, [name], train={"seed": 0, "folds": folds, "precision": "float32"})
    stage.run(root, name)
    return cards.read_card(card_path(root, name), cards.ModelCard)


MEMORISER: dict[str, Any] = {
    "epochs": 25,
    "optimizer": {"name": "adam", "learning_rate": 0.01},
    "validate_every": 25,
}
LOW: dict[str, Any] = {"teachers": ["teacher"], "confidence": 0.4, "weight": 2.0}


@pytest.mark.slow
def test_permuted_labels_do_not_come_back_through_copies_of_the_held_out_images(tmp_path: Path) -> None:
    """Test images are the training images again, labels are drawn at random, and the teacher knows its rows by heart.

    Whoever let a student hear of another fold's teacher would tell it the labels of its own held-out rows.
    """
    root, rng = repository(tmp_path), np.random.default_rng(3)
    prepared = root / "data" / "prepared"
    images = rng.integers(0, 256, (TRAIN, 8, 8, 1), dtype=np.uint8)
    np.save(prepared / "train_images.npy", images)
    np.save(prepared / "test_images.npy", images)
    copies = tables.read_index(prepared / "train.csv")
    copies["id"], copies["label"] = "t" + copies["id"], -1
    tables.write_index(prepared / "test.csv", copies)
    teacher = run(root, "teacher", **MEMORISER)
    student = run(root, "student", **MEMORISER, pseudo=LOW)
    assert teacher.pooled == pytest.approx(1 / 3, abs=0.15)
    assert student.pooled == pytest.approx(1 / 3, abs=0.15)
    # The same student under a rule that leaks, to show that this test can fail.
    files = [predicted_test_fold_path(root, "teacher", fold) for fold in range(3)]
    held = [path.read_bytes() for path in files]
    for fold, path in enumerate(files):
        path.write_bytes(held[(fold + 1) % 3])
    assert run(root, "student", [0], **MEMORISER, pseudo=LOW).pooled > 0.6


@pytest.mark.slow
def test_a_student_learns_from_a_teacher_that_was_trained_before(root: Path) -> None:
    run(root, "teacher", [0], select="best")
    card = run(root, "student", [0], pseudo={"teachers": ["teacher"], "confidence": 0.34})
    assert card.peeked == ("pseudo-labels of teacher: epoch chosen on the validation fold",)
    assert card.config["training"]["pseudo"]["labels"] == "soft"


@pytest.mark.slow
def test_a_student_may_teach_in_its_turn_and_hands_on_what_was_looked_at(root: Path) -> None:
    digest = tables.folds_digest(tables.read_folds(folds_path(root)))
    write_model_card(root, "wise", peeked=("x",), fold_table=digest)
    run(root, "student", [0], pseudo={"teachers": ["wise"]})
    card = run(root, "second", [0], pseudo={"teachers": ["student"], "confidence": 0.34})
    assert card.peeked == ("pseudo-labels of student: pseudo-labels of wise: x",)


@pytest.mark.slow
def test_other_predictions_of_the_teacher_are_another_training(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = run(root, "student", [0], pseudo={"teachers": ["wise"]}).fingerprint
    capsys.readouterr()
    assert run(root, "student", [0], pseudo={"teachers": ["wise"]}).fingerprint == first
    assert "epoch" not in capsys.readouterr().out
    write_taught(root, "wise", 0, seed=8)
    assert run(root, "student", [0], pseudo={"teachers": ["wise"]}).fingerprint != first


def test_a_student_whose_teacher_lacks_a_fold_fails_before_anything_is_trained(root: Path) -> None:
    predicted_test_fold_path(root, "wise", 2).unlink()
    with pytest.raises(InputError, match="wise has no test predictions of fold 2"):
        run(root, "student", pseudo={"teachers": ["wise"]})
    assert not (root / ".work" / "train").exists()
    assert not (root / "folds" / "student").exists()


@pytest.mark.slow
def test_a_classic_model_may_teach(root: Path) -> None:
    classic = {"features": {"name": "hog", "pixels_per_cell": 4}, "classifier": {"C": 0.1}}
    tiny.write_yaml(root / "configs" / "models" / "classic.yaml", classic)
    write_params(root, ["classic"], train={"seed": 0, "folds": [0], "precision": "float32"})
    stage.run(root, "classic")
    assert run(root, "student", [0], pseudo={"teachers": ["classic"], "confidence": 0.5}).peeked == ()


@pytest.mark.slow
def test_a_training_broken_off_in_a_stage_continues_with_the_same_images(root: Path) -> None:
    first = {"epochs": 1, "batch_size": 8, "optimizer": {"name": "sgd", "learning_rate": 0.02}}
    wanted = recipe(pseudo={"teachers": ["wise"], "weight": 0.5}, before=[first])
    whole = train(root, wanted, "whole", (2,))

    class StopError(Exception):
        pass

    ended = StateCallback.on_epoch_end
    with pytest.MonkeyPatch.context() as patch:

        def stopping(self: StateCallback, epoch: int, logs: dict[str, float] | None = None) -> None:
            ended(self, epoch, logs)
            if epoch == 2:
                raise StopError

        patch.setattr(StateCallback, "on_epoch_end", stopping)
        with pytest.raises(StopError):
            train(root, wanted, "broken", (2,))
    assert kept(train(root, wanted, "broken", (2,))) == kept(whole)
