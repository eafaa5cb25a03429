"""All that happens between a picture file and an exported graph, in words that a program elsewhere can follow.

Beside the model lies a picture that was made for this, with the pixels and the predictions that must come of it: half
of a reader's mistakes (a stretched picture, another filter, a photo on its side, blue for red) change it.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.core.arrays import Images, Values
from pipeline.core.files import write_json
from pipeline.images.decoding import decode_file, find_least_side
from pipeline.images.fitting import StorageForm
from pipeline.images.slices import count_slices

CHECK_PICTURE, CHECK_PIXELS, CHECK_CARD = "check.jpg", "check_pixels.bin", "check.json"
READER = "read_picture.py"
_CHANNELS = {1: "grey", 3: "RGB"}
_ROUNDED = ", each result rounded to a whole level (the order changes a level by 1 or 2, of noise by up to 9)"
_BETWEEN = ", levels between two whole ones, cut off at 0 and 255 at last"
_HALF = ", rounded half to even"
_SLICES = {
    "middle": "the slice is the image",
    "spread": "each slice becomes a channel, in their order",
    "mean": "each channel is the mean of the slices' levels",
    "mosaic": "the slices, each sqrt(count) times smaller than size, fill a square, row by row",
}
_TURNED_RIGHT = 6  # of EXIF: the first row of the file is the right side of the picture


def is_plain(form: StorageForm, several_files: bool) -> bool:
    """Says whether an image is one picture file that becomes RGB or grey, which readers elsewhere can follow."""
    whole = form.level == 0 and form.tiles is None and form.slices is None and form.dtype == "uint8"
    return whole and not several_files and form.bands is None and form.channels in _CHANNELS


def describe_outside(form: StorageForm, several_files: bool) -> dict[str, Any]:
    """Describes what must happen to an image's file, or files, before a graph can take it."""
    plain, whole = is_plain(form, several_files), form.dtype == "uint8"
    least = find_least_side(form)
    return {
        "size": form.size,
        "files": _name_files(form, several_files),
        "slices": _describe_slices(form),
        "channels": _CHANNELS[form.channels] if plain else _name_bands(form),
        "values": f"{_name_type(form)}, 0 black to 255 white, not normalised; rows from the top, channels last",
        "jpeg": {
            "decoder": "libjpeg-turbo: accurate integer DCT (islow), smooth ('fancy') upsampling of colours, as Pillow",
            "tensorflow": "tf.io.decode_jpeg(..., dct_method='INTEGER_ACCURATE')",
            "fraction": {
                "of": [8, 4, 2],
                "least_side": least,
                "rule": f"the first of these by which both sides, divided, keep {least} pixels: libjpeg's scale_denom; "
                "else the whole picture. Decoding all of it instead changes pixels by a fraction of a level on average",
            }
            if plain
            else None,
        },
        "orientation": "EXIF tag 0x0112 is applied; a damaged block is ignored",
        "colours": "no colour profile is applied; CMYK, YCCK and palettes as Pillow converts them to RGB",
        "transparency": {"over": [255, 255, 255, 255], "rule": "straight alpha, drawn over this colour"},
        "grey": "L = (19595 R + 38470 G + 7471 B + 32768) >> 16",
        "frame": form.frame,
        "level": form.level,
        "mosaic": None if form.tiles is None else [form.tiles, form.tile_count, form.tile_size],
        "deep_values": {
            "range": list(form.range) if isinstance(form.range, tuple) else form.range,
            "rule": "files of more than 8 bits: (value - low) * 255 / (high - low), clipped to 0..255"
            f"{_HALF if whole else ''}; dtype is 0..65535 (0..1 or 0..255 for floating point), data the least and "
            "largest value of the picture, percentile its 0.5 and 99.5, window what a DICOM file names, or two values, "
            "low and high",
        },
        "resize": {
            "mode": form.resize,
            "modes": "crop: the largest square in the middle, to a fraction of a pixel, is scaled; pad: scaled until "
            "the longer side fits (the other rounded), in the middle of pad_value; stretch: both sides scaled",
            "filter": "bicubic",
            "a": -0.5,
            "widened_by_shrinking": True,
            "rule": "Pillow 13's resize: along the rows, then along the columns, or the other way where the picture "
            "loses more than twice as many rows as columns"
            f"{_ROUNDED if whole else _BETWEEN}; the filter's support is 2 pixels of the smaller picture, its weights "
            "sum to one at the border",
            "pad_value": 0,
        },
    }


def make_check_picture(form: StorageForm) -> bytes:
    """Makes a JPEG file that is larger than the stored size, not square, and on its side by its EXIF orientation."""
    height, width = round(1.4 * form.size) + 3, 2 * form.size + 5
    down, right = np.mgrid[:height, :width].astype(np.float64)
    waves = np.sin(right / width * 23 + 4 * (down / height) ** 2)[..., None] * [70, 40, 10]
    slopes = np.stack([right / width, down / height, 1 - right / width], axis=-1) * 150
    coarse = np.random.default_rng(0).uniform(-40, 40, (height // 8 + 1, width // 8 + 1, 3))
    noise = coarse.repeat(8, axis=0)[:height].repeat(8, axis=1)[:, :width]
    pixels = np.clip(60 + slopes + waves + noise, 0, 255).astype(np.uint8)
    turned: Image.Image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = _TURNED_RIGHT
    content = io.BytesIO()
    turned.save(content, "JPEG", quality=92, exif=exif)
    return content.getvalue()


def store_check_picture(folder: Path, form: StorageForm) -> NDArray[np.uint8]:
    """Writes the picture into a folder; returns its pixels as `prepare` would store them."""
    (folder / CHECK_PICTURE).write_bytes(make_check_picture(form))
    return decode_file(folder / CHECK_PICTURE, form).pixels


def write_check(folder: Path, pixels: Images, values: Values, columns: tuple[str, ...]) -> None:
    """Writes the picture's pixels, uint8 (size, size, channels) row by row, and predictions (n_columns,)."""
    (folder / CHECK_PIXELS).write_bytes(np.ascontiguousarray(pixels).tobytes())
    expected = dict(zip(columns, (float(value) for value in values), strict=True))
    write_json(
        folder / CHECK_CARD,
        {"picture": CHECK_PICTURE, "pixels": CHECK_PIXELS, "shape": list(pixels.shape), "expected": expected},
    )


def _name_files(form: StorageForm, several_files: bool) -> str:
    if form.slices is not None:
        return "a folder of slices for each image"
    return "several for each image, each a channel" if several_files else "one for each image"


def _describe_slices(form: StorageForm) -> dict[str, Any] | None:
    if form.slices is None:
        return None
    return {
        "kind": form.slices,
        "count": count_slices(form),
        "chosen": "of n in their order, the slices floor((2 i + 1) n / (2 count)) from 0, for i from 0 to count - 1",
        "order": "of the numbers that end their names; of DICOM files with other names that of their place in the "
        "series; else of their names",
        "rule": f"each slice is read and resized by itself; {_SLICES[form.slices]}"
        f"{_HALF if form.slices == 'mean' and form.dtype == 'uint8' else ''}",
    }


def _name_type(form: StorageForm) -> str:
    return "uint8" if form.dtype == "uint8" else "float32, levels between two whole ones"


def _name_bands(form: StorageForm) -> str:
    if form.slices == "spread":
        return f"{form.channels} slices, each a channel of grey"
    if form.slices is not None and form.channels in _CHANNELS:
        return f"{_CHANNELS[form.channels]} of slices"
    if form.dtype != "uint8" and form.bands is None and form.channels in _CHANNELS:
        return f"{_CHANNELS[form.channels]}, with levels between two whole ones: storage.dtype is {form.dtype}"
    of = f" ({', '.join(map(str, form.bands))} of the file, from 1)" if form.bands is not None else ""
    return f"{form.channels} bands{of}, each scaled by itself"
