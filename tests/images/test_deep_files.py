import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from pipeline.images.bands import Frame
from pipeline.images.decoding import BrokenImageError, decode_file
from pipeline.images.deep_files import count_pages, read_tiff
from pipeline.images.fitting import StorageForm

OME = (
    "<?xml version='1.0'?><OME xmlns='http://www.openmicroscopy.org/Schemas/OME/2016-06'><Image ID='Image:0'>"
    "<Pixels DimensionOrder='XYCZT' SizeC='x'/></Image></OME>"
)
FIVE = np.arange(5 * 12 * 10, dtype=np.uint16).reshape(12, 10, 5) * 100


def _tiff(values: NDArray[Any], **more: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, values, **more)
    return out.getvalue()


def _read(content: bytes, many_bands: bool = False, frame: Frame = "first") -> NDArray[Any]:
    found = read_tiff(io.BytesIO(content), many_bands, frame, 1_000_000)
    assert found is not None
    return found.values


def test_what_pillow_keeps_whole_is_left_to_it() -> None:
    content = _tiff(FIVE[..., 0].astype(np.uint8))
    assert read_tiff(io.BytesIO(content), False, "first", 1000) is None
    assert read_tiff(io.BytesIO(content), True, "first", 1000) is not None


@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "f4", "f8"])
@pytest.mark.parametrize("compression", [None, "deflate", "lzw"])
def test_any_type_comes_as_it_is(kind: str, compression: str | None) -> None:
    values = (FIVE[..., :1] % 251).astype(kind)
    found = _read(_tiff(values[..., 0], compression=compression))
    assert found.dtype == np.dtype(kind)
    assert np.array_equal(found, values)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_bands_come_last(planar: str) -> None:
    stored = FIVE if planar == "contig" else np.moveaxis(FIVE, 2, 0)
    found = _read(_tiff(stored, photometric="minisblack", planarconfig=planar))
    assert np.array_equal(found, FIVE)


def test_pages_are_frames_or_bands() -> None:
    content = _tiff(np.moveaxis(FIVE, 2, 0), photometric="minisblack")
    assert np.array_equal(_read(content), FIVE[..., :1])
    assert np.array_equal(_read(content, frame="middle"), FIVE[..., 2:3])
    assert np.array_equal(_read(content, many_bands=True), FIVE)


def test_small_values_are_bright_where_white_is_zero() -> None:
    content = _tiff(FIVE[..., 0], photometric="miniswhite")
    found = read_tiff(io.BytesIO(content), False, "first", 1000)
    assert found is not None
    assert found.inverted


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_file_stands_upright_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.tif"
    form = StorageForm(size=12, channels=1, resize="stretch")
    tag = [(274, "H", 1, orientation, False)]
    tifffile.imwrite(path, (FIVE[..., 0] // 100 % 256).astype(np.uint8), extratags=tag)
    shallow = decode_file(path, form).pixels
    tifffile.imwrite(path, (FIVE[..., 0] // 100 % 256).astype(np.uint16) * 257, extratags=tag)
    assert np.array_equal(decode_file(path, form).pixels, shallow)


def test_a_file_without_its_end_is_refused_rather_than_black() -> None:
    content = _tiff(FIVE, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ValueError, match=r"cut off|damaged|not a TIFF"):
        _read(content[:-50])


def test_five_bands_are_named_where_colour_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(_tiff(FIVE, photometric="minisblack", planarconfig="contig"))
    with pytest.raises(BrokenImageError, match=r"5 bands, but storage.channels is 3; set storage.channels: 5"):
        decode_file(path, StorageForm(12, 3, "stretch"))
    chosen = decode_file(path, StorageForm(8, 3, "crop", range="data", bands=(5, 3, 1))).pixels
    assert chosen.shape == (8, 8, 3)
    assert (chosen[..., 0] >= chosen[..., 2]).all()


def test_png_of_16_bits_in_colour_keeps_them(tmp_path: Path) -> None:
    deep = np.stack([FIVE[..., 0] % 4096] * 3, axis=2)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    found = decode_file(tmp_path / "a.png", StorageForm(12, 3, "stretch", range=(0.0, 4095.0))).pixels
    wanted = np.rint(deep / 4095 * 255).astype(np.uint8)
    image = Image.fromarray(wanted).resize((12, 12), Image.Resampling.BICUBIC)
    assert np.array_equal(found, np.asarray(image))


def test_jpeg_xl_is_read(tmp_path: Path) -> None:
    grey = np.kron(np.array([[0, 80], [160, 240]], dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(grey, lossless=True))
    assert np.array_equal(decode_file(tmp_path / "a.jxl", StorageForm(16, 1, "stretch")).pixels[..., 0], grey)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_xl_of_8_bits_holds_grey_levels_whatever_the_range_of_deep_pictures(tmp_path: Path, channels: int) -> None:
    levels = np.arange(16 * 16 * channels, dtype=np.uint8).reshape(16, 16, channels)
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(np.squeeze(levels), lossless=True))
    form = StorageForm(16, channels, "stretch", range=(0.0, 26000.0))
    assert np.array_equal(decode_file(tmp_path / "a.jxl", form).pixels, levels)


@pytest.mark.parametrize("bands_first", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "float32", ">i2"])
def test_a_numpy_array_is_a_picture_of_rows_columns_and_bands(tmp_path: Path, bands_first: bool, dtype: str) -> None:
    values = np.random.default_rng(0).integers(0, 250, (20, 16, 6)).astype(dtype)
    np.save(tmp_path / "a.npy", np.moveaxis(values, 2, 0) if bands_first else values)
    form = StorageForm(16, 2, "stretch", range=(0, 255), bands=(2, 5))
    wide = decode_file(tmp_path / "a.npy", form)
    assert (wide.width, wide.height) == (16, 20)
    np.save(tmp_path / "b.npy", values[..., [1, 4]])
    assert np.array_equal(wide.pixels, decode_file(tmp_path / "b.npy", StorageForm(16, 2, "stretch", (0, 255))).pixels)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros(5, "uint8"), r"an array of uint8 and the shape \[5\], which is no picture"),
        (np.zeros((3, 4, 4, 4), "uint8"), "no picture of rows and columns"),
        (np.array([["a", "b"]]), "no picture of rows and columns"),
        (np.array([[object()]], dtype=object), "no picture of rows and columns"),
    ],
)
def test_an_array_of_another_kind_is_no_picture(tmp_path: Path, array: NDArray[Any], words: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(BrokenImageError, match=words):
        decode_file(tmp_path / "a.npy", StorageForm(16, 1, "stretch"))


def test_a_damaged_header_of_an_array_is_broken(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((40, 40), "uint8"))
    content = bytearray((tmp_path / "a.npy").read_bytes())
    for place in range(10, 80):
        damaged = content.copy()
        damaged[place] ^= 1
        (tmp_path / "a.npy").write_bytes(damaged)
        with suppress(BrokenImageError):
            decode_file(tmp_path / "a.npy", StorageForm(16, 1, "stretch"))


def test_an_array_that_is_cut_is_broken(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((40, 40)))
    content = (tmp_path / "a.npy").read_bytes()
    for kept in (7, 60, len(content) - 8):
        (tmp_path / "a.npy").write_bytes(content[:kept])
        with pytest.raises(BrokenImageError):
            decode_file(tmp_path / "a.npy", StorageForm(16, 1, "stretch"))


def test_signed_bytes_do_not_turn_over(tmp_path: Path) -> None:
    values = np.arange(-128, 128).astype(np.int8).reshape(16, 16)
    (tmp_path / "a.tif").write_bytes(_tiff(values))
    found = decode_file(tmp_path / "a.tif", StorageForm(16, 1, "stretch")).pixels[..., 0]
    assert np.array_equal(found, values.astype(int) + 128)


def test_codes_that_pillow_lacks_are_read(tmp_path: Path) -> None:
    values = np.repeat((FIVE[..., :1] % 251).astype(np.uint8), 3, axis=2)
    for compression in ("jpeg2000", "webp"):
        (tmp_path / "a.tif").write_bytes(_tiff(values, compression=compression, photometric="rgb"))
        found = decode_file(tmp_path / "a.tif", StorageForm(12, 3, "stretch")).pixels
        assert found.std() > 0


def test_four_bands_of_8_bits_are_named_and_opacity_can_be_one(tmp_path: Path) -> None:
    four = (FIVE[..., :4] % 251).astype(np.uint8)
    (tmp_path / "a.tif").write_bytes(_tiff(four, photometric="minisblack", planarconfig="contig"))
    with pytest.raises(BrokenImageError, match="it has 4 bands"):
        decode_file(tmp_path / "a.tif", StorageForm(12, 3, "stretch"))
    for kind in (np.uint8, np.uint16):
        content = _tiff(four.astype(kind), photometric="rgb", extrasamples=["unassalpha"])
        assert np.array_equal(_read(content, many_bands=True), four)


def test_channels_that_a_microscope_names_are_bands() -> None:
    values = np.moveaxis(FIVE, 2, 0)
    for more in ({"imagej": True}, {"ome": True}):
        content = _tiff(values, metadata={"axes": "CYX"}, **more)
        assert np.array_equal(_read(content), FIVE)
        assert count_pages(io.BytesIO(content)) == 1


@pytest.mark.parametrize("text", ["ImageJ=1.11a\nimages=3\nchannels=x\n", "<OME><Pixels SizeC='x'/></OME>", OME])
def test_a_description_that_says_nonsense_is_passed_over(text: str) -> None:
    content = _tiff(np.full((3, 8, 8), 7, np.uint16), description=text, metadata=None, photometric="minisblack")
    assert np.array_equal(_read(content), np.full((8, 8, 1), 7))
    assert count_pages(io.BytesIO(content)) == 3


@pytest.mark.parametrize("kind", ["i2", "u2", "f4"])
def test_values_that_a_file_calls_no_data_are_no_numbers(kind: str) -> None:
    values = (FIVE[..., 0] % 251).astype(kind)
    nothing = -32768 if kind == "i2" else 65535
    values[0, :3] = nothing
    found = _read(_tiff(values, extratags=[(42113, "s", 0, str(nothing), True)]))[..., 0]
    assert np.isnan(found[0, :3]).all()
    assert np.array_equal(found[1:], values[1:])


@pytest.mark.parametrize("text", ["-9999", "nan", "65536", "1e20", "none"])
def test_no_data_that_no_pixel_can_be_leaves_pixels_as_they_are(text: str) -> None:
    values = (FIVE[..., 0] % 251).astype(np.uint16)
    values[0, :3] = 0
    found = _read(_tiff(values, extratags=[(42113, "s", 0, text, True)]))[..., 0]
    assert found.dtype == np.uint16
    assert np.array_equal(found, values)


@pytest.mark.parametrize(
    ("kind", "text"), [("u2", "255.0"), ("i2", "-9.99900000000000000e+03"), ("f4", "-3.4028234663852886e+38")]
)
def test_no_data_are_found_however_the_file_writes_them(kind: str, text: str) -> None:
    values = (FIVE[..., 0] % 251).astype(kind)
    values[0, :3], values[1, :3] = float(text), 0
    found = _read(_tiff(values, extratags=[(42113, "s", 0, text, True)]))[..., 0]
    assert np.isnan(found[0, :3]).all()
    assert np.array_equal(found[1:], values[1:])


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="complex numbers"):
        _read(_tiff(FIVE[..., 0].astype(np.complex64)))
