"""Whole slides: levels of TIFF files, and mosaics of the tiles that hold tissue."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from pipeline.images.decoding import BrokenImageError, decode_file
from pipeline.images.deep_files import find_level
from pipeline.images.fitting import StorageForm
from pipeline.images.slides import Mosaic, make_mosaic

Pixels = NDArray[np.uint8]
SIDES = (256, 128, 64)


def draw(side: int) -> Pixels:
    """White, with pink tissue in the lower right quarter and a black mark in the upper left corner."""
    pixels = np.full((side, side, 3), 255, np.uint8)
    pixels[side // 2 :, side // 2 :] = (220, 120, 180)
    pixels[: side // 8, : side // 8] = 20
    return pixels


def write_slide(path: Path, sub: bool = False) -> Path:
    """Writes levels as pages, or as inner pages of the first, with a label of another shape behind them."""
    with tifffile.TiffWriter(path) as file:
        for place, side in enumerate(SIDES):
            inner = len(SIDES) - 1 if sub and not place else None
            kind = int(bool(sub and place))
            file.write(draw(side), tile=(16, 16), photometric="rgb", subifds=inner, subfiletype=kind)
        file.write(np.zeros((20, 60, 3), np.uint8), photometric="rgb")
    return path


@pytest.mark.parametrize("sub", [False, True])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_level_of_a_slide_is_read(tmp_path: Path, level: int, sub: bool) -> None:
    path = write_slide(tmp_path / "slide.tif", sub)
    found = decode_file(path, StorageForm(64, 3, "stretch", level=level))
    assert found.width == SIDES[level]
    assert found.pixels[40, 40].tolist() == [220, 120, 180]


def test_a_level_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif")
    with pytest.raises(BrokenImageError, match=r"levels 0 to 2 \(256 x 256, 128 x 128, 64 x 64\), but storage.level"):
        decode_file(path, StorageForm(64, 3, "stretch", level=3))


def test_the_level_that_shows_enough_is_found(tmp_path: Path) -> None:
    large = tmp_path / "large.tif"
    with tifffile.TiffWriter(large) as file:
        for side in (2048, 1024, 512, 256):
            file.write(np.full((side, side), 9, np.uint8), compression="deflate")
    assert find_level(io.BytesIO(large.read_bytes())) == 2
    assert find_level(io.BytesIO(write_slide(tmp_path / "a.tif").read_bytes())) == 0
    assert find_level(io.BytesIO(b"II*\0 no TIFF")) == 0


@pytest.mark.parametrize(("choose", "first"), [("dark", 20), ("colour", 220), ("even", 220)])
def test_a_mosaic_takes_the_tiles_of_its_name(choose: str, first: int) -> None:
    found = make_mosaic(draw(256), Mosaic(choose, 4, 32))  # type: ignore[arg-type]
    assert found.shape == (64, 64, 3)
    assert found[0, 0, 0] == first
    assert (found[32:, 32:] == (220, 120, 180)).all()


def test_white_stands_where_tiles_are_too_few() -> None:
    pixels = np.full((40, 50, 3), 255, np.uint8)
    pixels[:32, :32] = (200, 60, 160)
    found = make_mosaic(pixels, Mosaic("even", 4, 32))
    assert (found[:32, :32] == (200, 60, 160)).all()
    assert (found[32:] == 255).all()


def test_a_mosaic_of_a_level_is_stored(tmp_path: Path) -> None:
    path = write_slide(tmp_path / "slide.tif")
    form = StorageForm(32, 3, "crop", level=1, tiles="colour", tile_count=4, tile_size=16)
    assert (decode_file(path, form).pixels == (220, 120, 180)).all()


def test_a_smaller_level_is_as_light_as_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "negative.tif"
    with tifffile.TiffWriter(path) as file:
        for side in SIDES:
            grey = np.tile(np.linspace(0, 200, side, dtype=np.uint8), (side, 1))
            file.write(grey, tile=(16, 16), photometric="miniswhite")
    means = [decode_file(path, StorageForm(32, 1, "stretch", level=level)).pixels.mean() for level in range(3)]
    assert max(means) - min(means) < 3
    assert min(means) > 140


def test_the_white_around_a_mosaic_leaves_its_range_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 4000, (60, 60)).astype(np.uint16))
    plain = StorageForm(32, 1, "stretch", range="data")
    form = StorageForm(32, 1, "stretch", range="data", tiles="dark", tile_count=4, tile_size=32)
    whole, tiled = (decode_file(path, each).pixels for each in (plain, form))
    assert abs(float(np.median(tiled)) - float(np.median(whole))) < 25


def test_bands_are_chosen_before_a_mosaic_takes_its_range(tmp_path: Path) -> None:
    path = tmp_path / "bands.tif"
    values = np.random.default_rng(0).integers(0, 200, (60, 60, 4)).astype(np.uint16)
    values[..., 3] *= 300  # a band that is left out
    tifffile.imwrite(path, values, photometric="rgb", extrasamples=["unspecified"])
    form = StorageForm(32, 3, "stretch", range="data", bands=(1, 2, 3), tiles="dark", tile_count=4, tile_size=32)
    assert 100 < np.median(decode_file(path, form).pixels) < 200


@pytest.mark.parametrize(("level", "side"), [(0, 256), (1, 128), (2, 64)])
def test_a_slide_of_a_scanner_is_read_level_by_level(tmp_path: Path, level: int, side: int) -> None:
    """As Aperio writes them: JPEG tiles, a thumbnail behind the first level, label and overview at the end."""
    path = tmp_path / "slide.svs"
    about = "Aperio Image Library v11.2.1\r\n256x256 [0,0 256x256] (16x16) JPEG/RGB Q=95|AppMag = 20|MPP = 0.5"
    tiles: dict[str, Any] = {"tile": (64, 64), "compression": "jpeg", "photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(draw(256), description=about, **tiles)
        file.write(draw(64), photometric="rgb", metadata=None)
        file.write(draw(128), description=about, **tiles)
        file.write(np.zeros((20, 60, 3), np.uint8), photometric="rgb", subfiletype=1, metadata=None)
    found = decode_file(path, StorageForm(64, 3, "stretch", level=level))
    assert found.width == side
    assert np.abs(found.pixels[40, 40].astype(int) - [220, 120, 180]).max() <= 3
