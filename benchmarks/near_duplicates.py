"""Near-duplicates: CPU seconds at many pictures, and precision and recall on copies that are made.

    python -m benchmarks.near_duplicates --photos FOLDER --count 100000

Each photograph of the folder is copied in each of ten ways, and stored as `prepare` would store it; recall is the share
of copies that are linked to their original by an equal hash, or by a near one; precision is the share of near pairs
that are copies of one photograph. The seconds are those of finding pairs among made pictures, a hundredth of them
copies, whose hashes are known as after `prepare`. On 32 pixels: `--size 32`.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from pipeline.data.prepared.near_duplicates import find_near_duplicates
from pipeline.images.decoding import decode_array
from pipeline.images.fitting import StorageForm, StoredImage

_MADE = 96  # side of made pictures in pixels
_BORDERS = (0.01, 0.03)


def _recode(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def _resize(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((max(8, round(image.width * factor)), max(8, round(image.height * factor))))


def _crop(image: Image.Image, share: float) -> Image.Image:
    wide, high = round(image.width * share), round(image.height * share)
    return image.crop((wide, high, image.width - wide, image.height - high))


def _caption(image: Image.Image) -> Image.Image:
    changed = image.copy()
    draw = ImageDraw.Draw(changed)
    draw.text((image.width * 0.05, image.height * 0.9), "photographed by nobody", fill="yellow")
    return changed


_WAYS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG of quality 60": lambda image: _recode(image, 60),
    "JPEG of quality 20": lambda image: _recode(image, 20),
    "half the size": lambda image: _resize(image, 0.5),
    "a quarter of the size": lambda image: _resize(image, 0.25),
    "brighter by a fifth": lambda image: image.point(lambda level: min(255, level * 1.2)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 200)),
    "a caption": _caption,
    "cropped by 1 % a side": lambda image: _crop(image, _BORDERS[0]),
    "cropped by 3 % a side": lambda image: _crop(image, _BORDERS[1]),
}


def main() -> None:
    """Prints a line for each way of copying, then precision, then the seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="a folder of photographs, with folders in it or not")
    parser.add_argument("--most", type=int, default=300, help="photographs")
    parser.add_argument("--size", type=int, default=64, help="side of stored images in pixels")
    parser.add_argument("--count", type=int, default=0, help="made pictures to time")
    options = parser.parse_args()
    form = StorageForm(size=options.size, channels=3, resize="crop")
    if options.photos:
        files = sorted(path for path in options.photos.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
        _measure_copies(files[:: max(1, len(files) // options.most)][: options.most], form)
    if options.count:
        _measure_seconds(options.count, form)


def _store(image: Image.Image, form: StorageForm) -> StoredImage:
    return decode_array(np.asarray(image), form)


def _measure_copies(files: list[Path], form: StorageForm) -> None:
    photos = [Image.open(path).convert("RGB") for path in files]
    stored = [_store(photo, form) for photo in photos]
    origin, way = list(range(len(photos))), ["" for _ in photos]
    for name, copy in _WAYS.items():
        stored += [_store(copy(photo), form) for photo in photos]
        origin += range(len(photos))
        way += [name] * len(photos)
    hashes, images = [each.perceptual_hash for each in stored], np.stack([each.pixels for each in stored])
    pairs = find_near_duplicates(hashes, lambda rows: images[rows]).pairs
    of = np.array(origin)
    right = of[pairs[:, 0]] == of[pairs[:, 1]]
    first = {value: row for row, value in reversed(list(enumerate(hashes)))}
    linked = {frozenset(pair) for pair in pairs.tolist()}
    for name in _WAYS:
        rows = [row for row, each in enumerate(way) if each == name]
        equal = sum(hashes[row] == hashes[origin[row]] for row in rows)
        near = sum(frozenset((first[hashes[row]], first[hashes[origin[row]]])) in linked for row in rows)
        share = (equal + near) / len(rows)
        print(f"{name}: recall {share:.3f} of {len(rows)}: {equal} of equal hash, {near} near", flush=True)
    others = sorted({tuple(sorted(of[pair].tolist())) for pair in pairs[~right]})
    print(f"precision of {len(pairs)} near pairs: {right.mean():.4f}")
    for one, other in others:
        print(f"not of one photograph: {files[one].name}, {files[other].name}")


def _measure_seconds(count: int, form: StorageForm) -> None:
    random = np.random.default_rng(0)
    stored = [_store(_make(random), form) for _ in range(count - count // 100)]
    stored += [_store(_recode(Image.fromarray(each.pixels), 20), form) for each in stored[: count // 100]]
    hashes, images = [each.perceptual_hash for each in stored], np.stack([each.pixels for each in stored])
    begun = time.process_time()
    pairs = find_near_duplicates(hashes, lambda rows: images[rows]).pairs
    spent = time.process_time() - begun
    print(f"{count} pictures of {form.size} px: {spent:.2f} CPU s, {len(pairs)} near pairs")


def _make(random: np.random.Generator) -> Image.Image:
    """Makes a picture of soft blotches with detail."""
    made: NDArray[np.float32] = np.zeros((_MADE, _MADE, 3), dtype=np.float32)
    for parts, strength in ((4, 150), (12, 60), (40, 40)):
        rough = random.random((parts, parts, 3), dtype=np.float32) * strength
        made += cv2.resize(rough, (_MADE, _MADE), interpolation=cv2.INTER_CUBIC)
    return Image.fromarray(made.clip(0, 255).astype(np.uint8))


if __name__ == "__main__":
    main()
