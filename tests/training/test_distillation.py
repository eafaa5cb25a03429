"""Soft labels: what a student may read, and what becomes of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.core.config import parse
from pipeline.core.errors import InputError
from pipeline.core.predictions import Predictions, write_predictions
from pipeline.core.targets.classes import OneClass
from pipeline.training.recipes.distillation import Distillation, find_oof_file, list_oof_marks, make_soft_targets

CLASSES = ("ant", "bee", "cat")
IDS = ("a", "b", "c", "d")
LABELS = np.array([0, 1, 2, 0])
TEACHER = np.array([[0.64, 0.32, 0.04], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]], dtype=np.float32)
ROWS = np.array([0, 1, 3])  # row 2 is held out


def written(
    path: Path, probs: NDArray[np.float32] = TEACHER, ids: tuple[str, ...] = IDS, classes: tuple[str, ...] = CLASSES
) -> Path:
    write_predictions(path, Predictions(ids, probs, classes))
    return path


def distill(**settings: Any) -> Distillation:
    return parse({"oof": "teacher.parquet", **settings}, Distillation, "a.yaml: training.distill")


def targets(path: Path, rows: NDArray[np.int64] = ROWS, **settings: Any) -> NDArray[np.float32]:
    return make_soft_targets(path, IDS, OneClass(columns=CLASSES), LABELS, rows, distill(**settings))


def test_labels_and_soft_labels_are_mixed_by_weight(tmp_path: Path) -> None:
    found = targets(written(tmp_path / "oof.parquet"), weight=0.25)
    assert found.dtype == np.float32
    assert found[0] == pytest.approx([0.75 + 0.16, 0.08, 0.01])
    assert found[1] == pytest.approx([0.025, 0.75 + 0.2, 0.025])


def test_temperature_evens_the_teacher_out(tmp_path: Path) -> None:
    # Square roots 0.8, 0.5657, 0.2, divided by their sum, 1.5657.
    found = targets(written(tmp_path / "oof.parquet"), weight=1.0, temperature=2.0)
    assert found[0] == pytest.approx([0.5110, 0.3613, 0.1277], abs=1e-4)


def test_targets_are_probabilities_even_where_the_teacher_says_zero(tmp_path: Path) -> None:
    for temperature in (0.1, 1.0, 50.0):
        found = targets(written(tmp_path / "oof.parquet"), weight=0.7, temperature=temperature)[ROWS]
        assert found.min() >= 0
        assert found.sum(axis=1) == pytest.approx(np.ones(3), abs=1e-6)


def test_what_the_teacher_says_of_held_out_rows_changes_nothing(tmp_path: Path) -> None:
    changed = TEACHER.copy()
    changed[2] = [1.0, 0.0, 0.0]
    one, other = (written(tmp_path / name, probs) for name, probs in (("1.parquet", TEACHER), ("2.parquet", changed)))
    assert targets(one).tobytes() == targets(other).tobytes()
    changed[1] = [1.0, 0.0, 0.0]
    assert targets(one).tobytes() != targets(written(tmp_path / "3.parquet", changed)).tobytes()


def test_held_out_rows_have_no_targets(tmp_path: Path) -> None:
    found = targets(written(tmp_path / "oof.parquet"))
    assert np.isnan(found[2]).all()
    assert np.isfinite(found[ROWS]).all()


def test_rows_are_joined_by_id(tmp_path: Path) -> None:
    shuffled = written(tmp_path / "shuffled.parquet", TEACHER[[3, 0, 2, 1]], ("d", "a", "c", "b"))
    assert targets(shuffled).tobytes() == targets(written(tmp_path / "oof.parquet")).tobytes()


def test_rows_that_repeat_have_the_same_targets(tmp_path: Path) -> None:
    path = written(tmp_path / "oof.parquet")
    assert targets(path, np.array([0, 0, 1, 3, 3])).tobytes() == targets(path).tobytes()


def test_other_ids_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "oof.parquet", TEACHER, ("a", "b", "c", "x"))
    with pytest.raises(InputError, match=r"oof.parquet lacks 1 ids: d"):
        targets(path)


def test_a_teacher_of_some_folds_alone_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "oof.parquet", TEACHER[:3], IDS[:3])
    with pytest.raises(InputError, match=r"lacks 1 ids: d"):
        targets(path)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "oof.parquet", classes=("ant", "bee", "dog"))
    with pytest.raises(InputError, match=r"has the columns id, ant, bee, dog, wanted id and the classes ant, bee, cat"):
        targets(path)


def test_a_missing_file_is_told_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^training.distill.oof: .*nowhere.parquet does not exist; train that model"):
        find_oof_file(tmp_path, "nowhere.parquet", "training.distill.oof", CLASSES, "digest")


def test_a_path_of_this_machine_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a path relative to the repository"):
        find_oof_file(tmp_path, str(written(tmp_path / "oof.parquet")), "training.distill.oof", CLASSES, "digest")


def test_a_file_is_found_below_the_repository(tmp_path: Path) -> None:
    path = written(tmp_path / "oof.parquet")
    assert find_oof_file(tmp_path, "oof.parquet", "training.distill.oof", CLASSES, "digest") == path


def test_a_teacher_of_other_folds_is_refused(tmp_path: Path) -> None:
    write_predictions(tmp_path / "oof.parquet", Predictions(IDS, TEACHER, CLASSES, "other"))
    with pytest.raises(InputError, match=r"^balance.weak.oof: .*oof.parquet was made on other folds than folds/folds"):
        find_oof_file(tmp_path, "oof.parquet", "balance.weak.oof", CLASSES, "digest")


def test_what_the_teacher_saw_is_handed_on(tmp_path: Path) -> None:
    write_predictions(tmp_path / "seen.parquet", Predictions(IDS, TEACHER, CLASSES, "digest", ("epoch chosen",)))
    write_predictions(tmp_path / "clean.parquet", Predictions(IDS, TEACHER, CLASSES, "digest"))
    written(tmp_path / "unknown.parquet")
    assert list_oof_marks(tmp_path, ("seen.parquet", "clean.parquet", "unknown.parquet"), CLASSES) == (
        "seen.parquet: epoch chosen",
        "unknown.parquet: nothing shows on which folds it was made",
    )


@pytest.mark.parametrize(("setting", "wrong"), [("weight", 0.0), ("weight", 1.1), ("temperature", 0.0)])
def test_settings_out_of_range_are_refused(setting: str, wrong: float) -> None:
    with pytest.raises(InputError, match=rf"{setting}: Input should be .*, got {wrong}"):
        distill(**{setting: wrong})
