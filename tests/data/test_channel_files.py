from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline.core.errors import InputError
from pipeline.core.file_layouts import ChannelFiles
from pipeline.core.layouts import CsvImages
from pipeline.data.prepared.channel_files import find_channel_files, have_files, refuse_other_number
from pipeline.data.prepared.image_folder import ImageFolder
from pipeline.images.decoding import BrokenImageError, decode_channels
from pipeline.images.fitting import StorageForm

TABLE = pd.DataFrame({"code": ["a", "b"], "plate": ["1", "2"], "well": ["B03", "C04"], "label": ["x", "y"]})
PATH = "Plate{plate}/{well}_w{channel}.png"


def _layout(path: str = PATH, channels: tuple[str, ...] = ("1", "2")) -> CsvImages:
    files = ChannelFiles(path=path, channels=channels)
    return CsvImages(layout="csv_images", images="train", table="train.csv", id="code", label="label", files=files)


def _write(folder: Path, *names: str, size: int = 8) -> None:
    for level, name in enumerate(names, 1):
        path = folder / "train" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (size, size), 10 * level).save(path)


def _find(folder: Path, layout: CsvImages) -> list[tuple[str, ...]]:
    return find_channel_files(ImageFolder(folder, "train"), layout, TABLE, "code", folder / "train.csv")


def test_paths_are_made_of_columns_and_channels(tmp_path: Path) -> None:
    names = [f"Plate{plate}/{well}_w{channel}.png" for plate, well in (("1", "B03"), ("2", "C04")) for channel in "12"]
    _write(tmp_path, *names)
    first, second = _find(tmp_path, _layout())
    assert first == ("train/Plate1/B03_w1.png", "train/Plate1/B03_w2.png")
    assert second == ("train/Plate2/C04_w1.png", "train/Plate2/C04_w2.png")


def test_the_id_column_is_id_and_one_file_needs_no_channel(tmp_path: Path) -> None:
    _write(tmp_path, "1/a.png", "2/b.png")
    assert _find(tmp_path, _layout("{plate}/{id}.png", ())) == [("train/1/a.png",), ("train/2/b.png",)]


def test_missing_files_are_named_beside_what_is_there(tmp_path: Path) -> None:
    _write(tmp_path, "Plate1/B03_w1.png")
    with pytest.raises(InputError, match=r"3 of 4 files that files.path .* are not in .*train: Plate1/B03_w2.png"):
        _find(tmp_path, _layout())


def test_rows_without_all_of_their_files_are_known(tmp_path: Path) -> None:
    _write(tmp_path, "Plate1/B03_w1.png", "Plate1/B03_w2.png", "Plate2/C04_w1.png")
    assert have_files(ImageFolder(tmp_path, "train"), _layout(), TABLE, "code", tmp_path) == [True, False]


def test_a_path_without_enough_columns_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, "x.png")
    layout = _layout("{label}{extra}.png", ())
    with pytest.raises(InputError, match="extra"):
        _find(tmp_path, layout)
    twins = TABLE.assign(plate="1")
    with pytest.raises(InputError, match="makes 1 paths for several rows"):
        find_channel_files(
            ImageFolder(tmp_path, "train"), _layout("{plate}.png", ()), twins, "code", tmp_path / "train.csv"
        )


@pytest.mark.parametrize(
    ("path", "channels", "words"),
    [
        ("a{channel}.png", ("1",), "names no column"),
        ("{id}.png", ("1",), "channels go with"),
        ("{id}_{channel}.png", (), "channels go with"),
        ("{id}_{channel}.png", ("1", "1"), "more than once"),
    ],
)
def test_a_path_that_cannot_be_meant_is_refused(path: str, channels: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ChannelFiles(path=path, channels=channels)


def test_channels_and_stored_channels_agree() -> None:
    with pytest.raises(InputError, match=r"train.files names 2 channels, but storage.channels is 3"):
        refuse_other_number(_layout().files, 3, "train")
    refuse_other_number(_layout().files, 2, "train")


def test_each_file_becomes_its_channel(tmp_path: Path) -> None:
    _write(tmp_path, "a.png", "b.png", "c.png")
    paths = [tmp_path / "train" / f"{name}.png" for name in "cab"]
    stored = decode_channels(paths, StorageForm(4, 3, "crop"))
    assert np.unique(stored.pixels.reshape(-1, 3), axis=0).tolist() == [[30, 10, 20]]
    Image.new("L", (9, 9)).save(paths[2])
    with pytest.raises(BrokenImageError, match=r"its files differ in size: c.png 8x8, a.png 8x8, b.png 9x9"):
        decode_channels(paths, StorageForm(4, 3, "crop"))


def test_a_broken_channel_is_named(tmp_path: Path) -> None:
    _write(tmp_path, "red/a.png", "green/a.png")
    paths = [tmp_path / "train" / colour / "a.png" for colour in ("red", "green")]
    paths[1].write_bytes(b"xx")
    with pytest.raises(BrokenImageError, match=r"^green/a.png: "):
        decode_channels(paths, StorageForm(4, 2, "crop"))
