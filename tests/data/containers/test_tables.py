from pathlib import Path

import bson
import numpy as np
import pytest
from support.packers import parquet, png, tfrecords

from pipeline.core.errors import InputError
from pipeline.data.containers.tables import find_row_columns, list_row_files, read_rows


def test_files_of_one_pattern_are_one_table(tmp_path: Path) -> None:
    for number, names in ((10, ["c"]), (2, ["a", "b"])):
        (tmp_path / f"part{number}.parquet").write_bytes(parquet({"id": names, "kind": [1] * len(names)}))
    assert read_rows(tmp_path / "part*.parquet")["id"].tolist() == ["a", "b", "c"]
    assert read_rows(tmp_path / "part{10,2}.parquet", ["id"]).columns.tolist() == ["id"]


def test_files_of_one_pattern_need_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet({"id": ["a"]}))
    (tmp_path / "b.parquet").write_bytes(parquet({"name": ["b"]}))
    with pytest.raises(InputError, match=r"b\.parquet has the columns name, a\.parquet id"):
        read_rows(tmp_path / "*.parquet")


def test_a_csv_is_read_as_ever(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,kind\n007,NA\n")
    assert read_rows(tmp_path / "a.csv").to_dict("list") == {"id": ["007"], "kind": ["NA"]}


def test_a_pattern_that_also_fits_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet({"id": ["a"]}))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match=r"also fits a\.txt"):
        list_row_files(tmp_path / "a.*")


def test_pictures_are_no_columns_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrec"
    picture = png(np.zeros((8, 8), "uint8"))
    path.write_bytes(tfrecords([{"image": picture, "id": b"a"}, {"image": picture, "id": b"b", "late": 5}]))
    assert find_row_columns(path).pictures == ("image",)
    assert read_rows(path).to_dict("list") == {"id": ["a", "b"], "late": ["", "5"]}


def test_documents_with_several_pictures_are_several_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.bson"
    parts = [{"picture": b"\xff\xd8\xff"}, {"picture": b"\xff\xd8\xfe"}]
    path.write_bytes(bson.encode({"_id": 3, "imgs": parts, "kind": 1000010653}))
    assert read_rows(path).to_dict("list") == {"_id": ["3", "3"], "kind": ["1000010653"] * 2, "imgs": ["3_0", "3_1"]}
    assert read_rows(path, ["imgs"])["imgs"].tolist() == ["3_0", "3_1"]


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(parquet({"image_id": ["a"]}))
    with pytest.raises(InputError, match="no column 'imageid'; did you mean 'image_id'"):
        read_rows(path, ["imageid"])


def test_a_workbook_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"labels\.xlsx is a workbook .* save its sheet as CSV"):
        read_rows(tmp_path / "labels.xlsx")


def test_damaged_parquet_and_bson_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet({"id": ["a"]})[:-9])
    with pytest.raises(InputError, match=r"a\.parquet is no whole Parquet file"):
        read_rows(tmp_path / "a.parquet")
    (tmp_path / "a.bson").write_bytes(bson.encode({"id": 1}) + bson.encode({"id": 2})[:-3])
    with pytest.raises(InputError, match=r"a\.bson is damaged after document 1"):
        read_rows(tmp_path / "a.bson")
