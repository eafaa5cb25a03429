"""Tables that hold the pixels of each image and several answers beside them."""

from pathlib import Path

import numpy as np
import pytest
from support.competition_files import Files, read, rows, write

from pipeline.core.layouts import CsvPixels
from pipeline.data.describe.description import describe_files
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.preparing import encode_truth
from pipeline.data.prepared.records import list_records

CELLS = np.random.default_rng(0).integers(0, 256, (15, 64))
PIXELS = ",".join(f"pixel{n}" for n in range(64))


def tables(header: str, sample: str, answers: list[tuple[object, ...]], named: bool = True) -> Files:
    """Twelve rows of answers and pixels, three of pixels alone."""
    first = [(f"i{n}",) if named else () for n in range(15)]
    of_id = "id," if named else ""
    train = [(*first[n], *answers[n % len(answers)], *CELLS[n]) for n in range(12)]
    shown = [(f"i{n}" if named else n - 11, *answers[0]) for n in range(12, 15)]
    return {
        "train.csv": rows(f"{of_id}{header},{PIXELS}", *train),
        "test.csv": rows(f"{of_id}{PIXELS}", *((*first[n], *CELLS[n]) for n in range(12, 15))),
        "sample_submission.csv": rows(f"id,{sample}", *shown),
    }


@pytest.mark.parametrize("named", [True, False])
def test_several_numbers_are_read(root: Path, named: bool) -> None:
    answers: list[tuple[object, ...]] = [(n * 0.37 + 1, 9 - n / 8) for n in range(12)]
    found = read(root, tables("x,y", "x,y", answers, named), metric="rmse")
    assert isinstance(found.train, CsvPixels)
    assert (found.train.labels, found.target.kind) == (("x", "y"), "numbers")
    truth = encode_truth(list_records(root / "unpacked", found).train, found)[1]
    assert truth[1].tolist() == pytest.approx([1.37, 8.875])


def test_several_targets_are_read(root: Path) -> None:
    found = read(root, tables("root,vowel", "root,vowel", [("ka", "a"), ("ga", "i"), ("ka", "i")]), metric="accuracy")
    assert found.target.kind == "several_targets"
    labels = [record.label for record in list_records(root / "unpacked", found).train]
    assert len(set(labels)) == 3


def test_several_labels_of_a_cell_are_read(root: Path) -> None:
    answers: list[tuple[object, ...]] = [("rust scab",), ("rust",), ("mould rust",), ("scab",)]
    found = read(root, tables("kinds", "kinds", answers), metric="row_f1", target="several_labels")
    target, truth = encode_truth(list_records(root / "unpacked", found).train, found)
    assert target.columns == ("mould", "rust", "scab")
    assert truth[:3].tolist() == [[0, 1, 1], [0, 1, 0], [1, 1, 0]]


def test_marks_of_labels_are_read(root: Path) -> None:
    found = read(root, tables("rust,scab", "rust,scab", [(1, 1), (0, 1), (0, 0)]), metric="roc_auc")
    assert (found.target.kind, found.train.layout) == ("several_labels", "csv_pixels")
    target, truth = encode_truth(list_records(root / "unpacked", found).train, found)
    assert target.columns == ("rust", "scab")
    assert truth[:3].tolist() == [[1, 1], [0, 1], [0, 0]]


def test_marks_of_one_class_are_read(root: Path) -> None:
    found = read(root, tables("rust,scab", "rust,scab", [(1, 0), (0, 1)]), metric="log_loss")
    assert found.target.kind == "one_class"
    labels = [record.label for record in list_records(root / "unpacked", found).train]
    assert labels[:3] == ["rust", "scab", "rust"]


def test_rows_that_lack_an_answer_are_left_out_and_counted(root: Path) -> None:
    answers: list[tuple[object, ...]] = [(n * 0.37 + 1, "" if n % 4 == 1 else 9 - n / 8) for n in range(12)]
    answers[2] = ("", "")
    found = read(root, tables("x,y", "x,y", answers), metric="rmse")
    records = list_records(root / "unpacked", found)
    assert len(records.train) == 8
    reasons = {row.id: row.reason for row in records.left_out}
    assert (reasons["i1"], reasons["i2"]) == ("it lacks some of its answers", "it has no label")


def test_a_table_tells_the_image_and_the_number_of_each_row_of_answers(root: Path) -> None:
    answers: list[tuple[object, ...]] = [(n * 0.37 + 1, 9 - n / 8) for n in range(12)]
    files = dict(tables("x,y", "x,y", answers))
    asked = [(f"i{n}", name) for n in range(12, 15) for name in ("x", "y")]
    files["lookup.csv"] = rows("RowId,ImageId,Feature,Location", *((n, *each, "") for n, each in enumerate(asked)))
    files["sample_submission.csv"] = rows("RowId,Location", *((n, 0) for n in range(6)))
    found = read(root, files, metric="rmse")
    assert found.train.layout == "csv_pixels"
    assert found.submission.kind == "rows"
    listed = list_records(root / "unpacked", found)
    assert [record.id for record in listed.test] == ["i12", "i13", "i14"]


def test_a_blank_cell_of_labels_is_no_label_and_its_row_stays(root: Path) -> None:
    answers: list[tuple[object, ...]] = [("rust scab",), ("rust",), ("",), ("scab",)]
    found = read(root, tables("kinds", "kinds", answers), metric="row_f1", target="several_labels")
    target, truth = encode_truth(list_records(root / "unpacked", found).train, found)
    assert (found.leave_out, target.columns) == (None, ("rust", "scab"))
    assert truth[:4].tolist() == [[1, 1], [1, 0], [0, 0], [0, 1]]


def test_rows_without_a_class_are_left_out_in_one_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "root", tables("kind", "kind", [("ant",), ("bee",), ("",), ("cat",)]))
    found = describe_files(folder, Choices(), "accuracy")
    assert [line for line in found.check if "leave" in line or "left" in line] == [
        "3 rows lack their answer and are left out, see leave_out"
    ]
