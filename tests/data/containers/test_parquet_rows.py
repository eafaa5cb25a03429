"""Parquet: files that unfold into far more than they are."""

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import InputError
from pipeline.data.containers import parquet_rows, tables
from pipeline.data.containers.tables import read_rows


@pytest.mark.parametrize("once", [False, True])
def test_a_file_that_unfolds_into_far_more_than_it_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, once: bool
) -> None:
    monkeypatch.setattr(parquet_rows, "_MOST_BYTES", 1_000_000)
    path = tmp_path / "train.parquet"
    ids = pa.array(["a" * 1000] * 4000)
    pq.write_table(pa.table({"id": ids.dictionary_encode() if once else ids}), path)
    with pytest.raises(InputError, match=r"train\.parquet unfolds from 0\.0 MB into more than 1 MB: .*short"):
        list(parquet_rows.iterate_parquet(path, None))
    monkeypatch.setattr(parquet_rows, "_MOST_BYTES", 5_000_000)
    assert sum(1 for _ in parquet_rows.iterate_parquet(path, ["id"])) == 4000


@pytest.mark.parametrize("kept_as_dictionary", [True, False])
def test_values_that_are_held_once_are_counted_and_not_written_out(tmp_path: Path, kept_as_dictionary: bool) -> None:
    path, texts = tmp_path / "train.parquet", pa.array(["a" * 2_200_000])
    ids = pa.DictionaryArray.from_arrays(pa.array([0] * 1024, pa.int32()), texts)
    pq.write_table(pa.table({"id": ids}), path, store_schema=kept_as_dictionary)
    before = pa.default_memory_pool().max_memory()
    with pytest.raises(InputError, match=r"train\.parquet unfolds from 0\.1 MB into more than 256 MB: .*short"):
        list(parquet_rows.iterate_parquet(path, None))
    assert pa.default_memory_pool().max_memory() < max(before, 100_000_000)


def test_plain_columns_are_read_as_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, day = tmp_path / "train.parquet", datetime.date(2020, 1, 2)
    columns = {
        "id": pa.array([f"i{row // 2}" for row in range(3000)]),
        "once": pa.array(["a", None, "b"] * 1000).dictionary_encode(),
        "whole": pa.array([1.0, None, 2.0] * 1000),
        "share": pa.array([0.1, float("nan"), 2.0] * 1000),
        "large": pa.array([2**53 + 1, None, 0] * 1000),
        "flag": pa.array([True, False, None] * 1000),
        "day": pa.array([day, None, day] * 1000),
        "cents": pa.array([decimal.Decimal("1.10"), None, None] * 1000),
    }
    pq.write_table(pa.table(columns), path, row_group_size=1100)
    assert parquet_rows.read_plain_parquet(path, list(columns))
    fast = read_rows(path)
    monkeypatch.setattr(tables, "read_plain_parquet", lambda *_: None)
    assert fast.equals(read_rows(path))
    assert fast.iloc[1].tolist() == ["i0", "", "", "", "", "False", "", ""]
    assert fast.iloc[0].tolist() == ["i0", "a", "1", "0.1", "9007199254740993", "True", "2020-01-02", "1.10"]


def test_bytes_are_counted_inside_of_lists_and_structures() -> None:
    texts = pa.array(["a" * 1000] * 99 + [None]).dictionary_encode()
    plain = texts.dictionary_decode()
    assert parquet_rows._count_bytes(texts) == parquet_rows._count_bytes(plain) == plain.nbytes > 99_000
    assert 99_000 < parquet_rows._count_bytes(pa.StructArray.from_arrays([texts], ["x"])) < 100_000
    assert 99_000 < parquet_rows._count_bytes(pa.ListArray.from_arrays(pa.array([0, 100], pa.int32()), texts)) < 100_000


def test_pictures_of_hugging_face_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pictures = [{"bytes": b"\xff\xd8\xff", "path": "a.jpg"}, {"bytes": b"\xff\xd8\xfe", "path": "b.jpg"}]
    pq.write_table(pa.table({"image": pictures, "label": [0, 1]}), path)
    assert [row["image"] for row in parquet_rows.iterate_parquet(path, ["image"])] == [b"\xff\xd8\xff", b"\xff\xd8\xfe"]
    assert read_rows(path).to_dict("list") == {"image.path": ["a.jpg", "b.jpg"], "label": ["0", "1"]}
    pq.write_table(pa.table({"id": ["x", "y"], "shots": [pictures, pictures[:1]]}), path)
    assert read_rows(path, ["shots"])["shots"].tolist() == ["x_0", "x_1", "y_0"]


def test_a_name_that_two_columns_share_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table([pa.array(["x"]), pa.array(["y"]), pa.array(["z"])], names=["id", "label", "id"]), path)
    for columns in (None, ["id"], ["label"]):
        with pytest.raises(InputError, match=r"train\.parquet: columns id are there more than once; rename"):
            read_rows(path, columns)
