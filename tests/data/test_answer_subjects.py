"""Units and rows of answers, read from a source's tables and kept beside the index."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from support.fabricated import competition, index

from pipeline.core import tables
from pipeline.core.competition import Competition
from pipeline.core.config import parse
from pipeline.core.csvs import read_table
from pipeline.core.errors import InputError
from pipeline.core.targets.classes import OneClass
from pipeline.data.prepared.answer_subjects import assign_part_units, list_answer_ids, make_sheet
from pipeline.data.prepared.answer_tables import list_known_ids, read_row_table
from pipeline.data.prepared.folds import make_fold_table
from pipeline.data.prepared.record import Record
from pipeline.kaggle.answers.sheets import format_rows, read_sheet

LABEL = {"kind": "label", "sample": "sample.csv", "id": "unit", "label": "ill"}
ROWS = {"kind": "rows", "sample": "sample.csv", "id": "row", "value": "y"}
BY_TABLE = {"by": "table", "table": "test.csv", "image": "image", "columns": ["patient", "side"]}
TARGET = OneClass(columns=("0", "1"))


def describe(submission: dict[str, Any]) -> Competition:
    return parse(
        {**competition(submission), "test": {"layout": "images", "images": "test", "listed_by": "folder"}},
        Competition,
        "a test",
    )


def write(base: Path, **files: str) -> None:
    for name, text in files.items():
        (base / f"{name}.csv").write_text(text, encoding="utf-8")


def records(*ids: str, group: str = "") -> list[Record]:
    return [Record(name, f"test/{name}", group=group) for name in ids]


def test_a_unit_is_named_by_several_columns_of_a_table(tmp_path: Path) -> None:
    write(tmp_path, test="image,patient,side\n1.png,7,L\n2.png,7,R\n3.png,7,L\n")
    known = describe(LABEL | {"unit": {"test": BY_TABLE}})
    listed = assign_part_units(tmp_path, known, records("x/1", "2.png", "3"), "test")
    assert [record.unit for record in listed] == ["7_L", "7_R", "7_L"]
    assert [record.unit for record in assign_part_units(tmp_path, known, records("9"), "train")] == [""]
    assert list_answer_ids(tmp_path, known, listed) == ["7_L", "7_R"]
    assert list_known_ids(tmp_path, known) == {"1.png", "2.png", "3.png"}


def test_a_unit_is_named_by_the_id_or_is_the_group(tmp_path: Path) -> None:
    known = describe(LABEL | {"unit": {"test": {"by": "pattern", "pattern": r"(?P<unit>\d+)-"}}})
    assert [each.unit for each in assign_part_units(tmp_path, known, records("12-1", "12-2"), "test")] == ["12", "12"]
    grouped = describe(LABEL | {"unit": {"test": {"by": "group"}}})
    assert [each.unit for each in assign_part_units(tmp_path, grouped, records("a", group="g"), "test")] == ["g"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("image,patient,side\n1,7,L\n", r"submission.unit.test: 1 images have no unit: ids 2; correct it"),
        ("image,patient,side\n1,7,L\n1,7,R\n2,7,R\n", r"test.csv: 1 images have two units: 1;"),
        ("image,patient\n1,7\n2,7\n", r"test.csv has no column 'side'"),
    ],
)
def test_images_without_one_unit_are_refused(tmp_path: Path, table: str, message: str) -> None:
    write(tmp_path, test=table)
    with pytest.raises(InputError, match=message):
        assign_part_units(tmp_path, describe(LABEL | {"unit": {"test": BY_TABLE}}), records("1", "2"), "test")


def test_folds_keep_a_unit_together() -> None:
    train = index([str(number) for number in range(40)], [number // 20 for number in range(40)])
    table = make_fold_table(train.assign(unit=[f"u{number // 4}" for number in range(40)]), ("a", "b"), 5, 0, False)
    assert table.assign(unit=table["id"].astype(int) // 4).groupby("unit")["fold"].nunique().max() == 1
    alone = make_fold_table(train, ("a", "b"), 5, 0, False)
    assert alone.assign(unit=alone["id"].astype(int) // 4).groupby("unit")["fold"].nunique().max() > 1


def test_rows_of_answers_are_read_from_a_table_and_kept_in_the_index(tmp_path: Path) -> None:
    write(tmp_path, test="row,image,part\nr1,a,0\nr2,b,1\nr3,a,1\n", sample="row,y\nr2,0\nr1,0\nr3,0\n")
    rows = {"by": "table", "table": "test.csv", "row": "row", "image": "image", "part": "part"}
    known = describe(ROWS | {"rows": rows})
    table = read_row_table(tmp_path, known)
    assert table is not None
    assert list_known_ids(tmp_path, known) == {"a", "b"}
    assert list_answer_ids(tmp_path, known, records("a")) == ["r1", "r3"]
    sheet = make_sheet(tmp_path, known, TARGET, records("a", "b"), read_table(tmp_path / "sample.csv"))
    pd.testing.assert_frame_equal(sheet.rows, table)  # type: ignore[arg-type]

    prepared = tmp_path / "prepared"
    test = index(["a", "b"], [-1, -1])
    tables.write_classes(prepared / "classes.json", TARGET.columns)
    tables.write_index(prepared / "test.csv", test.assign(rows=format_rows(table, ["a", "b"])))
    (prepared / "sample_submission.csv").write_text("row,y\nr2,0\n", encoding="utf-8")
    kept = read_sheet(prepared, known).rows
    assert kept is not None
    assert sorted(kept.itertuples(index=False, name=None)) == [("r1", "a", "0"), ("r2", "b", "1"), ("r3", "a", "1")]


def test_a_row_that_stands_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, test="row,image,part\nr1,a,0\nr1,b,1\n")
    rows = {"by": "table", "table": "test.csv", "row": "row", "image": "image", "part": "part"}
    with pytest.raises(InputError, match=r"test.csv: 1 rows are there twice: r1; keep one of each"):
        read_row_table(tmp_path, describe(ROWS | {"rows": rows}))


def test_units_are_read_again_from_the_prepared_index(tmp_path: Path) -> None:
    known = describe(LABEL | {"unit": {"test": {"by": "group"}}})
    tables.write_classes(tmp_path / "classes.json", TARGET.columns)
    (tmp_path / "sample_submission.csv").write_text("unit,ill\nu,0\n", encoding="utf-8")
    test = index(["a", "b"], [-1, -1])
    tables.write_index(tmp_path / "test.csv", test.assign(unit=["u", "u"]))
    assert read_sheet(tmp_path, known).units == {"a": "u", "b": "u"}
    tables.write_index(tmp_path / "test.csv", test)
    with pytest.raises(InputError, match=r"has no column unit, which submission.unit asks for"):
        read_sheet(tmp_path, known)
