"""Files of a competition nobody described yet: zips in zips, links, what cannot be read."""

import os
from pathlib import Path

import pandas as pd
import pytest
from support.competition_files import Files, animals, cactus, images, labels, read, rows, write, zipped

from pipeline.core import csvs
from pipeline.core.answers import LabelSubmission
from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe import listing
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.listing import open_listing


def test_aerial_cactus_looks_into_nested_zips(root: Path) -> None:
    found = read(root, cactus())
    assert isinstance(found.submission, LabelSubmission)
    assert found.submission.positive == "1"
    assert found.train.model_dump()["images"] == "train"
    assert (found.storage.size, found.metric.name) == (32, "log_loss")


def test_nested_zips_of_a_folder_must_be_unpacked_first(root: Path) -> None:
    with pytest.raises(InputError, match=r"unpack them first: test\.zip, train\.zip"):
        describe_local(root, write(root, cactus()))


def test_pictures_that_lie_loose_in_nested_zips_go_into_folders_of_their_names(root: Path) -> None:
    files: Files = {
        "train.zip": zipped(images([f"{number}.jpg" for number in range(1, 13)])),
        "test.zip": zipped(images([f"{number}.jpg" for number in range(1, 5)])),
        "labels.csv": rows("id,kind", *((f"{number}.jpg", ("cat", "dog")[number % 2]) for number in range(1, 13))),
        "sample_submission.csv": rows("id,kind", *((f"{number}.jpg", "cat") for number in range(1, 5))),
    }
    found = read(root, files)
    assert found.train.model_dump()["images"] == "train"
    assert found.test.model_dump()["images"] == "test"


def test_nested_zips_that_would_unpack_over_each_other_are_refused(root: Path) -> None:
    one, other = (zipped({"notes.txt": text}) for text in ("one", "another"))
    with pytest.raises(InputError, match=r"would unpack over notes\.txt"):
        read(root, cactus() | {"train.zip": one, "test.zip": other})


def test_a_zip_with_members_that_leave_it_is_refused(root: Path) -> None:
    with pytest.raises(InputError, match=r"1 members leave the folder or are links: '\.\./evil\.png'"):
        read(root, animals() | {"../evil.png": b""})


def test_a_folder_with_a_link_to_nothing_is_refused(root: Path) -> None:
    source = write(root, animals())
    (source / "train" / "gone.csv").symlink_to(root / "gone.csv")
    with pytest.raises(InputError, match=r"gone\.csv is a link to nothing, or no plain file; remove it"):
        describe_local(root, source)


@pytest.mark.parametrize(("most_bytes", "parsed"), [(1_000_000, 1), (20, 2)])
def test_a_table_whose_first_lines_are_all_of_it_is_parsed_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int, parsed: int
) -> None:
    read_table, asked = csvs.read_source_table, []

    def read(path: Path, encoding: str | None = None) -> pd.DataFrame:
        asked.append(path)
        return read_table(path, encoding)

    monkeypatch.setattr(csvs, "read_source_table", read)
    monkeypatch.setattr(listing, "_HEAD_BYTES", most_bytes)
    source = write(root, {"train.csv": rows("id,kind", *((n, "cat") for n in range(9)))})
    with open_listing(source) as opened:
        head = opened.head("train.csv")
        assert opened.table("train.csv")["id"].tolist() == list("012345678")
        assert head["id"].tolist() == list("012345678")[: 9 if parsed == 1 else len(head)]
    assert len(asked) == parsed


def test_a_broken_table_is_named_as_it_is_called_in_the_zip(root: Path) -> None:
    with pytest.raises(InputError, match=r"shape\.zip: train\.csv, line 3 has 3 cells"):
        read(root, animals() | {"train.csv": "Id,Category\n0,ant\n1,bee,x\n"})


def test_unreadable_images_are_refused(root: Path) -> None:
    files = {name: b"no image" if name.endswith(".png") else content for name, content in animals().items()}
    with pytest.raises(InputError, match="none of 12 images opened can be read"):
        read(root, files)


def test_letters_that_no_yaml_may_hold_are_written_out(root: Path) -> None:
    files = animals() | {"train.csv": rows("Id,Category", *((n, ("a\x1bnt", "bee")[n % 2]) for n in range(12)))}
    files |= {"sample_submission.csv": rows("Id,Category", *((n, "bee") for n in range(3)))}
    competition = read(root, files)
    assert set(labels(root, competition).values()) == {"a\x1bnt", "bee"}
    assert r"2 classes (a\x1bnt, bee)" in (root / "configs" / "competitions" / "shape.yaml").read_text("utf-8")


def test_images_that_are_named_twice_are_told(root: Path) -> None:
    files = animals() | {"train.csv": rows("Id,Category", *((n % 8, "ab"[n % 2]) for n in range(16)))}
    with pytest.raises(InputError, match=r"more than once by Id of train.csv \(16 rows, 8 different\): one row per im"):
        read(root, files)


def test_an_empty_folder_says_what_was_found(root: Path) -> None:
    source = write(root, {"sample_submission.csv": rows("id,label", (1, 0))})
    with pytest.raises(InputError, match=r"no training data that could be read.*found tables none, folders none"):
        describe_local(root, source)


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("animals15", "csv_images"),
        ("dogs10", "folders"),
        pytest.param("fashion_pixels", "csv_pixels", marks=pytest.mark.slow),
    ],
)
def test_real_zips_are_read_right(root: Path, name: str, layout: str) -> None:
    folder = os.environ.get("COMPETITIONS_DIR")
    if not folder:
        pytest.skip("COMPETITIONS_DIR names no folder of real competitions")
    describe_local(root, Path(folder) / name / f"{name}.zip")
    assert load_competition(root, name).train.layout == layout


def test_grey_images_are_stored_with_one_channel(root: Path) -> None:
    names = [*(f"train/{n}.png" for n in range(12)), *(f"test/{n}.png" for n in range(3))]
    found = read(root, animals() | images(names, (8, 8), grey=True))
    assert (found.storage.channels, found.storage.size) == (1, 16)


def test_parts_of_a_set_are_listed_once_wherever_their_number_stands(tmp_path: Path) -> None:
    names = ["test.tfrecord-00000-of-00001", "train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with open_listing(tmp_path) as listing:
        assert sorted(listing.row_files) == names


@pytest.mark.parametrize("linked", ["train/a/2.png", "train/more", "labels.csv"])
def test_a_link_out_of_the_source_is_refused_as_prepare_would(tmp_path: Path, linked: str) -> None:
    for name in ("source/train/a/1.png", "source/kept/b.png", "outside/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "source/train/b").symlink_to("../kept")
    with open_listing(tmp_path / "source") as listing:
        assert list(listing.members) == ["kept/b.png", "train/a/1.png", "train/b/b.png"]
    outside = tmp_path / "outside"
    (tmp_path / "source" / linked).symlink_to(outside if linked == "train/more" else outside / "2.png")
    with pytest.raises(InputError, match=rf"{linked} is a link to .*, outside of the source; copy"):
        open_listing(tmp_path / "source").__enter__()
