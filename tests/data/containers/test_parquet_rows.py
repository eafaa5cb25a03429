"""Parquet: files that unfold into far more than they are."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.core.errors import InputError
from pipeline.data.containers import parquet_rows
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


def test_pictures_of_hugging_face_keep_their_names(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    pictures = [{"bytes": b"\xff\xd8\xff", "path": "a.jpg"}, {"bytes": b"\xff\xd8\xfe", "path": "b.jpg"}]
    pq.write_table(pa.table({"image": pictures, "label": [0, 1]}), path)
    assert [row["image"] for row in parquet_rows.iterate_parquet(path, ["image"])] == [b"\xff\xd8\xff", b"\xff\xd8\xfe"]
    assert read_rows(path).to_dict("list") == {"image.path": ["a.jpg", "b.jpg"], "label": ["0", "1"]}
    pq.write_table(pa.table({"id": ["x", "y"], "shots": [pictures, pictures[:1]]}), path)
    assert read_rows(path, ["shots"])["shots"].tolist() == ["x_0", "x_1", "y_0"]
