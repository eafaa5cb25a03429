"""One row per image and label, in training tables and in sample submissions."""

from pathlib import Path

import pytest
from support.competition_files import Files, images, read, rows

from pipeline.core.answers import RowPattern, RowSubmission
from pipeline.core.errors import InputError
from pipeline.data.prepared.preparing import encode_truth
from pipeline.data.prepared.training_records import list_training_records

SETS = (("rust",), ("rust", "scab"), ("mould",), ("mould", "rust"))
LABELS = ("mould", "rust", "scab")


def leaves(train: str | None = None) -> Files:
    """Eight leaves with one row for each of their diseases; a sample with one row for each image and disease."""
    marks = [(f"a{n}", name) for n in range(8) for name in SETS[n % 4]]
    names = [f"train/a{n}.png" for n in range(8)] + [f"test/b_{n}.png" for n in range(3)]
    return {
        **images(names),
        "train.csv": train or rows("image,disease", *marks),
        "sample_submission.csv": rows("row,value", *((f"b_{n}_{name}", 0.5) for n in range(3) for name in LABELS)),
    }


def test_rows_of_an_image_are_joined_and_rows_of_the_sample_taken_apart(root: Path) -> None:
    found = read(root, leaves(), metric="roc_auc")
    assert found.target.model_dump() == {"kind": "several_labels", "separator": None, "none": None}
    target, truth = encode_truth(list_training_records(root / "unpacked", found)[0], found)
    assert target.columns == LABELS
    assert truth[:4].tolist() == [[0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert isinstance(found.submission, RowSubmission)
    assert found.submission.rows == RowPattern(by="pattern", pattern=r"(?P<image>.+)_(?P<part>[^_]+)")
    assert found.test.model_dump()["listed_by"] == "folder"


def test_rows_that_repeat_a_label_of_an_image_are_no_set(root: Path) -> None:
    twice = rows("image,disease", *((f"a{n % 8}", SETS[n % 4][0]) for n in range(16)))
    with pytest.raises(InputError, match="holds no training data"):
        read(root, leaves(twice), metric="roc_auc")


def test_rows_of_an_image_are_no_set_where_the_metric_judges_numbers(root: Path) -> None:
    with pytest.raises(InputError, match="holds no training data"):
        read(root, leaves(), metric="rmse")


def test_a_sample_that_lacks_a_row_is_not_taken_apart(root: Path) -> None:
    files = dict(leaves())
    files["sample_submission.csv"] = rows("row,value", ("b_0_rust", 0.5), ("b_0_scab", 0.5), ("b_1_rust", 0.5))
    with pytest.raises(InputError):
        read(root, files, metric="roc_auc")
