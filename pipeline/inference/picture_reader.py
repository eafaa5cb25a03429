"""A reader of picture files for an exported model, written from the words of its `export.json` alone.

It imports nothing of the pipeline: `export` copies it beside the model, where ``python read_picture.py . photo.jpg``
predicts with Pillow, NumPy and, for an ONNX file, onnxruntime.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

_MODES = {"RGB": "RGB", "grey": "L"}


def read_picture(path: Path, outside: dict[str, Any]) -> NDArray[np.uint8]:
    """Reads a picture file as the words of a card say.

    Args:
        path: of the file.
        outside: ``outside`` of `export.json`.

    Returns:
        uint8 (size, size, channels).

    Raises:
        ValueError: the card, or the file, asks for what this reader does not do; the message names it.
    """
    if outside["channels"] not in _MODES:
        raise ValueError(f"this reader makes RGB and grey, not {outside['channels']}")
    with Image.open(path) as image:
        if image.format in ("DICOM", "JXL"):
            raise ValueError(f"this reader does not open {image.format}")
        fraction = outside["jpeg"]["fraction"]
        if image.format == "JPEG" and fraction is not None:
            image.draft(None, (fraction["least_side"], fraction["least_side"]))
        image.load()
        upright = ImageOps.exif_transpose(image)
    flat = _scale_levels(upright, outside["deep_values"]["range"], path)
    if flat.has_transparency_data:
        clear = flat.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", clear.size, tuple(outside["transparency"]["over"])), clear)
    size, channels = outside["size"], 1 if outside["channels"] == "grey" else 3
    return _fit(flat.convert(_MODES[outside["channels"]]), outside["resize"], size).reshape(size, size, channels)


def _scale_levels(image: Image.Image, wanted: Any, path: Path) -> Image.Image:
    """Turns 16-bit grey into 8 bits by the range of the card; other pictures stay as they are."""
    if not image.mode.startswith(("I", "F")):
        if image.format == "PNG" and path.read_bytes()[24:25] == b"\x10" and image.mode != "L":
            raise ValueError(f"{path} has 16 bits a channel, of which Pillow keeps 8")
        return image
    values = np.asarray(image).astype(np.float64)
    if image.mode == "F":
        raise ValueError(f"{path} holds floating point; this reader takes 8 and 16 bits")
    if wanted == "dtype":
        low, high = 0.0, 65535.0
    elif wanted == "percentile":
        flat = values.ravel()
        low, high = np.percentile(flat[:: max(1, flat.size // 100_000)], (0.5, 99.5))
        low, high = (low, high) if low < high else (values.min(), values.max())
    elif isinstance(wanted, list):
        low, high = wanted
    else:
        low, high = values.min(), values.max()
    levels = (values - low) * (255 / (high - low)) if low != high else np.zeros_like(values)
    return Image.fromarray(np.rint(np.clip(levels, 0, 255)).astype(np.uint8))


def _fit(image: Image.Image, resize: dict[str, Any], size: int) -> NDArray[np.uint8]:
    if resize["filter"] != "bicubic" or not resize["widened_by_shrinking"]:
        raise ValueError("this reader knows the bicubic filter of Pillow alone")
    both, mode, bicubic = (size, size), resize["mode"], Image.Resampling.BICUBIC
    if mode == "crop":
        fitted = ImageOps.fit(image, both, bicubic)
    elif mode == "pad":
        fitted = ImageOps.pad(image, both, bicubic, color=resize["pad_value"])
    elif mode == "stretch":
        fitted = image.resize(both, bicubic)
    else:
        raise ValueError(f"this reader knows crop, pad and stretch, not {mode}")
    return np.asarray(fitted, dtype=np.uint8)


def predict_pictures(arguments: list[str]) -> None:
    """Predicts pictures: the folder of `export.json` and `model.onnx`, then the files; one line of JSON for each."""
    import onnxruntime

    folder, *files = map(Path, arguments)
    card = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    names = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    for file in files:
        pixels = read_picture(file, card["outside"])
        values = session.run(None, {session.get_inputs()[0].name: pixels[None]})[0][0]
        print(json.dumps({"file": file.name, "values": dict(zip(names, map(float, values), strict=True))}))


if __name__ == "__main__":
    predict_pictures(sys.argv[1:])
