"""300 damages over 12 formats: each picture comes out right, is counted as cut, or is broken with a reason."""

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from support.dicom import make_dicom

from pipeline.images.decoding import BrokenImageError, decode_file
from pipeline.images.fitting import StorageForm, StoredImage

FORM = StorageForm(size=24, channels=3, resize="stretch", range="data")
_COARSE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
PICTURE = np.asarray(Image.fromarray(_COARSE).resize((96, 80), Image.Resampling.BICUBIC))
DEEP = PICTURE[..., 0].astype(np.uint16) * 16
PILLOW = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "AVIF", "JPEG2000", "PPM", "QOI")


def _contents() -> dict[str, bytes]:
    found = {}
    for name in PILLOW:
        out = io.BytesIO()
        Image.fromarray(PICTURE).save(out, name)
        found[name] = out.getvalue()
    deep = io.BytesIO()
    tifffile.imwrite(deep, DEEP, compression="deflate")
    array = io.BytesIO()
    np.save(array, PICTURE)
    more = {
        "NPY": array.getvalue(),
        "TIFF": deep.getvalue(),
        "DICOM": make_dicom(DEEP, syntax="1.2.840.10008.1.2.4.90"),
    }
    return found | more | {"JPEG XL": bytes(imagecodecs.jpegxl_encode(PICTURE, lossless=True))}


CONTENTS = _contents()


def _decode(path: Path) -> StoredImage | None:
    """Anything but a picture or this one error would end the test; the reason is one line."""
    try:
        return decode_file(path, FORM)
    except BrokenImageError as error:
        reason = str(error)
    assert reason.strip() and "\n" not in reason  # noqa: PT018 # one property: a line
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENTS)
def test_no_damage_passes_in_silence(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(len(name))
    content, path = CONTENTS[name], tmp_path / "a.jpg"
    path.write_bytes(content)
    whole = _decode(path)
    assert whole is not None
    for _ in range(12):
        path.write_bytes(content[: int(rng.integers(1, len(content)))])
        cut = _decode(path)
        assert cut is None or cut.lost > 0 or np.array_equal(cut.pixels, whole.pixels)
    for _ in range(10):
        damaged = bytearray(content)
        for place in rng.integers(0, len(damaged), int(rng.integers(1, 9))):
            damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        _decode(path)
    for suffix in ("png", "dcm", "txt"):
        path.write_bytes(content)
        renamed = _decode(path.rename(tmp_path / f"b.{suffix}"))
        assert renamed is not None
        assert np.array_equal(renamed.pixels, whole.pixels)
