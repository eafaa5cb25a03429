import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pipeline.images.decoding import BrokenImageError, decode_file
from pipeline.images.fitting import StorageForm

GREY = np.kron(np.array([[0, 80, 255], [160, 240, 16]], dtype=np.uint8), np.ones((8, 5), dtype=np.uint8))[:15, :15]
COLOUR = np.stack([GREY, GREY.T, 255 - GREY], axis=2)


def _decode(path: Path, content: bytes | bytearray, channels: int = 3, **more: Any) -> NDArray[Any]:
    path.write_bytes(content)
    return decode_file(path, StorageForm(15, channels, "stretch", **more)).pixels


@pytest.mark.parametrize("picture", [GREY, COLOUR])
@pytest.mark.parametrize("bits", [12, 16])
def test_white_of_a_deep_jpeg_2000_stays_white(tmp_path: Path, picture: NDArray[Any], bits: int) -> None:
    deep = np.rint(picture.astype(float) / 255 * (2**bits - 1)).astype(np.uint16)
    content = imagecodecs.jpeg2k_encode(deep, reversible=True, bitspersample=bits)
    assert np.array_equal(_decode(tmp_path / "a.jp2", content), picture if picture.ndim == 3 else COLOUR[..., [0] * 3])


def test_a_deep_jpeg_2000_in_colour_has_a_range(tmp_path: Path) -> None:
    content = imagecodecs.jpeg2k_encode(COLOUR.astype(np.uint16) * 16, reversible=True)
    assert np.array_equal(_decode(tmp_path / "a.jp2", content, range="data"), COLOUR)


def test_signed_and_many_banded_jpeg_2000_are_read(tmp_path: Path) -> None:
    signed = ((GREY.astype(int) - 128) * 16).astype(np.int16)
    content = imagecodecs.jpeg2k_encode(signed, reversible=True)
    assert np.array_equal(_decode(tmp_path / "a.jp2", content, 1, range="data")[..., 0], GREY)
    five = np.dstack([COLOUR, GREY, GREY.T])
    content = imagecodecs.jpeg2k_encode(five, reversible=True)
    assert np.array_equal(_decode(tmp_path / "a.jp2", content, 5), five)


def test_opacity_is_a_band_where_many_are_wanted_and_white_beneath_where_not(tmp_path: Path) -> None:
    four = np.dstack([COLOUR, np.full_like(GREY, 255)])
    four[0, 0] = 0
    for depth in (1, 257):
        content = imagecodecs.png_encode(four.astype(np.uint16) * 257 if depth > 1 else four)
        assert np.array_equal(_decode(tmp_path / "a.png", content, 4), four)
        flat = _decode(tmp_path / "a.png", content)
        assert flat[0, 0].tolist() == [255, 255, 255]
        assert np.array_equal(flat[1:], COLOUR[1:])


@pytest.mark.parametrize(
    "content",
    [
        imagecodecs.jpegls_encode(GREY.astype(np.uint16) * 257),
        imagecodecs.ljpeg_encode(GREY.astype(np.uint16) * 257),
        imagecodecs.jpeg8_encode(GREY.astype(np.uint16) * 16, level=100, bitspersample=12),
    ],
)
def test_rare_kinds_of_jpeg_are_read(tmp_path: Path, content: bytes) -> None:
    found = _decode(tmp_path / "a.jpg", content, 1)[..., 0]
    assert np.abs(found.astype(int) - GREY).max() <= 2  # of 12 bits: with loss, and 4080 is no white


def test_a_rare_jpeg_that_was_cut_is_broken(tmp_path: Path) -> None:
    content = imagecodecs.jpegls_encode(GREY.astype(np.uint16) * 257)
    with pytest.raises(ValueError, match=r"\S"):
        _decode(tmp_path / "a.jpg", content[: len(content) // 2], 1)
    deep = imagecodecs.jpeg2k_encode(COLOUR.astype(np.uint16) * 257, reversible=True)
    with pytest.raises(ValueError, match=r"\S"):
        _decode(tmp_path / "a.jp2", deep[: len(deep) // 2])


def _repeat_last_scan(times: int) -> bytes:
    """A progressive JPEG file whose last pass comes again and again, with a preview in its head and a film behind."""
    file = io.BytesIO()
    Image.fromarray(COLOUR).save(file, "JPEG", progressive=True, comment=b"\xff\xda" * 500)
    content = file.getvalue()[:-2]
    return content + content[content.rindex(b"\xff\xda") :] * times + b"\xff\xd9" + b"\xff\xda" * 500


def test_a_jpeg_of_very_many_scans_is_refused_and_one_of_some_is_not(tmp_path: Path) -> None:
    assert _decode(tmp_path / "a.jpg", _repeat_last_scan(80)).shape == COLOUR.shape
    with pytest.raises(BrokenImageError, match=r"^a JPEG file of 10,010 scans would take very long; at most 100 are"):
        _decode(tmp_path / "a.jpg", _repeat_last_scan(10_000))
