"""Columns beside the picture: described where training and test tables share them."""

from pathlib import Path

import pandas as pd
import pytest
from support.competition_files import Files, images, read, rows, write

from pipeline.data.describe.columns import find_column_type
from pipeline.data.describe.description import describe_files
from pipeline.data.describe.match import Choices


def lesions(test_header: str = "id,age,sex,note") -> Files:
    """Twelve training and four test images with an age, a sex and a note each."""
    train = [(f"i{n}.png", 40 + n, ("f", "m")[n % 2], f"text {n}", n // 3 % 2) for n in range(12)]
    test = [(f"t{n}.png", 50.5 + n, ("f", "m")[n % 2], f"other {n}") for n in range(4)]
    names = [row[0] for row in train], [row[0] for row in test]
    return {
        **{f"train/{name}": data for name, data in images(names[0]).items()},
        **{f"test/{name}": data for name, data in images(names[1]).items()},
        "train.csv": rows("id,age,sex,note,target", *train),
        "test.csv": rows(test_header, *test),
        "sample_submission.csv": rows("id,target", *((name, 0.5) for name in names[1])),
    }


def test_shared_columns_are_described_with_their_types(root: Path) -> None:
    found = read(root, lesions())
    assert found.columns is not None
    assert found.columns.features == {"age": "number", "sex": "category"}
    assert (found.columns.train, found.columns.test, found.columns.id) == ("train.csv", "test.csv", "id")


def test_the_unit_that_answers_are_for_is_no_feature(root: Path) -> None:
    train = [(f"i{n}", f"p{n // 2}", ("f", "m")[n // 2 % 2], ("ant", "bee")[n // 2 % 3 // 2]) for n in range(12)]
    test = [(f"t{n}", f"q{n // 2}", ("f", "m")[n // 2]) for n in range(4)]
    files: Files = {
        **images([f"train/{row[0]}.png" for row in train] + [f"test/{row[0]}.png" for row in test]),
        "train.csv": rows("image,patient,sex,kind", *train),
        "test.csv": rows("image,patient,sex", *test),
        "sample_submission.csv": rows("patient,kind", ("q0", "ant"), ("q1", "bee")),
    }
    found = read(root, files)
    assert found.submission.unit is not None
    assert found.columns is not None
    assert found.columns.features == {"sex": "category"}


def test_columns_that_differ_between_rows_of_one_image_are_left_out(root: Path) -> None:
    """One row for each image and disease, of which each has its own count; prepare wanted one row of each image."""
    marks = [
        (f"i{n}", name, 5 + n % 4, 3 * n + at) for n in range(12) for at, name in enumerate(("rust", "scab")[n % 2 :])
    ]
    tests = [(f"t{n}", 5 + n, 4 * n) for n in range(4)]
    files: Files = {
        **images([*(f"train/i{n}.png" for n in range(12)), *(f"test/t{n}.png" for n in range(4))]),
        "train.csv": rows("image,disease,height,spots", *marks),
        "test.csv": rows("image,height,spots", *tests),
        "sample_submission.csv": rows("image,disease", *((row[0], "rust scab") for row in tests)),
    }
    found = read(root, files, metric="row_f1")
    assert found.target.kind == "several_labels"
    assert found.columns is not None
    assert found.columns.features == {"height": "number"}


def test_columns_of_one_side_are_not_described(root: Path) -> None:
    assert read(root, lesions("id,years,gender,remark")).columns is None


@pytest.mark.parametrize(
    ("train", "test", "kind"),
    [
        (["1.5", "2", ""], ["nan", "3"], "number"),
        (["1", "1", "2"], ["2"], "number"),
        (["1", "2", "3"], ["4"], None),
        (["a", "b", "a"], ["b"], "category"),
        (["a", "b", "c"], ["d"], None),
        (["a", "a"], ["b"], None),
        (["a", "b"] * 4, ["c", "d"], None),  # nothing was learnt of what the test images have
    ],
)
def test_the_type_of_a_column(train: list[str], test: list[str], kind: str | None) -> None:
    assert find_column_type(pd.Series(train), pd.Series(test)) == kind


def test_a_column_of_numbers_in_one_table_alone_is_named(tmp_path: Path) -> None:
    files = dict(lesions())
    files["test.csv"] = str(files["test.csv"]).replace("50.5", "unknown")
    found = describe_files(write(tmp_path / "root", files), Choices(), None)
    assert found.sections["columns"].section["features"] == {"sex": "category"}
    assert "age holds numbers in one table alone, and 'unknown' in test.csv: left out of columns" in found.check


LEAK = "tells target of 100.0% of the rows by itself: it is the answer in other words, left out of columns"


def leaking(test_header: str = "id,age,sex,note", ages: tuple[str, ...] = ()) -> Files:
    """The files of `lesions` with the answer as the sex, and other ages for the first training images."""
    files = dict(lesions(test_header))
    lines = [line.split(",") for line in str(files["train.csv"]).splitlines()]
    lines = [lines[0], *([*line[:2], "fm"[int(line[4])], *line[3:]] for line in lines[1:])]
    for line, age in zip(lines[1:], ages, strict=False):
        line[1] = age
    return files | {"train.csv": "\n".join(",".join(line) for line in lines) + "\n"}


def test_a_column_that_is_the_answer_in_other_words_is_not_described(tmp_path: Path) -> None:
    found = describe_files(write(tmp_path / "root", leaking()), Choices(), None)
    assert found.sections["columns"].section["features"] == {"age": "number"}
    assert f"sex {LEAK}" in found.check


def test_the_only_column_is_named_where_it_is_the_answer_in_other_words(tmp_path: Path) -> None:
    found = describe_files(write(tmp_path / "root", leaking("id,years,sex,remark")), Choices(), None)
    assert "columns" not in found.sections
    assert f"sex {LEAK}" in found.check


def test_numbers_of_no_size_are_described(tmp_path: Path) -> None:
    ages = ("inf", "1e40", "-inf", "41.5") * 3
    found = describe_files(write(tmp_path / "root", leaking(ages=ages)), Choices(), None)
    assert found.sections["columns"].section["features"] == {"age": "number"}


@pytest.mark.parametrize(
    ("header", "answers", "copies", "told"),
    [
        ("y", [(f"{n * 1.3 + 0.7:.2f}",) for n in range(48)], [f"{2.6 * n + 1.4:.2f}" for n in range(48)], "rises or"),
        ("p,q", [(n % 2, n // 2 % 2) for n in range(48)], ["yes" if n % 2 else "no" for n in range(48)], "tells p of"),
        (
            "y",
            [(("ant;bee", "ant", "bee;cat", "cat")[n % 4],) for n in range(48)],
            [str(n % 4 // 2) for n in range(48)],
            "tells ant of",
        ),
        ("y", [("rare" if n < 4 else "abc"[n % 3],) for n in range(48)], [], "tells y of"),
    ],
)
def test_a_copy_of_a_number_a_label_or_a_class_beside_a_rare_one_is_not_described(
    tmp_path: Path, header: str, answers: list[tuple[object, ...]], copies: list[str], told: str
) -> None:
    codes = copies or [{"rare": "9", "a": "1", "b": "2", "c": "3"}[str(answer[0])] for answer in answers]
    ages = [40.5 + 7 * n % 31 for n in range(48)]
    train = [(f"a{n}", ages[n], codes[n], *answers[n]) for n in range(48)]
    names = [f"b{n}" for n in range(12)]
    files: Files = {
        "train.csv": rows(f"Id,age,copy,{header}", *train),
        "test.csv": rows("Id,age,copy", *((name, 50.5 + n, codes[5 * n % 48]) for n, name in enumerate(names))),
        "sample_submission.csv": rows(
            f"Id,{header}", *((name, *((0.5,) if told == "rises or" else answers[5])) for name in names)
        ),
        **images([f"train/{row[0]}.png" for row in train] + [f"test/{name}.png" for name in names]),
    }
    found = describe_files(write(tmp_path / "root", files), Choices(), None)
    assert found.sections["columns"].section["features"] == {"age": "number"}
    assert any(line.startswith(f"copy {told}") and line.endswith("left out of columns") for line in found.check)
