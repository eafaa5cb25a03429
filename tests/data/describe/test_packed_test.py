"""Packed test images, bands of numbers, arrays without ids, documents with several pictures, described by files."""

import json
from pathlib import Path

import bson
import numpy as np
import pytest
from support.competition_files import Files, zipped
from support.packers import npz, png, tfrecords

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.records import list_test_records

RNG = np.random.default_rng(0)


def _describe(root: Path, files: Files, metric: str = "accuracy", **choices: str) -> str:
    source = root.parent / "packed.zip"
    source.write_bytes(zipped(files))
    return describe_local(root, source, "packed", Choices(**choices), metric)


def _sample(ids: list[object], column: str = "kind", value: object = 0) -> str:
    return f"id,{column}\n" + "".join(f"{name},{value}\n" for name in ids)


def test_bands_of_floating_point_are_channels_with_a_range(root: Path) -> None:
    def record(number: int, labelled: bool) -> dict[str, object]:
        kind = number % 2
        bands = (RNG.normal(-20 + 5 * kind, 4, (2, 24 * 24))).round(6).tolist()
        cells = {"id": f"{number:03d}", "band_1": bands[0], "band_2": bands[1], "inc_angle": "na"}
        return cells | ({"is_iceberg": kind} if labelled else {})

    files = {
        "data/train.json": json.dumps([record(number, True) for number in range(12)]),
        "data/test.json": json.dumps([record(number, False) for number in range(90, 94)]),
        "sample_submission.csv": _sample(["090", "091", "092", "093"], "is_iceberg", 0.5),
    }
    told = _describe(root, files, "log_loss")
    competition = load_competition(root, "packed")
    assert "band_1, band_2: read as the channels of one image" in told
    assert competition.storage.channels == 2
    assert not isinstance(competition.storage.range, str)
    low, high = competition.storage.range
    assert -45 < low < -25 < -10 < high < 5


def test_arrays_without_ids_are_paired_by_number(root: Path) -> None:
    files: dict[str, bytes | str] = {
        "x-train-images.npz": npz({"arr_0": RNG.integers(0, 256, (12, 16, 16)).astype("uint8")}),
        "x-train-labels.npz": npz({"arr_0": np.arange(12, dtype="uint8") % 3}),
        "x-test-images.npz": npz({"arr_0": RNG.integers(0, 256, (4, 16, 16)).astype("uint8")}),
        "sample_submission.csv": _sample([1, 2, 3, 4]),
    }
    told = _describe(root, files)
    train = load_competition(root, "packed").train.model_dump(exclude_none=True)
    assert train["table"] == "x-train-labels.npz"
    assert (train["id"], train["label"]) == ("row", "arr_0")
    assert "x-test-images.npz holds no ids" in told


def test_documents_with_several_pictures_have_one_answer_each(root: Path) -> None:
    def document(number: int, labelled: bool) -> bytes:
        pictures = [{"picture": png(RNG.integers(0, 256, (16, 16, 3)).astype("uint8"))} for _ in range(1 + number % 3)]
        cells: dict[str, object] = {"_id": number, "imgs": pictures}
        return bson.encode(cells | ({"category_id": 1000010653 + number % 2} if labelled else {}))

    files: dict[str, bytes | str] = {
        "train.bson": b"".join(document(number, True) for number in range(12)),
        "test.bson": b"".join(document(number, False) for number in range(2, 8, 2)),
        "sample_submission.csv": "_id,category_id\n" + "".join(f"{n},1000010653\n" for n in range(2, 8, 2)),
    }
    _describe(root, files)
    competition = load_competition(root, "packed")
    assert competition.train.model_dump(exclude_none=True) == {
        "layout": "csv_images",
        "images": "train.bson",
        "table": "train.bson",
        "id": "imgs",
        "label": "category_id",
        "group": "_id",
    }
    for name in ("train.bson", "test.bson"):
        content = files[name]
        assert isinstance(content, bytes)
        (root / name).write_bytes(content)
    tests = list_test_records(root, competition)
    assert [(record.id, record.group) for record in tests[:4]] == [
        ("2_0", "2"),
        ("2_1", "2"),
        ("2_2", "2"),
        ("4_0", "4"),
    ]
    assert competition.submission.unit is not None
    assert competition.submission.unit.test.by == "group"


def test_files_that_no_reader_takes_are_named_with_the_reason(root: Path) -> None:
    files: dict[str, bytes | str] = {
        "train.tfrec": tfrecords([{"id": b"a"}])[:-2],
        "labels.xlsx": b"PK",
        "sample_submission.csv": _sample([1, 2]),
    }
    with pytest.raises(InputError, match=r"not read: labels\.xlsx is a workbook.*train\.tfrec ends within record 1"):
        _describe(root, files)
