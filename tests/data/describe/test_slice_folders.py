"""Images that are folders of slices: described, and prepared as described."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support import tiny
from support.competition_files import Files, images, rows, write

from pipeline.core.competition import load_competition
from pipeline.core.errors import InputError
from pipeline.data.describe.channel_paths import ChannelPaths, find_channel_paths
from pipeline.data.describe.description import describe_files
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.data.prepared.records import list_records
from pipeline.data.prepared.slice_folders import find_slices
from pipeline.images.fitting import StorageForm
from pipeline.images.store import open_store

SHIPPED = Path(__file__).parents[3] / "configs" / "models"
FORM = StorageForm(8, 3, "stretch", slices="spread")


def _write(base: Path, folders: dict[str, int], level: int = 0) -> None:
    rng = np.random.default_rng(level)
    for folder, count in folders.items():
        (base / folder).mkdir(parents=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(base / folder / f"{number + 1}.png")


def _build(base: Path, inner: tuple[str, ...] = ("",), test: str = "test") -> Path:
    rows = [(f"case{number:02d}", "ab"[number % 2]) for number in range(12)]
    asked = [f"case{number}" for number in range(50, 54)]
    _write(base, {f"train/{name}/{part}": 5 + n % 3 for n, (name, _) in enumerate(rows) for part in inner})
    _write(base, {f"{test}/{name}/{part}": 6 for name in asked for part in inner}, 1)
    (base / "train.csv").write_text("case,kind\n" + "".join(f"{name},{kind}\n" for name, kind in rows))
    (base / "sample_submission.csv").write_text("case,kind\n" + "".join(f"{name},a\n" for name in asked))
    return base


@pytest.mark.parametrize("test", ["test", "train"])
def test_folders_of_slices_are_described_and_prepared(tmp_path: Path, test: str) -> None:
    tiny.build(tmp_path)
    (tmp_path / "configs" / "models").mkdir(exist_ok=True)
    for name in ("mobilenet_v2_xception_logistic", "mobilenet_v2_inner_logistic"):
        shutil.copy(SHIPPED / f"{name}.yaml", tmp_path / "configs" / "models")
    base = _build(tmp_path / "download" / "series", test=test)
    describe_local(tmp_path, base, "series", Choices(), "accuracy")
    params = tiny.read_yaml(tmp_path / "params.yaml")
    tiny.write_yaml(tmp_path / "params.yaml", params | {"competition": "series"})
    storage = load_competition(tmp_path).storage
    assert (storage.slices, storage.channels) == ("spread", 3)
    tiny.prepare_tiny(tmp_path)
    first = open_store(tmp_path / "data" / "prepared" / "train_images.npy")[0]
    slices = [np.asarray(Image.open(base / "train" / "case00" / f"{number}.png")) for number in (1, 3, 5)]
    assert np.array_equal(first, np.stack(slices, axis=2))


def test_of_several_series_the_first_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    found = describe_files(_build(tmp_path, ("T2w", "FLAIR")), Choices(), "accuracy")
    assert found.sections["train"].section["files"] == {"path": "{id}/FLAIR"}
    assert any("folders: FLAIR, T2w" in line for line in found.check)


def test_a_list_of_series_names_a_test_patient_twice_and_lists_no_test_images(tmp_path: Path) -> None:
    base = _build(tmp_path / "series")
    (base / "test_series.csv").write_text("case,dose\n" + "".join(f"case{k // 2},{k}\n" for k in range(100, 107)))
    test = describe_files(base, Choices(), "accuracy").sections["test"].section
    assert (test["listed_by"], test["files"]) == ("sample_submission", {"path": "{id}"})


def test_rows_without_a_folder_and_folders_around_several_are_named(tmp_path: Path) -> None:
    _write(tmp_path, {"train/a/1": 2, "train/a/2": 2, "train/b/only": 3})
    images = ImageFolder(tmp_path, "train")
    assert find_slices(images, ["b"], FORM, Path("t.csv")) == [
        ("train/b/only/1.png", "train/b/only/2.png", "train/b/only/3.png")
    ]
    with pytest.raises(InputError, match=r"1 rows name no folder of pictures in .*: c; there are a/1, a/2, b/only"):
        find_slices(images, ["c"], FORM, Path("t.csv"))
    with pytest.raises(InputError, match=r"around several others: a \(a/1, a/2\); choose one with files"):
        find_slices(images, ["a"], FORM, Path("t.csv"))


@pytest.mark.parametrize(("blank", "shown"), [("", r"\(blank\)"), (" ", r"\(blank\)"), (".", r"\."), ("./", r"\./")])
def test_a_blank_cell_or_a_dot_names_no_folder(tmp_path: Path, blank: str, shown: str) -> None:
    _write(tmp_path, {"train/only": 3})
    with pytest.raises(InputError, match=rf"1 rows name no folder of pictures in .*: {shown}; there are only"):
        find_slices(ImageFolder(tmp_path, "train"), [blank], FORM, Path("t.csv"))


@pytest.mark.parametrize("lost", ["", "train/case03/case03_green.png"])
def test_a_lost_file_leaves_channels_what_they_are(lost: str) -> None:
    names, colours = [f"case{number:02d}" for number in range(24)], ("blue", "green", "red", "yellow")
    paths = [f"train/{name}/{name}_{colour}.png" for name in names for colour in colours]
    there = [path for path in paths if path != lost]
    found = find_channel_paths(there, pd.DataFrame({"case": names}), ["case"], "case")
    assert found == ChannelPaths("train", "{id}/{id}_{channel}.png", colours)


def test_channels_that_many_folders_lack_are_told_by_name() -> None:
    names, colours = [f"case{number:02d}" for number in range(24)], ("blue", "green", "red", "yellow")
    paths = [f"train/{name}/{colour}.png" for name in names for colour in colours]
    found = find_channel_paths([*paths[:5], *paths[6:22], *paths[23:40], *paths[41:]], *_cases(names))
    assert found == ChannelPaths("train", "{id}", alike=tuple(f"{colour}.png" for colour in colours))
    counted = [f"train/{name}/{at}.png" for place, name in enumerate(names) for at in range(5 + place % 3)]
    assert find_channel_paths(counted, *_cases(names)) == ChannelPaths("train", "{id}")


def _cases(names: list[str]) -> tuple[pd.DataFrame, list[str], str]:
    return pd.DataFrame({"case": names}), ["case"], "case"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("{0}/{1}.png", "slices, write files: {path: '{id}'} in train and test, and slices: spread in storage"),
        ("{0}/im_{1}.png", "slices, write files: {path: '{id}'} in train and test, and slices: spread in storage"),
        ("{0}_{1}.png", "pictures of their own, write files: {path: '{id}_1.png'} in train and test, and channels: 1"),
        ("{0}/{0}_B0{1}.png", ""),
        ("{0}/{0}_{2}.png", ""),
    ],
)
def test_files_that_no_name_calls_channels_are_told_with_a_way_out_that_works(root: Path, name: str, told: str) -> None:
    """Studies of three slices each, satellites' bands, stains."""
    cases = {"train": [f"a{k}" for k in range(12)], "test": [f"t{k}" for k in range(3)]}
    parts = [(str(at), colour) for at, colour in enumerate(("red", "green", "blue"), 1)]
    made = [f"{part}/{name.format(case, *each)}" for part, names in cases.items() for case in names for each in parts]
    files: Files = {
        "train.csv": rows("case,kind", *((case, "ab"[k % 2]) for k, case in enumerate(cases["train"]))),
        "sample_submission.csv": rows("case,kind", *((case, "a") for case in cases["test"])),
        **images(made, grey=True),
    }
    base = write(root, files)
    said = describe_local(root, base)
    assert ("files of each row (1, 2, 3) were read as channels of one image" in said) == bool(told)
    assert told in said
    assert len(load_competition(root, "shape").train.model_dump()["files"]["channels"]) == 3
    if told:
        path = root / "configs" / "competitions" / "shape.yaml"
        found = tiny.read_yaml(path)
        more = {"slices": "spread"} if told.startswith("slices") else {"channels": 1}
        other = {"path": "{id}" if told.startswith("slices") else "{id}_1.png"}
        parts_told = {part: {**found[part], "files": other} for part in cases}
        tiny.write_yaml(path, {**found, **parts_told, "storage": {**found["storage"], **more}})
        assert len(list_records(base, load_competition(root, "shape")).train) == 12


def test_folders_of_as_many_files_without_a_name_in_common_are_slices() -> None:
    """The Data Science Bowl's scans, whose files are called by digests, cut to four slices each."""
    names = [f"case{number:02d}" for number in range(24)]
    paths = [f"stage1/{name}/{at * 97 + number * 31:08x}.dcm" for at, name in enumerate(names) for number in range(4)]
    assert find_channel_paths(paths, pd.DataFrame({"id": names}), ["id"], "id") == ChannelPaths("stage1", "{id}")


def test_slices_with_names_of_their_own_are_slices_though_nearly_all_folders_hold_as_many() -> None:
    names = [f"case{number:02d}" for number in range(24)]
    paths = [f"train/{name}/{at * 97 + number:08x}.dcm" for at, name in enumerate(names) for number in range(20)]
    found = find_channel_paths(paths[1:], pd.DataFrame({"case": names}), ["case"], "case")
    assert found == ChannelPaths("train", "{id}")


def test_rows_of_answers_name_folders_of_slices_and_their_parts(tmp_path: Path) -> None:
    base, parts = _build(tmp_path / "series"), ("C1", "C2")
    (base / "train.csv").write_text(
        "case,C1,C2\n" + "".join(f"case{number:02d},{number % 2},{number % 3 // 2}\n" for number in range(12))
    )
    asked = [(f"case{number}_{part}", f"case{number}", part) for number in range(50, 54) for part in parts]
    (base / "test.csv").write_text("row_id,case,part\n" + "".join(f"{','.join(row)}\n" for row in asked))
    (base / "sample_submission.csv").write_text("row_id,broken\n" + "".join(f"{row[0]},0.5\n" for row in asked))
    found = describe_files(base, Choices(), "log_loss").sections
    assert found["train"].section["classes"] == parts
    assert found["test"].section == {
        "layout": "images",
        "images": "test",
        "listed_by": "table",
        "table": "test.csv",
        "id": "case",
        "files": {"path": "{id}"},
    }
    rows = {"by": "table", "table": "test.csv", "row": "row_id", "image": "case", "part": "part"}
    assert found["submission"].section["rows"] == rows
