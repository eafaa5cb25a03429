"""Answers that are not one row per image: units and parts, described through the table that lists them."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows

from pipeline.core.answers import RowSubmission
from pipeline.core.errors import InputError


def breasts() -> Files:
    """Two pictures of each side of six patients, four of two more, in folders of the patients."""
    train = [(p, f"{p}{n}", "LR"[n % 2], int(p % 2 == 0 and n % 2 == 0)) for p in range(10, 16) for n in range(4)]
    test = [(p, f"{p}{n}", "LR"[n % 2], f"{p}_{'LR'[n % 2]}") for p in (20, 21) for n in range(4)]
    files = {f"train_images/{p}/{i}.png" for p, i, _, _ in train} | {f"test_images/{p}/{i}.png" for p, i, _, _ in test}
    return {
        **images(sorted(files)),
        "train.csv": rows("patient_id,image_id,laterality,cancer", *train),
        "test.csv": rows("patient_id,image_id,laterality,prediction_id", *test),
        "sample_submission.csv": rows("prediction_id,cancer", *((f"{p}_{s}", 0.5) for p in (20, 21) for s in "LR")),
    }


def glyphs() -> Files:
    """Three answers for each picture, and one row of the sample for each."""
    names = ("root", "vowel", "accent")
    train = [(f"a{n}", n % 3, n % 2, n // 6 % 2) for n in range(24)]
    listed = [(f"t{n}", f"t{n}_{name}", name) for n in range(4) for name in names]
    return {
        **{f"train/{name}": data for name, data in images([f"a{n}.png" for n in range(24)]).items()},
        **{f"test/{name}": data for name, data in images([f"t{n}.png" for n in range(4)]).items()},
        "train.csv": rows("image_id,root,vowel,accent", *train),
        "test.csv": rows("image_id,row_id,component", *listed),
        "sample_submission.csv": rows("row_id,target", *((row, 0) for _, row, _ in listed)),
    }


def test_a_unit_of_several_images_is_read_off_the_table_of_test_images(root: Path) -> None:
    found = read(root, breasts(), metric="roc_auc")
    assert found.test.model_dump()["images"] == "test_images"
    assert (found.test.model_dump()["table"], found.test.model_dump()["id"]) == ("test.csv", "image_id")
    unit = found.submission.unit
    assert unit is not None
    assert unit.test.model_dump()["columns"] == ("prediction_id",)
    assert unit.train is not None
    assert unit.train.model_dump()["columns"] == ("patient_id", "laterality")


def test_rows_of_parts_are_read_off_the_table_that_names_them(root: Path) -> None:
    found = read(root, glyphs(), metric="balanced_accuracy")
    assert found.target.kind == "several_targets"
    assert isinstance(found.submission, RowSubmission)
    assert found.submission.rows.model_dump() == {
        "by": "table",
        "table": "test.csv",
        "row": "row_id",
        "image": "image_id",
        "part": "component",
    }
    assert found.submission.holds == "decisions"
    assert found.test.model_dump()["listed_by"] == "folder"


def test_answers_called_after_characters_are_not_mirrored(root: Path) -> None:
    files = {
        name: data.replace("root", "grapheme_root") if isinstance(data, str) else data
        for name, data in glyphs().items()
    }
    assert read(root, glyphs(), metric="balanced_accuracy").mirror
    (root / "configs/competitions/shape.yaml").unlink()
    assert not read(root, files, metric="balanced_accuracy").mirror


def test_tables_that_say_different_things_of_the_test_images_are_asked_about(root: Path) -> None:
    files = dict(breasts())
    swapped = [(f"{p}{n}", f"{p}_{'RL'[n % 2]}") for p in (20, 21) for n in range(4)]
    files["old_test.csv"] = rows("image_id,prediction_id", *swapped)
    with pytest.raises(InputError, match=r"in 2 ways; choose with --test 'old_test\.csv' or --test 'test\.csv'"):
        read(root, files, metric="roc_auc")
    assert read(root, files, metric="roc_auc", test="test.csv").test.model_dump()["table"] == "test.csv"


def test_a_second_table_that_says_the_same_is_named_to_check(root: Path) -> None:
    files = dict(breasts())
    files["test_again.csv"] = rows(
        "image_id,prediction_id", *((f"{p}{n}", f"{p}_{'LR'[n % 2]}") for p in (20, 21) for n in range(4))
    )
    assert read(root, files, metric="roc_auc").test.model_dump()["table"] == "test.csv"
    text = (root / "configs/competitions/shape.yaml").read_text()
    assert "CHECK: test_again.csv says the same of the test images as the table that was taken" in text
