"""Columns beside the picture: read by id and held to their types."""

from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from pipeline.core.columns import Columns, name_columns
from pipeline.core.errors import InputError
from pipeline.data.prepared.metadata import read_metadata, refuse_other_words

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
        (
            TRAIN.replace("45.0", "old"),
            ["a"],
            r"column age: 'old' of id a is no number .* correct or empty these cells, or write category",
        ),
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


def test_words_that_no_training_image_has_are_refused_and_some_new_ones_kept() -> None:
    columns = Columns(train="train.csv", test="test.csv", id="id", features={"sex": "category"})
    train, same, other, blank = (
        name_columns(pd.DataFrame({"sex": cells}), columns)
        for cells in (["male", "female", ""], ["female", "unknown", ""], ["F", "M", ""], ["", ""])
    )
    refuse_other_words(train, same, columns)
    refuse_other_words(train, blank, columns)
    refuse_other_words(train, train.head(0), columns)
    with pytest.raises(InputError, match=r"sex is F, M in test.csv, and female, male in train.csv: no word is in both"):
        refuse_other_words(train, other, columns)
