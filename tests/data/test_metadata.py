"""Columns beside the picture: read by id, held to their types, refused where they are the answer."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline.core.columns import Columns, name_columns
from pipeline.core.errors import InputError
from pipeline.data.prepared.metadata import find_told_share, read_metadata, refuse_leaks

COLUMNS = Columns(
    train="train.csv", test="test.csv", id="id", features={"age": "number", "sex": "category"}, relative_to="patient"
)
TRAIN = "id,age,sex,patient\na,45.0,male,p1\nb,,female,p1\nc,60,male,p2\n"


def test_cells_are_joined_by_id_as_text(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text(TRAIN, encoding="utf-8")
    read = read_metadata(tmp_path, COLUMNS, "train", ["c", "a"])
    assert read.columns.tolist() == ["number:age", "category:sex", "unit:patient"]
    assert read.to_numpy().tolist() == [["60", "male", "p2"], ["45.0", "male", "p1"]]


@pytest.mark.parametrize(
    ("text", "ids", "match"),
    [
        (TRAIN, ["a", "z"], "train.csv lacks 1 ids of train images: z; correct columns.train and columns.id"),
        (TRAIN.replace("45.0", "old"), ["a"], r"column age: 'old' of id a is no number .* write category for it"),
        (TRAIN + "a,46,male,p1\n", ["a"], "1 ids have rows that differ: a; keep one row of each"),
        (TRAIN.replace("sex", "gender"), ["a"], "no column 'sex'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, ids: list[str], match: str) -> None:
    (tmp_path / "train.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=match):
        read_metadata(tmp_path, COLUMNS, "train", ids)


@pytest.mark.parametrize("large", ["inf", "-Infinity", "1e400", "-3.5e38"])
def test_numbers_that_are_infinite_or_beyond_float32_count_as_missing_and_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], large: str
) -> None:
    (tmp_path / "train.csv").write_text(TRAIN.replace("45.0", large), encoding="utf-8")
    read = read_metadata(tmp_path, COLUMNS, "train", ["c", "a", "b"])
    assert read["number:age"].tolist() == ["60", "", ""]
    line = f"train.csv, column age: 1 numbers are infinite or beyond 3.4e38 and count as missing: {large} of id a"
    assert line in capsys.readouterr().out


def test_large_numbers_within_float32_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.csv").write_text(TRAIN.replace("45.0", "-3.4e38"), encoding="utf-8")
    assert read_metadata(tmp_path, COLUMNS, "train", ["a"])["number:age"].tolist() == ["-3.4e38"]
    assert not capsys.readouterr().out


def test_the_id_is_no_feature() -> None:
    with pytest.raises(ValidationError, match="features names id, which tells images apart"):
        Columns(train="t.csv", test="t.csv", id="id", features={"id": "number"})


def make_index(cells: list[str], kind: str) -> tuple[pd.DataFrame, Columns]:
    columns = Columns(train="t", test="t", id="id", features={"said": kind})  # type: ignore[dict-item]
    return name_columns(pd.DataFrame({"said": cells}), columns), columns


def test_a_column_that_is_the_answer_in_other_words_is_refused() -> None:
    labels = np.arange(60) % 2
    index, columns = make_index(["benign" if label else "malignant" for label in labels], "category")
    with pytest.raises(InputError, match=r"said tells the class of 100.0% of the training images by itself"):
        refuse_leaks(index, labels, columns)


@pytest.mark.parametrize("kind", ["category", "number"])
def test_an_id_of_each_image_and_a_useful_column_are_kept(kind: str) -> None:
    random, labels = np.random.default_rng(0), np.arange(300) % 2
    for numbers in (np.arange(300), labels + (random.random(300) < 0.1)):
        index, columns = make_index([str(number) for number in numbers], kind)
        refuse_leaks(index, labels, columns)


@pytest.mark.parametrize("large", ["inf", "-inf", "1e40"])
def test_numbers_beyond_float32_tell_what_missing_ones_tell(large: str) -> None:
    labels = np.arange(60) % 2
    shares = [
        find_told_share(pd.Series([odd if label else "1.5" for label in labels]), "number", labels)
        for odd in (large, "")
    ]
    assert shares == [1.0, 1.0]


def test_no_rows_tell_nothing() -> None:
    assert find_told_share(pd.Series([], dtype="str"), "number", np.array([], dtype=np.int64)) is None
