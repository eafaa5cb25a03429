"""Files that no reader takes are named where a competition is refused, and where it is described."""

import gzip
from pathlib import Path

import pytest
from support.archive_files import make_seven
from support.competition_files import animals, images, read, rows, zipped

from pipeline.core.errors import InputError


def test_a_refusal_names_what_could_not_be_read_and_the_way_on(root: Path) -> None:
    files: dict[str, bytes | str] = {
        "sample_submission.csv": rows("id,label", (1, 0)),
        "train.rar": b"Rar!",
        "train.mat": b"x",
        "read.me": b"",
    }
    with pytest.raises(InputError) as error:
        read(root, files)
    assert "Not read: 1 files of no kind that is known (read.me): see docs/competitions.md" in str(error.value)
    assert "1 RAR archives (train.rar): unpack it and give the folder" in str(error.value)
    assert "1 MATLAB files (train.mat): save the arrays as NPY or HDF5" in str(error.value)


def test_an_archive_that_cannot_be_opened_is_named_with_its_reason(root: Path) -> None:
    files: dict[str, bytes | str] = {
        "sample_submission.csv": rows("id,label", (1, 0)),
        "train.7z": make_seven({"1.png": b"x"}, "secret"),
    }
    with pytest.raises(InputError, match=r"Not read: train\.7z stays packed: it is encrypted"):
        read(root, files)


def test_a_description_says_what_was_not_read(root: Path) -> None:
    read(root, animals() | {"extra.xlsx": b"PK"})
    text = (root / "configs" / "competitions" / "shape.yaml").read_text("utf-8")
    assert "not read: 1 workbooks (extra.xlsx): save the sheet as CSV" in " ".join(text.replace("#", "").split())


def test_a_second_rendering_of_the_images_is_left_out_and_listed_to_check(
    root: Path,
) -> None:
    found = read(root, animals() | images([f"train-tif/{number}.tif" for number in range(12)]))
    assert found.train.model_dump()["images"] == "train"
    assert "12 TIFF files have the names of plain pictures" in (
        root / "configs" / "competitions" / "shape.yaml"
    ).read_text("utf-8")


def test_folders_of_stages_are_no_classes(root: Path) -> None:
    found = read(
        root, animals() | images([f"test_stg{part}/x{part}{number}.png" for part in (1, 2) for number in (0, 1)])
    )
    assert found.train.model_dump()["layout"] == "csv_images"


def test_packed_volumes_are_volumes_and_no_archives(root: Path) -> None:
    with pytest.raises(InputError, match=r"Not read: 1 volumes \(train/v0.nii.gz\): save its pictures as PNG or TIFF$"):
        read(root, {"sample_submission.csv": rows("id,label", (1, 0)), "train/v0.nii.gz": gzip.compress(b"x" * 400)})


def test_parts_that_lack_others_and_an_archive_that_was_cut_are_told(root: Path) -> None:
    whole = make_seven({"1.png": b"x" * 999})
    files: dict[str, bytes | str] = {
        "sample_submission.csv": rows("id,label", (1, 0)),
        "a.7z.001": whole[:50],
        "a.7z.003": whole[90:],
        "b.tgz.ac": b"x",
        "train.csv.lz4": b"x",
        "d.zip": zipped({"1.png": b"x" * 999})[:-40],
        "test-00000-of-00001": b"x",
        "more.zip.csv": rows("id,label", (1, 0)),
    }
    with pytest.raises(InputError) as error:
        read(root, files)
    told = str(error.value)
    assert "3 parts of archives whose other parts are missing (a.7z.001, a.7z.003, b.tgz.ac): put all parts" in told
    assert (
        "d.zip stays packed: it has no end with a directory: it was cut off, or is one part of several; get it" in told
    )
    assert "1 LZ4 files (train.csv.lz4): unpack it" in told
    assert "1 parts of a set without an ending (test-00000-of-00001): give them that of their format" in told
