"""The paths of channel files: composed of columns, with the channel in the right place."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.competition_files import Files, images, rows, write

from pipeline.core.competition import load_competition
from pipeline.data.describe.channel_paths import ChannelPaths, find_channel_paths
from pipeline.data.describe.description import describe_files
from pipeline.data.describe.init import describe_local
from pipeline.data.describe.match import Choices

CELLS = ("HEPG2-01", "HEPG2-02", "HUVEC-01")


def _wells(cells: tuple[str, ...], plates: tuple[int, ...]) -> pd.DataFrame:
    rows = [
        (f"{cell}_{plate}_{well}", cell, str(plate), well)
        for cell in cells
        for plate in plates
        for well in ("B01", "B02", "C01", "C12")
    ]
    return pd.DataFrame(rows, columns=["code", "experiment", "plate", "well"])


def _files(table: pd.DataFrame, folder: str, sites: tuple[int, ...] = (1, 2)) -> list[str]:
    return [
        f"{folder}/{row.experiment}/Plate{row.plate}/{row.well}_s{site}_w{channel}.png"
        for row in table.itertuples()
        for site in sites
        for channel in (1, 2, 3)
    ]


def test_columns_make_a_path_and_the_channel_is_the_part_named_so() -> None:
    table = _wells(CELLS, (1, 2))
    found = find_channel_paths(_files(table, "train"), table, list(table.columns), "code")
    path = "{experiment}/Plate{plate}/{well}_s1_w{channel}.png"
    assert found == ChannelPaths("train", path, ("1", "2", "3"), ("s: 1, 2",))


def test_a_column_of_one_value_is_part_of_the_path_behind_its_own_name_alone() -> None:
    table = _wells(CELLS, (1,))
    found = find_channel_paths(_files(table, "train"), table, list(table.columns), "code")
    assert found is not None
    assert found.path == "{experiment}/Plate{plate}/{well}_s1_w{channel}.png"


def test_files_of_an_id_and_a_colour_are_channels() -> None:
    table = pd.DataFrame({"Id": [f"{number:x}-f0" for number in range(100, 120)], "Target": ["1", "2"] * 10})
    paths = [f"train/{name}_{colour}.png" for name in table["Id"] for colour in ("red", "green", "blue")]
    found = find_channel_paths(paths, table, ["Id"], "Id")
    assert found == ChannelPaths("train", "{id}_{channel}.png", ("blue", "green", "red"))


def test_no_path_is_made_of_columns_that_name_no_file() -> None:
    table = _wells(CELLS, (1, 2))
    assert find_channel_paths([f"train/{number}.png" for number in range(72)], table, ["well"], "code") is None


def test_the_same_path_is_found_in_another_folder_only_where_all_files_are() -> None:
    made = ChannelPaths("train", "{experiment}/Plate{plate}/{well}_s1_w{channel}.png", ("1", "2", "3"))
    table = _wells(("RPE-01",), (4,))
    paths = _files(table, "more/test")
    moved = made.move(paths, table, "code")
    assert moved is not None
    assert moved.folder == "more/test"
    assert made.move(paths[1:], table, "code") is None


def test_a_competition_of_channel_files_is_described(tmp_path: Path) -> None:
    train, test = _wells(CELLS, (1,)), _wells(("RPE-01",), (2,))
    labels = [str(7 + row % 3) for row in range(len(train))]
    for number, path in enumerate([*_files(train, "train", (1,)), *_files(test, "test", (1,))]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        grey = np.random.default_rng(number).integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(grey).save(tmp_path / path)
    train.assign(kind=labels).to_csv(tmp_path / "train.csv", index=False)
    test.to_csv(tmp_path / "test.csv", index=False)
    test[["code"]].assign(kind="0").to_csv(tmp_path / "sample_submission.csv", index=False)

    sections = describe_files(tmp_path, Choices(), None).sections
    files = {"path": "{experiment}/Plate{plate}/{well}_s1_w{channel}.png", "channels": ["1", "2", "3"]}
    assert (sections["train"].section["files"], sections["test"].section["files"]) == (files, files)
    assert sections["test"].section["table"] == "test.csv"
    assert sections["storage"].section["channels"] == 3


@pytest.mark.parametrize("name", ["{}-{}.png", "{}_{}.png"])
def test_several_numbered_files_of_a_row_are_told(root: Path, name: str) -> None:
    """Petfinder: one to three photographs of each animal."""
    trains = [name.format(f"a{k}", part) for k in range(12) for part in range(1, 2 + k % 3)]
    tests = [name.format(f"t{k}", part) for k in range(3) for part in range(1, 2 + k % 3)]
    files: Files = {
        "train.csv": rows("PetID,Speed", *((f"a{k}", k % 3) for k in range(12))),
        "test.csv": rows("PetID", *((f"t{k}",) for k in range(3))),
        "sample_submission.csv": rows("PetID,Speed", *((f"t{k}", 0) for k in range(3))),
        **images([f"train/{each}" for each in trains] + [f"test/{each}" for each in tests]),
    }
    said = describe_local(root, write(root, files))
    assert "check: 8 of 12 rows have several files" in said
    assert f"the one that ends in {name.format('', 1)} is taken, and 12 others are not" in said


@pytest.mark.parametrize(
    ("grey", "path", "told"), [(False, "{id}_back.png", True), (True, "{id}_{channel}.png", False)]
)
def test_files_in_colour_are_views_and_no_channels(root: Path, grey: bool, path: str, told: bool) -> None:
    names = [
        f"{part}/{letter}{k}_{view}.png"
        for part, letter, count in (("train", "a", 12), ("test", "t", 3))
        for k in range(count)
        for view in ("front", "back")
    ]
    files: Files = {
        "train.csv": rows("patient,sick", *((f"a{k}", k % 2) for k in range(12))),
        "sample_submission.csv": rows("patient,sick", *((f"t{k}", 0.5) for k in range(3))),
        **images(names, grey=grey),
    }
    said = describe_local(root, write(root, files))
    made = load_competition(root, "shape")
    assert made.train.model_dump()["files"]["path"] == made.test.model_dump()["files"]["path"] == path
    assert ("check: 12 of 12 rows have several files, such as train/a0_front.png" in said) == told


def test_files_of_one_number_alone_are_nothing_to_tell(root: Path) -> None:
    files: Files = {
        "train.csv": rows("PetID,Speed", *((f"a{k}", k % 3) for k in range(12))),
        "sample_submission.csv": rows("PetID,Speed", *((f"t{k}", 0) for k in range(3))),
        **images([f"train/a{k}_2.png" for k in range(12)] + [f"test/t{k}_2.png" for k in range(3)]),
    }
    assert "several files" not in describe_local(root, write(root, files))
