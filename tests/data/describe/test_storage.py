from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from support.dicom import write_dicom

from pipeline.core.errors import InputError
from pipeline.data.describe.listing import open_listing
from pipeline.data.describe.match import Reading
from pipeline.data.describe.storage import describe_storage, find_pixel_table

RAMP = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32)


def _describe(folder: Path) -> Reading:
    with open_listing(folder) as listing:
        return describe_storage(listing, Reading({}, images=tuple(listing.images)))


def _range(folder: Path, *pictures: NDArray[Any]) -> Any:
    for number, values in enumerate(pictures):
        tifffile.imwrite(folder / f"{number}.tif", values)
    return _describe(folder).section.get("range")


def test_values_of_8_bits_need_no_range(tmp_path: Path) -> None:
    assert _range(tmp_path, RAMP.astype(np.uint8)) is None


def test_twelve_bits_in_sixteen_get_their_own_white(tmp_path: Path) -> None:
    assert _range(tmp_path, RAMP * 4, RAMP * 3) == (0, 4095)


def test_sixteen_bits_get_the_range_of_their_type(tmp_path: Path) -> None:
    assert _range(tmp_path, RAMP * 64, RAMP * 60) == "dtype"


def test_pictures_of_unlike_depth_are_stretched_one_by_one(tmp_path: Path) -> None:
    assert _range(tmp_path, RAMP // 5, RAMP * 4) == "data"
    assert "leaves 1 of 2 pictures nearly black" in _describe(tmp_path).check[0]


def test_signed_values_get_a_range_of_their_middle(tmp_path: Path) -> None:
    low, high = _range(tmp_path, RAMP.astype(np.int16) - 500)
    assert -500 <= low < -490
    assert 510 < high <= 523


def test_floating_point_from_0_to_1_is_the_range_of_its_type(tmp_path: Path) -> None:
    assert _range(tmp_path, (RAMP / 1023).astype(np.float32)) == "dtype"


def test_dicom_files_with_a_window_are_shown_in_it(tmp_path: Path) -> None:
    for number in range(3):
        write_dicom(tmp_path / f"{number}.dcm", RAMP, WindowCenter=40, WindowWidth=400)
    found = _describe(tmp_path)
    assert found.section["range"] == "window"
    assert found.section["channels"] == 1
    assert not [line for line in (*found.facts, *found.check) if "Doe" in line or "P7" in line]


def test_many_bands_become_channels(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([RAMP * 60] * 5, axis=2), photometric="minisblack", planarconfig="contig"
    )
    assert _describe(tmp_path).section["channels"] == 5
    Image.new("RGB", (32, 32)).save(tmp_path / "b.png")
    with pytest.raises(InputError, match="1 of 2 images opened are pictures of 5 bands, and the others are not"):
        _describe(tmp_path)


def test_what_lies_under_the_names_of_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0")
    with pytest.raises(InputError, match=r"a.png \(not an image but a Git LFS pointer"):
        _describe(tmp_path)


@pytest.mark.parametrize("planes", [False, True])
def test_the_order_of_colours_in_rows_of_pixels_is_what_makes_neighbours_alike(planes: bool) -> None:
    steps = np.arange(12)
    grey = (5 * steps[:, None] + 3 * steps[None]) % 120
    colour = np.stack([grey, 130 - grey // 2, grey + 120], axis=0 if planes else 2).ravel()
    head = pd.DataFrame([[0, *colour], [1, *colour[::-1]]], columns=["label", *map("p{}".format, range(432))]).astype(
        str
    )
    found = find_pixel_table(head, "train.csv")
    assert found is not None
    assert found.shape == (12, 12, 3)
    assert ("planes" in found.section(None)) == planes


def test_a_level_of_slides_is_proposed(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for side in (2048, 1024, 512, 256):
            file.write(np.full((side, side), 9, np.uint8), compression="deflate")
    found = _describe(tmp_path)
    assert found.section["level"] == 2
    assert any("level 2 of these slides is read" in line for line in found.check)


def test_files_of_several_pages_or_frames_are_told(tmp_path: Path) -> None:
    for number in range(3):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.stack([RAMP] * 4), photometric="minisblack")
    told = "3 of 3 images opened hold 4 pages or frames each: the first is taken; storage.frame: middle takes another"
    assert any(line == f"{told}, storage.channels: 4 takes them all as channels" for line in _describe(tmp_path).check)
    write_dicom(tmp_path / "3.dcm", np.stack([RAMP] * 6))
    assert any("4 of 4 images opened hold 4 to 6 pages or frames" in line for line in _describe(tmp_path).check)


def test_one_page_is_nothing_to_tell(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RAMP * 60)
    assert not [line for line in _describe(tmp_path).check if "pages" in line]
